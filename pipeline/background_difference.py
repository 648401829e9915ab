"""How far a frame differs from the known background (3.1), as far as there is one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.known_background import KnownBackground
from pipeline.image_batches import as_batch, fit
from pipeline.networks import load_inpainter
from pipeline.params.training import Network

CPU = torch.device("cpu")


class BackgroundDifference:
    """Compares frames with the background that fits each best, in the frame's light."""

    def __init__(self, background: KnownBackground, size: Network) -> None:
        self.background, self.size = background, size

    @torch.no_grad()
    def __call__(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The difference in the channel that differs most, 0..1.

        Args:
            image: (H, W, 3).
            mask: (H, W), where the image is no background: it tells nothing of the light.

        Returns:
            (H, W); it was computed at the network's size.
        """
        small, hole = (
            fit(one, self.size.height, self.size.width) for one in (image, 255 * mask.astype("u1"))
        )
        seen, hidden = (as_batch(one, CPU) for one in (small[None], hole[None, ..., None]))
        difference = (seen - self.background(seen, hidden)).abs().amax(dim=1)[0].numpy()
        size = image.shape[1], image.shape[0]
        return np.asarray(cv2.resize(difference, size, interpolation=cv2.INTER_LINEAR), np.float32)


def known_difference(folder: Path) -> BackgroundDifference | None:
    """Of `artifacts/inpainter_rgb`; None where the background is inpainted.

    Raises:
        BackdropError: missing or damaged.
    """
    network, size = load_inpainter(folder)
    return BackgroundDifference(network, size) if isinstance(network, KnownBackground) else None
