"""The background of a static camera from frames of its video (3.1), robust to a subject that rests.

Per pixel the colour that most frames share, not the median: the median mixes subject and background
where both are seen half of the time. Then again, from the frames alone whose surroundings show
background: what rests longer than it is away is hidden by nothing else than by more of itself.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 12
"""Grey levels within which a frame agrees with the background, in each colour."""
ROUNDS = 4
EMPTIEST = 0.15
"""Share of the frames that a later round looks at: those with the emptiest surroundings."""
SURROUNDINGS = 0.25
"""Side of a pixel's surroundings, share of the image's shorter side."""
MOST_CANDIDATES = 64  # frames whose groups are compared
BAND_PIXELS = 4096  # looked at together, so that memory does not grow with the picture

Images = NDArray[np.uint8]


class BackgroundEstimate(NamedTuple):
    """A background and how sure it is.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        coverage: (H, W) share of the frames that agree with it.
    """

    image: Images
    coverage: NDArray[np.float32]


def estimate_background(frames: Images) -> BackgroundEstimate:
    """The background of a video, and how far its frames show it.

    Args:
        frames: (T, H, W, 3) RGB, spread over the video.
    """
    lit_alike = level(frames, np.median(frames, axis=0).astype(np.uint8))
    background = _largest_groups(lit_alike, None)
    for _ in range(ROUNDS):
        background = _largest_groups(lit_alike, _emptiest(lit_alike, background))
    # The median light of all frames, for the chosen few may come from a brighter part.
    agreeing = np.stack([agrees(frame, background) for frame in lit_alike])
    background = _median_where(lit_alike, agreeing)
    return BackgroundEstimate(background, coverage(frames, background))


def level(frames: Images, background: Images) -> Images:
    """The frames (T, H, W, 3) in the background's light: per frame and colour a shift.

    The median difference, for exposure and white balance drift and most of a frame is background.
    """
    shifts = [np.median(frame.astype(np.int16) - background, axis=(0, 1)) for frame in frames]
    shifted = frames.astype(np.int16) - np.rint(shifts).astype(np.int16)[:, None, None]
    return shifted.clip(0, 255).astype(np.uint8)


def coverage(frames: Images, background: Images) -> NDArray[np.float32]:
    """Share (H, W) of the frames (T, H, W, 3) that agree with `background` but for their light."""
    agreeing = [agrees(frame, background) for frame in level(frames, background)]
    return np.asarray(np.mean(agreeing, axis=0), np.float32)


def agrees(image: Images, other: Images) -> NDArray[np.bool_]:
    """Where two pictures (..., 3) differ by at most TOLERANCE in each colour: (...)."""
    near = cv2.absdiff(image, other) <= TOLERANCE
    # Nine times as fast as `all` over an axis of three.
    return np.asarray(near[..., 0] & near[..., 1] & near[..., 2])


def _emptiest(frames: Images, background: Images) -> NDArray[np.intp]:
    """Of each pixel, the frames whose surroundings agree best with the background: (K, H, W)."""
    side = max(3, round(SURROUNDINGS * min(background.shape[:2])))
    emptiness = np.stack(
        [cv2.blur(agrees(frame, background).astype(np.float32), (side, side)) for frame in frames]
    )
    kept = max(1, round(EMPTIEST * len(frames)))
    return np.argsort(-emptiness, axis=0, kind="stable")[:kept]


def _largest_groups(frames: Images, chosen: NDArray[np.intp] | None) -> Images:
    """The median (H, W, 3) of each pixel's largest group of agreeing frames.

    Args:
        frames: (T, H, W, 3).
        chosen: (K, H, W) frames to look at, per pixel; all without.
    """
    count, height, width = frames.shape[:3]
    pixels = frames.reshape(count, -1, 3)
    rows = None if chosen is None else chosen.reshape(len(chosen), -1)
    bands = []
    for first in range(0, height * width, BAND_PIXELS):
        band = pixels[:, first : first + BAND_PIXELS]
        if rows is not None:
            band = np.take_along_axis(band, rows[:, first : first + BAND_PIXELS, None], axis=0)
        bands.append(_largest_group(band))
    return np.concatenate(bands).reshape(height, width, 3)


def _largest_group(pixels: Images) -> Images:
    """(T, P, 3) to (P, 3): of each pixel, the median of the frames that agree with one of them."""
    candidates = pixels[:: -(-len(pixels) // MOST_CANDIDATES)]
    support = np.stack(
        [np.sum([agrees(one, other) for other in pixels], axis=0) for one in candidates]
    )
    centre = candidates[support.argmax(axis=0), np.arange(pixels.shape[1])]  # (P, 3)
    return _median_where(pixels, np.stack([agrees(some, centre) for some in pixels]))


def _median_where(values: Images, inside: NDArray[np.bool_]) -> Images:
    """Median over the first axis of `values` (T, ..., 3) where `inside` (T, ...); 255 where never.

    What is outside sorts to the end as 255: many times faster than a median that skips NaN.
    """
    ordered = np.sort(np.where(inside[..., None], values, np.uint8(255)), axis=0)
    middle = (inside.sum(axis=0) - 1).clip(min=0) // 2
    return np.asarray(np.take_along_axis(ordered, middle[None, ..., None], axis=0)[0], np.uint8)
