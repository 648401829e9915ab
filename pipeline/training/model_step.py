"""One training step of D and S on frames and their flow images (3.2-3.4).

Nothing here knows files or params.yaml. The sampled boxes' holes are inpainted without gradient;
what trains what is written at each term of `models/objectives.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes import rectangle_mask
from models.detector import Proposals
from models.inpainter import Inpainter
from models.model import SegmentationModel
from models.objectives import (
    background_objective,
    box_fit,
    foreground_objective,
    mask_extent,
    mask_prior,
    probability_prior,
)
from models.reconstruction import ReconstructionLoss, composite
from models.sampling import draw
from pipeline.params.training import TrainModel
from pipeline.training.augment import jitter, recolour
from pipeline.training.cell_errors import mean_in_hole


@dataclass(frozen=True)
class Batch:
    """What one step sees.

    Attributes:
        image: (B, 3, H, W) frames in [0, 1].
        flow_image: (B, 3, H, W) encoded flow in [0, 1].
        flow_ok: (B,) 1 where the pair's homography was found, else 0: its flow then says nothing.
        flipped: the batch is mirrored; the inpainters, which know the places, see it unmirrored.
    """

    image: Tensor
    flow_image: Tensor
    flow_ok: Tensor
    flipped: bool


@dataclass(frozen=True)
class Frozen:
    """What is trained before and constant here.

    Attributes:
        rgb, flow: the inpainters; `flow` is None without optical flow.
        rgb_spread, flow_spread: scales that bring both G to unit spread over cells.
        distance: L.
    """

    rgb: Inpainter
    flow: Inpainter | None
    rgb_spread: float
    flow_spread: float
    distance: ReconstructionLoss


def model_loss(
    model: SegmentationModel,
    frozen: Frozen,
    batch: Batch,
    params: TrainModel,
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """All objectives of one batch.

    Returns:
        The scalar to minimise, and its terms for the curves.
    """
    proposals = model.detector(jitter(batch.image, generator))
    sampling = params.sampling
    cells, weights = draw(
        proposals.logits,
        sampling.method,
        sampling.samples,
        sampling.epsilon,
        sampling.temperature,
        generator,
    )
    draws = [
        _one_draw(model, frozen, batch, proposals, cells[:, j], params, generator)
        for j in range(sampling.samples)
    ]
    reconstruction = torch.stack([d.reconstruction for d in draws], dim=1)
    density = torch.stack([d.density for d in draws], dim=1)
    mask = torch.cat([d.mask for d in draws])
    boxes = torch.stack([d.box for d in draws], dim=1)
    extents = torch.stack([mask_extent(d.mask) for d in draws], dim=1)
    fit = box_fit(weights, boxes, extents)
    loss, terms = _combine(params, proposals, weights, reconstruction, density, mask, fit)
    terms["entropy"] = torch.special.entr(proposals.probability).sum(dim=1).mean()
    terms["box_side"] = boxes[..., 2:].mean()
    return loss, {key: value.detach() for key, value in terms.items()}


@dataclass(frozen=True)
class _Draw:
    """One sampled cell per image: its box, L of Eq. (3), density of Eq. (4), mask."""

    box: Tensor
    reconstruction: Tensor
    density: Tensor
    mask: Tensor


def _one_draw(
    model: SegmentationModel,
    frozen: Frozen,
    batch: Batch,
    proposals: Proposals,
    cells: Tensor,
    params: TrainModel,
    generator: torch.Generator,
) -> _Draw:
    box = proposals.box_at(cells)
    hole = rectangle_mask(box, *batch.image.shape[2:])
    with torch.no_grad():
        background = _inpaint(frozen.rgb, batch.image, hole, batch.flipped).clamp(0, 1)
        density = mean_in_hole(background, batch.image, hole) / frozen.rgb_spread
        if frozen.flow is not None:
            filled = _inpaint(frozen.flow, batch.flow_image, hole, batch.flipped)
            moving = mean_in_hole(filled, batch.flow_image, hole) / frozen.flow_spread
            density = density + params.loss.flow * batch.flow_ok * moving
        target = batch.image
        if params.recolour:
            target = recolour(target, background, generator)
    foreground, mask = model.synthesise(target, box, background)
    reconstruction = frozen.distance(composite(foreground, mask, background, box), target)
    if params.objective == "joint":
        density = density * hole.mean(dim=(1, 2, 3)) / box[:, 2:].prod(dim=1)
    return _Draw(box, reconstruction, density, mask)


def _combine(
    params: TrainModel,
    proposals: Proposals,
    weights: Tensor,
    reconstruction: Tensor,
    density: Tensor,
    mask: Tensor,
    fit: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    weight = params.loss
    terms: dict[str, Tensor] = {}
    zero = reconstruction.new_zeros(())
    loss = zero
    if params.objective != "background_only":
        to_probability = params.objective in ("joint", "foreground_only")
        terms["foreground"] = foreground_objective(weights, reconstruction, to_probability)
        terms["mask_prior"] = mask_prior(mask, weight.mask_prior, weight.mask_prior_lambda)
        loss = loss + terms["foreground"] + weight.mask_prior_weight * terms["mask_prior"]
        terms["box_fit"] = fit
        loss = loss + weight.box_fit * fit
    if params.objective != "foreground_only":
        terms["background"] = background_objective(weights, density)
        loss = loss + terms["background"]
    terms["probability_prior"] = probability_prior(proposals.probability)
    loss = loss + weight.probability_prior * terms["probability_prior"]
    terms["loss"] = loss
    terms["mask_area"] = mask.mean()
    return loss, terms


def _inpaint(inpainter: Inpainter, image: Tensor, hole: Tensor, flipped: bool) -> Tensor:
    """Fill the hole; a mirrored batch is mirrored back for the network that knows the place."""
    if flipped:
        image, hole = image.flip(3), hole.flip(3)
    filled: Tensor = inpainter(image, hole)
    return filled.flip(3) if flipped else filled
