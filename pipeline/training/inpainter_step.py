"""One training step of an inpainting network (3.2, 3.4): hide random rectangles, fill them in."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.boxes import rectangle_mask
from models.inpainter import Inpainter, hole_loss
from pipeline.params.training import Inpainter as InpainterParams
from pipeline.training.augment import view

MAX_ROTATION = 0.1  # radians
MAX_ZOOM = 1.25
MAX_SHIFT = 0.1  # share of the image


def inpainter_step(
    network: Inpainter, images: Tensor, params: InpainterParams, rng: np.random.Generator
) -> Tensor:
    """Loss of one batch.

    Args:
        images: (B, 3, H, W) in [0, 1].
        rng: of this iteration alone, so that a resumed training repeats it.

    Returns:
        Scalar: mean absolute error inside the holes.
    """
    if params.augment:
        images = move_camera(images, rng)
    hole = random_holes(images, params, rng)
    return hole_loss(network(images, hole), images, hole)


def random_holes(images: Tensor, params: InpainterParams, rng: np.random.Generator) -> Tensor:
    """Union of `params.holes` random rectangles per image: (B, 1, H, W).

    Centres are uniform over the image, also near its border, where boxes of the subject may lie.
    """
    batch, _, height, width = images.shape
    shape = (params.holes, batch, 2)
    sizes = rng.uniform(params.hole_min, params.hole_max, shape)
    boxes = np.concatenate([rng.uniform(0.0, 1.0, shape), sizes], axis=2).astype(np.float32)
    holes = [
        rectangle_mask(torch.from_numpy(one).to(images.device), height, width, scale=1.0)
        for one in boxes
    ]
    return torch.stack(holes).amax(dim=0)


def move_camera(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Rotate, zoom and shift each image a little, as a camera would: more views of the background.

    Args:
        images: (B, 3, H, W); what comes into view is the image mirrored at its border.
    """
    batch = len(images)
    angle = rng.uniform(-MAX_ROTATION, MAX_ROTATION, batch)
    zoom = rng.uniform(1.0, MAX_ZOOM, batch)
    shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, (batch, 2)) * (zoom - 1)[:, None] / (MAX_ZOOM - 1)
    return view(images, angle, zoom, 2 * shift, np.ones(batch))
