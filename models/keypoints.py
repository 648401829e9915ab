"""SIFT keypoints spread over the frame, and their matches by Lowe's ratio test (Lowe 2004)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

GRID = 8  # cells along the longest side among which keypoints are shared out


@dataclass(frozen=True)
class Keypoints:
    """What is kept of a frame for matching.

    Attributes:
        points: float32 (K, 2), x and y in px of the frame, pixel centres at integers.
        descriptors: float32 (K, 128), whole numbers 0..255.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.points)


class KeypointDetector:
    """SIFT, at most `limit` keypoints per frame; `detect` is to be called once per frame.

    Args:
        limit: keypoints kept.
        contrast: SIFT's contrast threshold; lower finds more and fainter keypoints.
        enlarge_to: px; a frame whose longest side is shorter is enlarged to it first, because the
            patch that a descriptor covers is else a large share of a small frame.
    """

    def __init__(self, limit: int, contrast: float = 0.03, enlarge_to: int = 192) -> None:
        self.limit, self.enlarge_to = limit, enlarge_to
        self.sift = cv2.SIFT.create(contrastThreshold=contrast, enable_precise_upscale=True)

    def detect(self, grey: NDArray[np.uint8]) -> Keypoints:
        """Keypoints of a grey frame, uint8 (H, W); none where it has no texture."""
        scale = max(1.0, self.enlarge_to / max(grey.shape))
        image = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        found, descriptors = self.sift.detectAndCompute(image, None)
        if not found:
            return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
        points = np.array([point.pt for point in found], np.float32)
        response = np.array([point.response for point in found], np.float32)
        kept = spread(points, response, image.shape, self.limit)
        return Keypoints(
            points=(points[kept] + np.float32(0.5)) / np.float32(scale) - np.float32(0.5),
            descriptors=np.asarray(descriptors, np.float32)[kept],
        )


def spread(
    points: NDArray[np.float32],
    response: NDArray[np.float32],
    size: tuple[int, ...],
    limit: int,
) -> NDArray[np.int64]:
    """Choose `limit` points so that one textured corner does not take them all.

    Every cell of a grid over the frame gives its strongest point, then its second, and so on.

    Args:
        points: (K, 2) x and y in px. response: (K,), strength. size: height and width, px.

    Returns:
        Indices of the chosen points, ascending.
    """
    side = max(size) / GRID
    column, row = (points // side).astype(np.int64).T
    cell = row * (GRID + 1) + column
    by_cell = np.lexsort((-response, cell))
    grouped = cell[by_cell]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    lengths = np.diff(np.r_[starts, len(grouped)])
    rank = np.empty(len(points), np.int64)
    rank[by_cell] = np.arange(len(points)) - np.repeat(starts, lengths)
    return np.sort(np.lexsort((-response, rank))[:limit])


def match(source: Keypoints, target: Keypoints, ratio: float) -> NDArray[np.int64]:
    """Pairs of keypoints that are each other's nearest and pass the ratio test.

    Distances are exact: SIFT's descriptors are whole numbers whose products stay below 2**24, so
    that float32 gives the same matches whatever the number of threads.

    Returns:
        int64 (M, 2): index into `source`, index into `target`.
    """
    if len(source) < 2 or len(target) < 2:
        return np.zeros((0, 2), np.int64)
    a, b = source.descriptors, target.descriptors
    distance = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * (a @ b.T)
    rows = np.arange(len(a))
    nearest = distance.argmin(1)
    mutual = distance.argmin(0)[nearest] == rows
    best = distance[rows, nearest].copy()
    distance[rows, nearest] = np.inf
    distinct = best < ratio**2 * distance.min(1)
    chosen = np.flatnonzero(mutual & distinct)
    return np.stack([chosen, nearest[chosen]], 1)
