"""Training images in memory: a GPU's, where they take little of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.image_batches import to_batch

MOST_OF_FREE = 0.1  # of a GPU's free memory, each for frames, flow images and labels


class KeptImages:
    """All images of a kind.

    Args:
        images: uint8 (N, H, W, C).
    """

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = torch.from_numpy(images)
        self.placed = False

    def batch(self, numbers: Sequence[int], device: torch.device) -> Tensor:
        """Images (B, C, H, W) in [0, 1], channels last in memory.

        Gathered on the CPU and copied, a batch of 640x360 px keeps a GPU waiting: the first batch
        brings all images there, if they take little of its free memory.
        """
        if device.type == "cuda" and not self.placed:
            self.placed = True
            if self.images.nbytes < MOST_OF_FREE * torch.cuda.mem_get_info(device)[0]:
                self.images = self.images.to(device)
        return to_batch(self.images[list(numbers)].to(device))
