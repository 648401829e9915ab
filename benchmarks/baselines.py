"""Masks that a user could have without training anything: one fixed setting for every video.

    moving_pixels(speed, gap)                  residual flow above a threshold
    refined_flow(image, speed, moving_px)      residual flow under the dense CRF
    background_subtraction(frames, motion)     OpenCV's MOG2 on stabilised frames
    grab_cut(image, box)                       OpenCV's GrabCut from a box

All are label-free, and all see what our stages made: frames, homographies, flow, boxes.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from models.crf import CrfSetting, refine
from models.warping import warp_onto

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float64]
Motion = Mapping[int, Matrix]
"""Homography onto frame t of frame t + gap, by t; frames whose pair is not ok are absent."""

FLOW_SHARE = 0.003
"""Of the longest side per frame: the best of `benchmarks.stabilization_iou` on two sequences."""
CRF_ITERATIONS = 5  # as `calibrate` tries first
REACH = 40  # frames before and after that make the background of a frame
VARIANCES = 16.0  # OpenCV's default varThreshold: squared distance in units of the variance
BACKGROUND_RATIO = 0.7  # OpenCV: 0.9; a subject may cover a place for a quarter of the time
MEDIAN_PX = 5
GRAB_CUT_ITERATIONS = 5
LEAST_SIDE = 2  # px of a box that GrabCut can learn colours from


def moving_pixels(speed: NDArray[np.float32], gap: int) -> Mask:
    """Where residual flow exceeds `FLOW_SHARE` of the longest side for each frame of the gap.

    Args:
        speed: (H, W) magnitude of the residual flow of a pair, px.
        gap: frames between the two of the pair.
    """
    return np.asarray(speed > FLOW_SHARE * gap * max(speed.shape))


def refined_flow(image: Image, speed: NDArray[np.float32], moving_px: float) -> Mask:
    """Residual flow as a soft mask whose odds are its speed over `moving_px`, after our CRF.

    Args:
        image: (H, W, 3) RGB.
        speed: (H, W) magnitude of the residual flow, px.
        moving_px: even odds.
    """
    soft = np.asarray(speed / (speed + moving_px), np.float32)
    return np.asarray(refine(soft, image, 0.5, CrfSetting(), CRF_ITERATIONS) > 0.5)


def background_subtraction(frames: Image, motion: Motion, gap: int) -> Mask:
    """Foreground of every frame by MOG2, its neighbours warped onto it being the background.

    Args:
        frames: (N, H, W, 3) RGB.
        motion: see `Motion`.
        gap: frames between the two of a pair.

    Returns:
        (N, H, W); false where no neighbour sees the place.
    """
    return np.stack([_foreground(frames, t, motion, gap) for t in range(len(frames))])


def grab_cut(image: Image, box: NDArray[np.floating]) -> Mask:
    """GrabCut (Rother et al. 2004): what differs from the colours outside the box.

    Args:
        image: (H, W, 3) RGB.
        box: (4,) `x, y, w, h` px; clipped to the frame.

    Returns:
        (H, W); empty where nothing of the box is left, the box itself where it leaves no outside.
    """
    height, width = image.shape[:2]
    x, y, w, h = (float(side) for side in box)
    left, top = max(round(x), 0), max(round(y), 0)
    right, bottom = min(round(x + w), width), min(round(y + h), height)
    inside = np.zeros((height, width), bool)
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        return inside
    inside[top:bottom, left:right] = True
    if np.count_nonzero(~inside) < LEAST_SIDE**2:
        return inside
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    cv2.setRNGSeed(0)  # of its k-means
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[..., ::-1])
    cv2.grabCut(bgr, labels, None, *models, GRAB_CUT_ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return np.asarray(labels == cv2.GC_PR_FGD)


def neighbours(t: int, count: int, motion: Motion, gap: int) -> dict[int, Matrix]:
    """Homography onto frame `t` of each frame within `REACH`, products of the pairs between.

    A pair that is not ok ends the chain on its side.
    """
    found: dict[int, Matrix] = {}
    H = np.eye(3)
    for target in range(t, min(t + REACH, count - gap - 1) + 1, gap):
        if target not in motion or target + gap > t + REACH:
            break
        H = H @ motion[target]
        found[target + gap] = H / H[2, 2]
    H = np.eye(3)
    for target in range(t - gap, max(t - REACH, 0) - 1, -gap):
        if target not in motion:
            break
        H = H @ np.linalg.inv(motion[target])
        found[target] = H / H[2, 2]
    return dict(sorted(found.items()))


def _foreground(frames: Image, t: int, motion: Motion, gap: int) -> Mask:
    """One frame against a fresh MOG2 that has seen its neighbours forth and back."""
    size = frames.shape[1:3]
    views = [
        warp_onto(frames[other], H, None, size)
        for other, H in neighbours(t, len(frames), motion, gap).items()
    ]
    if not views:
        return np.zeros(size, bool)
    first_seen = np.zeros_like(frames[t])
    for shown, seen in reversed(views):
        first_seen[seen] = shown[seen]
    passes = [*views, *reversed(views)]
    model = cv2.createBackgroundSubtractorMOG2(len(passes), VARIANCES, False)
    model.setBackgroundRatio(BACKGROUND_RATIO)
    for number, (shown, seen) in enumerate(passes):
        # What a neighbour does not see teaches nothing.
        known = model.getBackgroundImage() if number else first_seen
        model.apply(np.where(seen[..., None], shown, known), learningRate=1 / (number + 1))
    seen_by_any = np.any([seen for _, seen in views], axis=0)
    foreground = cv2.medianBlur(model.apply(frames[t], learningRate=0), MEDIAN_PX)
    return np.asarray((foreground > 0) & seen_by_any)
