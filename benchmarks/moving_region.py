"""The moving region of a clip from a static camera: a derived reference where nobody annotated.

    region = moving_region(frames)
    agreement = compare(masks, region)

Not ground truth. A pixel belongs to the region where it differs from the clip's temporal median,
whatever the reason: a shadow and a reflection do, what has the background's colour does not, and a
subject that rests in one place for half of the clip is background there, and leaves a ghost when
it goes.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LEVELS = 25  # grey levels in the channel that differs most
OPENING_PX = 3
LEAST_SHARE = 0.002  # of the frame: a component smaller than it is noise
MEDIAN_OF = 201  # frames at most that the median is taken of


class Agreement(NamedTuple):
    """Masks against the moving region, over the frames in which something moves.

    Attributes:
        frames: how many of them.
        overlapping: share of them whose mask shares a pixel with the region.
        covered: share of the region that the mask covers, mean.
        inside: share of the mask that lies in the region, mean; an empty mask counts 0.
        resting_frames: frames in which nothing moves.
        resting_empty: share of those whose mask is empty, nan where there are none.
    """

    frames: int
    overlapping: float
    covered: float
    inside: float
    resting_frames: int
    resting_empty: float


def median_background(frames: Image) -> Image:
    """Temporal median (H, W, 3) of frames (N, H, W, 3), of evenly spread ones if they are many."""
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MEDIAN_OF)).round().astype(int)
    return np.median(frames[chosen], axis=0).astype(np.uint8)


def moving_region(frames: Image) -> Mask:
    """What differs from the median background, opened, without small components.

    Args:
        frames: (N, H, W, 3) of a static camera.

    Returns:
        (N, H, W); a frame without a component of `LEAST_SHARE` of it is all false.
    """
    background = median_background(frames)
    return np.stack([_differing(frame, background) for frame in frames])


def compare(masks: Mask, region: Mask) -> Agreement:
    """How masks (N, H, W) agree with the moving region (N, H, W).

    Raises:
        ValueError: the shapes differ.
    """
    if masks.shape != region.shape:
        raise ValueError(f"masks {masks.shape} and region {region.shape} differ")
    moving = region.any(axis=(1, 2))
    both, ours, reference = (
        pixels[moving].sum(axis=(1, 2)) for pixels in (masks & region, masks, region)
    )
    empty = ~masks[~moving].any(axis=(1, 2))
    return Agreement(
        frames=int(moving.sum()),
        overlapping=_mean(both > 0),
        covered=_mean(both / reference),
        inside=_mean(both / np.maximum(ours, 1)),
        resting_frames=len(empty),
        resting_empty=_mean(empty),
    )


def _differing(frame: Image, background: Image) -> Mask:
    differs = (cv2.absdiff(frame, background).max(axis=-1) > LEVELS).astype(np.uint8)
    opened = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((OPENING_PX, OPENING_PX), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= LEAST_SHARE * opened.size
    large[0] = False  # the background's label
    return np.asarray(large[labels])


def _mean(values: NDArray[np.generic]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
