"""What moves between two frames of one shot: the camera, and what is left beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.flow.dis import DisFlow

SIDE = 480  # px; frames are looked at with this longest side
KEYPOINTS = 1000
RATIO = 0.75  # Lowe's
INLIER_PX = 2.0
STILL_PX = 1.0  # a matched point that moves less stands still
CLEAR = 60  # points whose common motion is not to be doubted
STEADY = 1.2  # a homography must lessen the changed area by more to be believed
MIN_MATCHES = 16
MOVING_PX = 1.5  # residual flow that is more than noise
CHANGED = 8  # levels; smaller differences are noise
MIN_AREA = 0.001  # of the frame; smaller blobs are noise


@dataclass(frozen=True)
class Motion:
    """Between frame `frame` and the one a gap later; lengths in shares of the frame's width.

    `fitted` is NaN where there is too little texture to tell; `blob` None where nothing moves.
    """

    frame: int
    steady: bool  # most points stand still, or no homography makes the frames more alike
    fitted: float  # share of matched points that one homography explains
    restless: float  # share of the frame that still moves once the camera's motion is taken out
    drift: tuple[float, float]  # of the background in the middle of the frame, in frame widths
    blob: Blob | None


@dataclass(frozen=True)
class Blob:
    """The largest region that moves against the background; lengths in frame widths."""

    x: float
    y: float
    width: float
    colour_distance: float  # to what surrounds it, 0 (the same colours) .. 1


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) with its longest side at 480 px; smaller pictures stay as they are."""
    scale = SIDE / max(image.shape)
    if scale >= 1:
        return image
    size = [max(1, round(scale * side)) for side in (image.shape[1], image.shape[0])]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def measure(frame: int, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Motion:
    """Compare two frames as `shrink` gives them, RGB uint8 (H, W, 3)."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    here, there = _matches(grey[0], grey[1])
    homography, fitted = _camera(here, there)
    unmoved = _changed(grey[0], *_warp(grey[1], np.eye(3)))
    warped, valid = _warp(grey[1], homography)
    changed = _changed(grey[0], warped, valid)
    no_better = not valid.any() or unmoved.mean() <= STEADY * changed[valid].mean()
    moved = np.linalg.norm(here - there, axis=1) > STILL_PX
    clear = moved.mean() > 0.5 and fitted * len(here) > CLEAR if len(here) else False
    steady = bool(no_better and not clear) or bool(len(here) and moved.mean() < 0.5)
    if steady:
        homography = np.eye(3)
        (warped, valid), changed = _warp(grey[1], np.eye(3)), unmoved
    target, source = (np.stack([image] * 3, axis=-1) for image in (grey[0], warped))
    flow = DisFlow("fast").estimate(target[None], source[None])[0]
    # Flow means nothing on a wall of one colour, hence the second condition.
    moving = (np.hypot(flow[..., 0], flow[..., 1]) > MOVING_PX) & changed
    restless = float(moving.sum() / max(int(valid.sum()), 1))
    drift = _drift(homography, first.shape[1], first.shape[0])
    return Motion(frame, steady, fitted, restless, drift, _largest_blob(first, moving))


def _matches(
    first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matched SIFT points (N, 2) px in the first and the second picture."""
    sift = cv2.SIFT.create(KEYPOINTS)
    points_a, described_a = sift.detectAndCompute(first, None)
    points_b, described_b = sift.detectAndCompute(second, None)
    if min(len(points_a), len(points_b)) < 2:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    pairs = cv2.BFMatcher().knnMatch(described_a, described_b, k=2)
    good = [a for a, b in pairs if a.distance < RATIO * b.distance]
    here = np.array([points_a[match.queryIdx].pt for match in good], np.float32)
    there = np.array([points_b[match.trainIdx].pt for match in good], np.float32)
    return here.reshape(-1, 2), there.reshape(-1, 2)


def _camera(
    here: NDArray[np.float32], there: NDArray[np.float32]
) -> tuple[NDArray[np.float64], float]:
    """The homography second -> first, and the share of points that fit it."""
    if len(here) < MIN_MATCHES:
        return np.eye(3), float("nan")
    homography, _ = cv2.findHomography(there, here, cv2.USAC_MAGSAC, INLIER_PX)
    if homography is None:
        return np.eye(3), 0.0
    mapped = cv2.perspectiveTransform(there[:, None], homography)[:, 0]
    fitted = float((np.linalg.norm(mapped - here, axis=1) < INLIER_PX).mean())
    return homography.astype(np.float64), fitted


def _warp(
    image: NDArray[Any], homography: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The warped picture, and where it is more than a margin inside the original."""
    size = (image.shape[1], image.shape[0])
    inside = cv2.warpPerspective(np.full_like(image, 255), homography, size)
    valid = cv2.erode(inside, np.ones((21, 21), np.uint8), borderValue=0) == 255
    return cv2.warpPerspective(image, homography, size), np.asarray(valid, np.bool_)


def _changed(
    first: NDArray[Any], second: NDArray[Any], valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where two grey pictures differ by more than noise."""
    difference = cv2.absdiff(cv2.blur(first, (5, 5)), cv2.blur(second, (5, 5)))
    near = cv2.dilate((difference > CHANGED).astype(np.uint8), np.ones((7, 7), np.uint8))
    return near.astype(np.bool_) & valid


def _drift(homography: NDArray[np.float64], width: int, height: int) -> tuple[float, float]:
    """Where what is in the middle of the first frame goes in the second, in frame widths."""
    middle = np.array([width / 2, height / 2])
    x, y, w = np.linalg.inv(homography) @ [*middle, 1.0]
    dx, dy = (np.array([x / w, y / w]) - middle) / width
    return float(dx), float(dy)


def _largest_blob(image: NDArray[np.uint8], moving: NDArray[np.bool_]) -> Blob | None:
    closed = cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(closed)
    if count < 2:
        return None
    label = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    height, width = moving.shape
    if stats[label, cv2.CC_STAT_AREA] < MIN_AREA * height * width:
        return None
    blob = labels == label
    return Blob(
        x=float(centres[label][0]) / width,
        y=float(centres[label][1]) / width,
        width=float(stats[label, cv2.CC_STAT_WIDTH]) / width,
        colour_distance=_colour_distance(image, blob),
    )


def _colour_distance(image: NDArray[np.uint8], blob: NDArray[np.bool_]) -> float:
    """1 - intersection of the colour histograms of the blob and of the ring around it."""
    inner = blob.astype(np.uint8)
    far = cv2.dilate(inner, np.ones((41, 41), np.uint8))
    near = cv2.dilate(inner, np.ones((9, 9), np.uint8))
    histograms = []
    for mask in (inner, far - near):
        counts = cv2.calcHist([image], [0, 1, 2], mask, [6] * 3, [0, 256] * 3)
        histograms.append(counts / max(float(counts.sum()), 1.0))
    return 1.0 - float(np.minimum(histograms[0], histograms[1]).sum())
