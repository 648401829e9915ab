"""One training step of D and S on frames and their flow images (3.2-3.4).

Nothing here knows files or params.yaml. The sampled boxes' holes are inpainted without gradient;
what trains what is written at each term of `models/objectives.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from models.boxes import rectangle_mask
from models.detector import Proposals
from models.extent import extent
from models.known_background import BackgroundModel
from models.model import SegmentationModel
from models.objectives import (
    MARGIN,
    background_objective,
    box_fit,
    flow_objective,
    foreground_objective,
    mask_prior,
    probability_prior,
)
from models.reconstruction import ReconstructionLoss, composite
from models.sampling import draw
from pipeline.params.training import TrainModel
from pipeline.training.augment import jitter, recolour
from pipeline.training.cell_errors import mean_in_hole, squared_error

TRUSTED = 2.0
"""Flow error in a box, in spreads over the cells, from which the box is surely on what moves."""


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
        rgb, flow: the inpainters; `rgb` may be a known background, `flow` is None without flow.
        rgb_spread, flow_spread: scales that bring both G to unit spread over cells.
        distance: L.
    """

    rgb: BackgroundModel
    flow: BackgroundModel | None
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
    together = _Draw(
        *(torch.stack([getattr(d, f.name) for d in draws], dim=1) for f in fields(_Draw))
    )
    loss, terms = _combine(params, proposals, weights, together)
    terms["entropy"] = torch.special.entr(proposals.probability).sum(dim=1).mean()
    terms["box_side"] = together.box[..., 2:].mean()
    return loss, {key: value.detach() for key, value in terms.items()}


@dataclass(frozen=True)
class _Draw:
    """One sampled cell per image, or J of them stacked behind the batch.

    Attributes:
        box: (B, 4). mask: (B, H, W), T^-1(S).
        reconstruction: (B,), L of Eq. (3). density: (B,), the integrand of Eq. (4).
        flow_error: (B, H, W), squared error of the inpainted flow image, at most 1.
        trust: (B,) in [0, 1], whether anything moves in the box.
    """

    box: Tensor
    mask: Tensor
    reconstruction: Tensor
    density: Tensor
    flow_error: Tensor
    trust: Tensor


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
        moving, flow_error = _flow_error(frozen, batch, hole)
        density = density + params.loss.flow * moving
        target = batch.image
        if params.recolour:
            target = recolour(target, background, generator)
    foreground, mask = model.synthesise(target, box, background)
    reconstruction = frozen.distance(composite(foreground, mask, background, box), target)
    if params.objective == "joint":
        density = density * hole.mean(dim=(1, 2, 3)) / box[:, 2:].prod(dim=1)
    trust = (moving / TRUSTED).clamp(max=1)
    return _Draw(box, mask[:, 0], reconstruction, density, flow_error, trust)


def _flow_error(frozen: Frozen, batch: Batch, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Density (B,) over its spread, and error map (B, H, W); zero without flow."""
    batch_size, _, height, width = hole.shape
    if frozen.flow is None:
        return hole.new_zeros(batch_size), hole.new_zeros(batch_size, height, width)
    filled = _inpaint(frozen.flow, batch.flow_image, hole, batch.flipped)
    density = mean_in_hole(filled, batch.flow_image, hole) / frozen.flow_spread
    error = squared_error(filled, batch.flow_image)[:, 0].clamp(max=1)
    return density * batch.flow_ok, error * batch.flow_ok[:, None, None]


def _combine(
    params: TrainModel, proposals: Proposals, weights: Tensor, draws: _Draw
) -> tuple[Tensor, dict[str, Tensor]]:
    weight = params.loss
    terms: dict[str, Tensor] = {}
    loss = draws.reconstruction.new_zeros(())
    if params.objective != "background_only":
        to_probability = params.objective in ("joint", "foreground_only")
        terms["foreground"] = foreground_objective(weights, draws.reconstruction, to_probability)
        mask = draws.mask.flatten(0, 1)[:, None]
        terms["mask_prior"] = mask_prior(mask, weight.mask_prior, weight.mask_prior_lambda)
        terms["flow_mask"] = flow_objective(weights, draws.mask, draws.flow_error)
        # Squared, so that the faint errors of a large background weigh nothing.
        extents = extent(draws.flow_error.flatten(0, 1).square(), MARGIN).view_as(draws.box)
        terms["box_fit"] = box_fit(weights * draws.trust, draws.box, extents)
        loss = loss + terms["foreground"] + weight.mask_prior_weight * terms["mask_prior"]
        loss = loss + weight.flow_mask * terms["flow_mask"] + weight.box_fit * terms["box_fit"]
    if params.objective != "foreground_only":
        terms["background"] = background_objective(weights, draws.density)
        loss = loss + terms["background"]
    terms["probability_prior"] = probability_prior(proposals.probability)
    loss = loss + weight.probability_prior * terms["probability_prior"]
    terms["loss"] = loss
    terms["mask_area"] = draws.mask.mean()
    return loss, terms


def _inpaint(inpainter: BackgroundModel, image: Tensor, hole: Tensor, flipped: bool) -> Tensor:
    """Fill the hole; a mirrored batch is mirrored back for the network that knows the place."""
    if flipped:
        image, hole = image.flip(3), hole.flip(3)
    filled: Tensor = inpainter(image, hole)
    return filled.flip(3) if flipped else filled
