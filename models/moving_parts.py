"""Which parts of a video's masks move: the others belong to whoever stands around.

One image does not tell the subject from another person; the video does. A part is a connected
component of a mask, followed from frame to frame by its overlap with itself. Of its whole way
counts what share of its px moved, so that a subject may rest for a while.

    parts = MovingParts()
    for mask, moving, known in video:
        parts.add(mask, moving, known)
    parts.resting(3, mask_of_frame_3, least=0.1)

Beyond the paper, which looks at one image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SAME = 0.5
"""IoU of a part with one of the frame before, above which they are the same: above a half, there is
never a second one."""
OUTWEIGHS = 0.25
"""What must move at the least, over the area of a part at rest, to speak against it: a flickering
speck does not."""

Mask = NDArray[np.bool_]


class MovingParts:
    """The parts of one video while its frames pass by once, and then again."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []  # per frame, the way that each label belongs to
        self._moved: list[int] = []  # per way, px that moved, of
        self._seen: list[int] = []  # px whose motion is known
        self._last = np.zeros((0, 0), np.int32)  # labels of the frame before

    def add(self, mask: Mask, moving: Mask, known: Mask, *, cut: bool = False) -> None:
        """Take the next frame.

        Args:
            mask: (H, W), the subject.
            moving: (H, W), what moves against the background.
            known: (H, W), where that can be told.
            cut: the frame begins a new shot, whose parts follow none.
        """
        count, labels = _labels(mask)
        ways = np.full(count, -1, np.int64)
        before = self._parts[-1] if self._parts and not cut else ways[:0]
        if len(before):
            iou = _overlaps(labels, count, self._last, len(before))
            follows = iou.max(axis=1) > SAME
            ways[follows] = before[iou[follows].argmax(axis=1)]
        new = int((ways < 0).sum())
        ways[ways < 0] = len(self._seen) + np.arange(new)
        self._moved += [0] * new
        self._seen += [0] * new
        for way, moved, seen in zip(
            ways, _areas(labels, count, moving & known), _areas(labels, count, known), strict=True
        ):
            self._moved[way] += int(moved)
            self._seen[way] += int(seen)
        self._parts.append(ways)
        self._last = labels

    def resting(self, number: int, mask: Mask, least: float) -> dict[int, Mask]:
        """The parts of a mask to leave out, once all frames were added.

        What rests is left out only where something else moves: a mask never becomes empty. Parts
        whose motion is unknown stay, and speak against none.

        Args:
            number: of the frame, from 0 in the order of `add`.
            mask: (H, W), as it was given to `add`.
            least: share of a part's px, on all its way, from which it moves.

        Returns:
            (H, W) each, by the number of its way.
        """
        count, labels = _labels(mask)
        ways = self._parts[number]
        seen = np.array([self._seen[way] for way in ways], np.float64)
        moved = np.array([self._moved[way] for way in ways], np.float64)
        areas = _areas(labels, count, mask)
        moves = (seen > 0) & (moved / np.maximum(seen, 1) >= least)
        rests = (seen > 0) & ~moves & (areas[moves].sum() >= OUTWEIGHS * areas)
        return {int(ways[part]): labels == part + 1 for part in np.flatnonzero(rests)}

    def part(self, number: int, mask: Mask, way: int) -> Mask:
        """The part (H, W) of a frame's mask that belongs to a way; arguments as of `resting`."""
        label = 1 + int(np.flatnonzero(self._parts[number] == way)[0])
        return np.asarray(_labels(mask)[1] == label)


def _labels(mask: Mask) -> tuple[int, NDArray[np.int32]]:
    """How many connected parts (eight neighbours), and (H, W) with 1.. on them, 0 elsewhere."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return count - 1, np.asarray(labels, np.int32)


def _areas(labels: NDArray[np.int32], count: int, where: Mask) -> NDArray[np.int64]:
    """(count,) px of each label, of those `where`."""
    return np.bincount(labels[where], minlength=count + 1)[1:]


def _overlaps(
    a: NDArray[np.int32], count_a: int, b: NDArray[np.int32], count_b: int
) -> NDArray[np.float64]:
    """IoU of each label of `a` with each of `b`, (count_a, count_b)."""
    pairs = a.astype(np.int64) * (count_b + 1) + b
    joint = np.bincount(pairs.ravel(), minlength=(count_a + 1) * (count_b + 1))
    joint = joint.reshape(count_a + 1, count_b + 1)
    union = joint.sum(axis=1, keepdims=True) + joint.sum(axis=0, keepdims=True) - joint
    return np.asarray((joint / np.maximum(union, 1))[1:, 1:])
