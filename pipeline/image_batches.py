"""Frames as a network takes them: at its size, in a batch."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def fit(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring an image to the network's size: averaged where an axis shrinks, then interpolated.

    In one call OpenCV would not average at all where only one axis shrinks.
    """
    rows, columns = image.shape[:2]
    least = (min(width, columns), min(height, rows))
    averaged = cv2.resize(image, least, interpolation=cv2.INTER_AREA)
    fitted = cv2.resize(averaged, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fitted, np.uint8)


def as_batch(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 (B, H, W, C) to (B, C, H, W) in [0, 1], channels last in memory as they were."""
    return to_batch(torch.from_numpy(images).to(device))


def to_batch(images: Tensor) -> Tensor:
    """As `as_batch`, of images that are on the device."""
    return images.permute(0, 3, 1, 2).float() / 255
