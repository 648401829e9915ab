"""Warm D's probabilities up on a table of all cells' inpainting errors (see `cell_errors`)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.boxes import initial_boxes
from models.known_background import BackgroundModel
from models.model import SegmentationModel
from models.objectives import exact_background_objective, probability_prior
from pipeline.params.training import TrainModel
from pipeline.progress import Progress
from pipeline.training.augment import jitter
from pipeline.training.cell_errors import ErrorScale, cell_errors, error_scale
from pipeline.training.frames import TrainingFrames

log = logging.getLogger("backdrop")
CHUNK = 16  # frames inpainted at once
GOOD_CONTRAST = 8.0
"""Below this ratio of subject to background error, trials did not find the subject."""
LEAST_FLOW_SPREAD = 0.01
"""Flow without any motion has 0.004 left of it by its inpainter's noise, the built-in data 0.11; to
bring noise to unit spread, too, would train boxes on it."""


@dataclass(frozen=True)
class ErrorTable:
    """Errors of all cells for some frames.

    Attributes:
        frames: (F,) indices of the training frames.
        density: (F, C) error densities of Eq. (4), frames plus flow, each over its scale.
        rgb, flow: scale of each; `flow` is None without optical flow.
    """

    frames: np.ndarray
    density: Tensor
    rgb: ErrorScale
    flow: ErrorScale | None


def build_table(
    inpainter: BackgroundModel,
    frames: TrainingFrames,
    flow: tuple[BackgroundModel, TrainingFrames, Tensor] | None,
    params: TrainModel,
    rng: np.random.Generator,
    device: torch.device,
) -> ErrorTable:
    """Inpaint every cell's initial box in `params.warmup_frames` frames.

    Args:
        flow: inpainter, flow images and (N,) ok flags; None without optical flow.
    """
    count = min(params.warmup_frames, len(frames))
    chosen = np.sort(rng.choice(len(frames), count, replace=False))
    boxes = initial_boxes(params.detector.grid, params.detector.scale_initial).to(device)
    rgb = _errors("inpaint all cells (rgb)", inpainter, frames, chosen, boxes, device)
    rgb_scale = error_scale(rgb)
    density, flow_scale = rgb / rgb_scale.spread, None
    if flow is not None:
        network, images, ok = flow
        moving = _errors("inpaint all cells (flow)", network, images, chosen, boxes, device)
        usable = ok[torch.from_numpy(chosen)].to(device)
        flow_scale = error_scale(moving[usable > 0], LEAST_FLOW_SPREAD)
        density = density + params.loss.flow * usable[:, None] * moving / flow_scale.spread
    table = ErrorTable(chosen, density, rgb_scale, flow_scale)
    _judge(table)
    return table


def warm_up_loss(
    model: SegmentationModel,
    image: Tensor,
    density: Tensor,
    flipped: bool,
    prior_weight: float,
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """G as an exact sum over cells, for a batch of the table.

    Args:
        image: (B, 3, H, W), mirrored if `flipped`.
        density: (B, C) of the unmirrored frames.
    """
    grid = model.detector.grid
    if flipped:
        density = density.view(-1, grid, grid).flip(2).flatten(1)
    probability = model.detector(jitter(image, generator)).probability
    background = exact_background_objective(probability, density)
    prior = probability_prior(probability)
    return background + prior_weight * prior, {
        "background": background.detach(),
        "probability_prior": prior.detach(),
    }


def _errors(
    label: str,
    inpainter: BackgroundModel,
    frames: TrainingFrames,
    chosen: np.ndarray,
    boxes: Tensor,
    device: torch.device,
) -> Tensor:
    parts = []
    with Progress(label, len(chosen), "frames") as progress:
        for first in range(0, len(chosen), CHUNK):
            some = chosen[first : first + CHUNK].tolist()
            parts.append(cell_errors(inpainter, frames.batch(some, device), boxes))
            progress.advance(len(some))
    return torch.cat(parts)


def _judge(table: ErrorTable) -> None:
    """Say whether the subject stands out; the earliest sign that training will fail."""
    contrasts = {"frames": table.rgb.contrast}
    if table.flow is not None:
        contrasts["flow images"] = table.flow.contrast
    told = ", ".join(f"{name} {value:.1f}" for name, value in contrasts.items())
    verdict = "good" if max(contrasts.values()) >= GOOD_CONTRAST else "weak: expect poor boxes"
    log.info("worst over median inpainting error of the cells: %s (%s)", told, verdict)
