"""The trained inpainter applied to one cached frame, for those who look."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.boxes import boxes_from_pixels, rectangle_mask
from pipeline.image_batches import as_batch, fit
from pipeline.networks import load_inpainter


class FrameInpainter:
    """Fills the 1.1x box of a frame as training saw it.

    Args:
        folder: e.g. `artifacts/inpainter_rgb`.
    """

    def __init__(self, folder: Path) -> None:
        self.network, self.size = load_inpainter(folder)

    @torch.no_grad()
    def __call__(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Inpaint one frame.

        Args:
            image: (H, W, 3).
            box: (4,) `x, y, w, h` px.

        Returns:
            (H, W, 3), at the frame's size; the hole comes from the network's smaller one.
        """
        height, width = image.shape[:2]
        share = boxes_from_pixels(torch.from_numpy(box[None].astype(np.float32)), height, width)
        small = fit(image, self.size.height, self.size.width)
        hole = rectangle_mask(share, self.size.height, self.size.width)
        filled = self.network(as_batch(small[None], hole.device), hole)[0].clamp(0, 1)
        filled_image = (filled.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        large = cv2.resize(filled_image, (width, height), interpolation=cv2.INTER_LINEAR)
        inside = rectangle_mask(share, height, width)[0, 0].numpy() > 0
        return np.where(inside[..., None], large, image).astype(np.uint8)
