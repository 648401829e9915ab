"""The moving region of a clip from a static camera: a derived reference where nobody annotated.

    differing = differing_region(frames, median_background(frames))
    moving = moving_region(frames, differing, lag=5)
    agreement = compare(masks, moving)

Not ground truth. A pixel differs from the background whatever the reason: a shadow and a reflection
do, what has the background's colour does not. What differs need not move: light that has changed
since, and the ghost of a background that is wrong, differ for hundreds of frames. Of the components
that differ, those are the moving region in which something changes within `lag` frames. There are
two backgrounds. In the temporal median, a subject that rests in one place for half of the clip is
background, and leaves a ghost when it goes. `emptiest_background` looks at the emptiest frames; it
is what preset static-camera gives the model, and tells nothing of that background's own mistakes.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.background_estimation import estimate_background

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
    return np.median(evenly(frames), axis=0).astype(np.uint8)


def emptiest_background(frames: Image) -> Image:
    """Of each pixel the largest group of agreeing frames, in the emptiest: (H, W, 3)."""
    return estimate_background(evenly(frames)).image


def evenly(frames: Image) -> Image:
    """At most `MEDIAN_OF` of the frames, evenly spread."""
    count = min(len(frames), MEDIAN_OF)
    return frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]


def differing_region(frames: Image, background: Image) -> Mask:
    """What differs from the background, opened, without small components.

    Args:
        frames: (N, H, W, 3) of a static camera.
        background: (H, W, 3).

    Returns:
        (N, H, W); a frame without a component of `LEAST_SHARE` of it is all false.
    """
    return np.stack([_without_specks(_differing(frame, background)) for frame in frames])


def moving_region(frames: Image, differing: Mask, lag: int) -> Mask:
    """The components of `differing` that hold a change, opened, to one of two frames.

    Args:
        frames: (N, H, W, 3) of a static camera.
        differing: (N, H, W), see `differing_region`.
        lag: to the frame before and the frame after that each is compared with, frames.

    Returns:
        (N, H, W).
    """
    moving = np.zeros_like(differing)
    changes = [_differing(*pair) for pair in zip(frames, frames[lag:], strict=False)]
    for number, region in enumerate(differing):
        ends = [start for start in (number - lag, number) if 0 <= start < len(changes)]
        changed = np.any([changes[start] for start in ends], axis=0)
        _, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
        moving[number] = region & np.isin(labels, labels[changed & region])
    return moving


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


def _differing(frame: Image, other: Image) -> Mask:
    differs = (cv2.absdiff(frame, other).max(axis=-1) > LEVELS).astype(np.uint8)
    kernel = np.ones((OPENING_PX, OPENING_PX), np.uint8)
    return np.asarray(cv2.morphologyEx(differs, cv2.MORPH_OPEN, kernel) > 0)


def _without_specks(region: Mask) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= LEAST_SHARE * region.size
    large[0] = False  # the background's label
    return np.asarray(large[labels])


def _mean(values: NDArray[np.generic]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
