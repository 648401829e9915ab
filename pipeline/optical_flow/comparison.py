"""One picture of a benchmark pair: what goes in, the true flow, and each backend's with its error.

Two rows: target, true flow, flows; below them source, key of the colours, errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.flow.metrics import endpoint_error
from models.torchvision_shim import flow_to_image
from pipeline.drawing.captions import GAP, resize, side_by_side, with_caption
from pipeline.drawing.marks import Image
from pipeline.drawing.masks import heat
from pipeline.optical_flow.evaluation import ZERO, PairResult

WIDTH = 400  # px of each picture
FULL_ERROR_PX = 5.0  # brightest from here on, in all pictures alike
NOT_KNOWN = 128  # grey


def draw_comparison(result: PairResult) -> Image:
    """The picture, (h, w, 3) uint8 RGB; zero flow is left out, it would be white.

    Flow has Middlebury's colours, at full saturation where it is as large as the largest true flow.
    """
    target, source, truth, known = result.loaded
    flows = {name: flow for name, flow in result.flows.items() if name != ZERO}
    epe_px = {score.backend: score.epe_px for score in result.scores}
    scale_px = float(np.hypot(*np.moveaxis(truth[known], -1, 0)).max()) or 1.0
    height, width = known.shape
    key = _key(height, width) * scale_px
    wheel = _colours([truth, *flows.values(), key], scale_px)
    true_flow, shown_key = _grey(wheel[0], ~known), wheel[-1]
    columns = [
        _column(target, f"{result.pair.name}: target", source, "source"),
        _column(true_flow, "true flow", shown_key, f"colours; rim {scale_px:.1f} px"),
    ]
    for (name, flow), colours in zip(flows.items(), wheel[1:-1], strict=True):
        error = np.clip(endpoint_error(flow, truth) / FULL_ERROR_PX, 0, 1)
        map_ = _grey(heat((255 * error).astype(np.uint8)), ~known)
        text = f"error {epe_px[name]:.2f} px; brightest from {FULL_ERROR_PX:.0f}"
        columns.append(_column(colours, name, map_, text))
    return side_by_side(columns)


def _colours(flows: Sequence[NDArray[np.float32]], scale_px: float) -> list[Image]:
    """Each flow as colours; the largest magnitude of all, `scale_px`, is fully saturated."""
    stacked = np.stack(flows)
    magnitude = np.maximum(np.linalg.norm(stacked, axis=-1, keepdims=True), scale_px)
    limited = torch.from_numpy((stacked * (scale_px / magnitude)).astype(np.float32))
    images: NDArray[np.uint8] = flow_to_image(limited.permute(0, 3, 1, 2)).numpy()
    return list(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))


def _key(height: int, width: int) -> NDArray[np.float32]:
    """Flow (H, W, 2) away from the middle, 1 at the rim of the largest disc, 0 outside."""
    rows, columns = (np.arange(length) + 0.5 - length / 2 for length in (height, width))
    direction = np.stack(np.meshgrid(columns, rows), axis=-1) / (min(height, width) / 2)
    inside = np.linalg.norm(direction, axis=-1, keepdims=True) <= 1
    return np.asarray(direction * inside, np.float32)


def _grey(image: Image, where: NDArray[np.bool_]) -> Image:
    return np.where(where[..., None], np.uint8(NOT_KNOWN), image)


def _column(upper: Image, upper_text: str, lower: Image, lower_text: str) -> Image:
    pictures = [
        with_caption(resize(image, WIDTH), text)
        for image, text in ((upper, upper_text), (lower, lower_text))
    ]
    gap = np.full((GAP, WIDTH, 3), 255, np.uint8)
    height = max(len(picture) for picture in pictures)
    filled = [
        np.pad(picture, ((0, height - len(picture)), (0, 0), (0, 0)), constant_values=255)
        for picture in pictures
    ]
    return np.concatenate([filled[0], gap, filled[1]])
