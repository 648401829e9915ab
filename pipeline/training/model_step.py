"""One training step of D and S on frames and their flow images (3.2-3.4).

Nothing here knows files or params.yaml. The sampled boxes' holes are inpainted without gradient;
what trains what is written at each term of `models/objectives.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from models.boxes import rectangle_mask, rectangle_with_gradient
from models.detector import Proposals
from models.extent import extent
from models.inpainter import Inpainter
from models.known_background import BackgroundModel
from models.model import SegmentationModel
from models.objectives import (
    MARGIN,
    background_objective,
    box_fit,
    exact_background_objective,
    flow_objective,
    foreground_objective,
    mask_prior,
    probability_prior,
)
from models.reconstruction import ReconstructionLoss, composite
from models.sampling import draw
from pipeline.params.training import LossParams, TrainModel
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
        rgb_spread, flow_spread: scales that bring both G to unit spread over cells, but not noise.
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
    terms, watched = model_terms(model, frozen, batch, params, generator)
    weights = term_weights(params.loss)
    loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    told = {**terms, "loss": loss, **watched}
    return loss, {name: value.detach() for name, value in told.items()}


def term_weights(loss: LossParams) -> dict[str, float]:
    """What each term of `model_terms` counts; flow's part in G is weighted within G."""
    return {
        "foreground": 1.0,
        "mask_prior": loss.mask_prior_weight,
        "flow_mask": loss.flow_mask,
        "box_fit": loss.box_fit,
        "background": 1.0,
        "probability_prior": loss.probability_prior,
    }


def model_terms(
    model: SegmentationModel,
    frozen: Frozen,
    batch: Batch,
    params: TrainModel,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The terms of the objective that `params` asks for, each a scalar with its own gradient.

    Returns:
        The terms, and what else a curve shows.
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
        for j in range(cells.shape[1])
    ]
    together = _Draw(
        *(torch.stack([getattr(d, f.name) for d in draws], dim=1) for f in fields(_Draw))
    )
    watched = {
        "mask_area": together.mask.mean(),
        "entropy": torch.special.entr(proposals.probability).sum(dim=1).mean(),
        "box_side": together.box[..., 2:].mean(),
    }
    return _terms(params, proposals, weights, together), watched


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
    size = batch.image.shape[2:]
    hole = rectangle_mask(box, *size)
    # Alone, G must place the box too; direct regression leaves it nothing else to train.
    to_box = params.objective in ("joint", "background_only") or params.proposals == "direct"
    erased = rectangle_with_gradient(box, *size) if to_box else hole
    with torch.no_grad():
        filled = _inpaint(frozen.rgb, batch.image, hole, batch.flipped).clamp(0, 1)
        target = recolour(batch.image, filled, generator) if params.recolour else batch.image
    density, moving, flow_error = error_density(
        frozen, batch, filled, (hole, erased), params.loss.flow
    )
    # A known background stands behind the whole frame, whatever the hole.
    through_hole = params.objective == "joint" and isinstance(frozen.rgb, Inpainter)
    # Around the hole it is the target, recoloured or not, that a wider hole would erase.
    background = torch.lerp(target, filled, erased) if through_hole else filled
    foreground, mask = model.synthesise(target, box, background)
    reconstruction = frozen.distance(composite(foreground, mask, background, box), target)
    trust = (moving.detach() / TRUSTED).clamp(max=1)
    return _Draw(box, mask[:, 0], reconstruction, density, flow_error, trust)


def error_density(
    frozen: Frozen, batch: Batch, filled: Tensor, holes: tuple[Tensor, Tensor], flow_weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What G sums over boxes, Eq. (4): the errors of frames and of flow, each over its spread.

    Args:
        filled: (B, 3, H, W) the frames with their holes inpainted.
        holes: (B, 1, H, W) each, as the inpainters saw it, and as it is differentiated.
        flow_weight: of the flow's part.

    Returns:
        (B,) density, (B,) the flow's part of it unweighted, (B, H, W) the flow's error map.
    """
    hole, erased = holes
    moving, flow_error = _flow_error(frozen, batch, hole, erased)
    density = mean_in_hole(filled, batch.image, erased) / frozen.rgb_spread
    return density + flow_weight * moving, moving, flow_error


def _flow_error(
    frozen: Frozen, batch: Batch, hole: Tensor, erased: Tensor
) -> tuple[Tensor, Tensor]:
    """Density (B,) over its spread, and error map (B, H, W); zero without flow."""
    batch_size, _, height, width = hole.shape
    if frozen.flow is None:
        return hole.new_zeros(batch_size), hole.new_zeros(batch_size, height, width)
    with torch.no_grad():
        filled = _inpaint(frozen.flow, batch.flow_image, hole, batch.flipped)
    density = mean_in_hole(filled, batch.flow_image, erased) / frozen.flow_spread
    error = squared_error(filled, batch.flow_image)[:, 0].clamp(max=1)
    return density * batch.flow_ok, error * batch.flow_ok[:, None, None]


def _terms(
    params: TrainModel, proposals: Proposals, weights: Tensor, draws: _Draw
) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    exact = params.sampling.method == "exact"
    if params.objective != "background_only":
        to_probability = params.objective in ("joint", "foreground_only")
        terms["foreground"] = foreground_objective(
            weights, draws.reconstruction, to_probability, exact
        )
        priors = mask_prior(draws.mask, params.loss.mask_prior, params.loss.mask_prior_lambda)
        # Eq. (5)'s weights here too: what exploration draws has no subject to mask.
        terms["mask_prior"] = (weights.detach() * priors).mean()
        terms["flow_mask"] = flow_objective(weights, draws.mask, draws.flow_error)
        # Squared, so that the faint errors of a large background weigh nothing.
        extents = extent(draws.flow_error.flatten(0, 1).square(), MARGIN).view_as(draws.box)
        terms["box_fit"] = box_fit(weights * draws.trust, draws.box, extents)
    if params.objective != "foreground_only":
        terms["background"] = (
            exact_background_objective(proposals.probability, draws.density)
            if exact
            else background_objective(weights, draws.density)
        )
    terms["probability_prior"] = probability_prior(proposals.probability)
    return terms


def _inpaint(inpainter: BackgroundModel, image: Tensor, hole: Tensor, flipped: bool) -> Tensor:
    """Fill the hole; a mirrored batch is mirrored back for the network that knows the place."""
    if flipped:
        image, hole = image.flip(3), hole.flip(3)
    filled: Tensor = inpainter(image, hole)
    return filled.flip(3) if flipped else filled
