"""Where somebody at rest stands while the subject passes in front: the two masks are one then.

Who was seen at rest apart from what moved, in frames before or after, is still there, moved only by
the camera. Pixels there that do not move are not the subject's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from models.camera_path import CameraPath
from models.moving_parts import OUTWEIGHS, Mask

REACH = 60
"""Frames that a place is remembered for: what the pairs' errors leave exact to about a px."""
LEAST_SHARE = 0.002
"""Of the frame; smaller parts are no one's."""
NEIGHBOURS = np.ones((3, 3), np.uint8)


class RestingParts:
    """The places of parts at rest in one video.

    Args:
        camera: of its pairs.
        read: of a frame and a way, the part (H, W) as it was seen there.
    """

    def __init__(self, camera: CameraPath, read: Callable[[int, int], Mask]) -> None:
        self.camera, self.read = camera, read
        self._alone: dict[tuple[int, int], list[int]] = {}  # frames by way and phase of the gap
        # Which of them to ask: of a long video with many ways, those of a few frames around.
        self._about: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)

    def add(self, number: int, way: int, part: Mask) -> None:
        """Remember a part that was left out of a frame; frames come in order."""
        if part.mean() >= LEAST_SHARE:
            place = way, number % self.camera.gap
            self._alone.setdefault(place, []).append(number)
            self._about[number // REACH].add(place)

    def select(self, number: int, mask: Mask, moving: Mask) -> Mask:
        """What is left of a mask where those who rest stand.

        Args:
            mask: (H, W), of frame `number`, without the parts that were left out.
            moving: (H, W), what moves.

        Returns:
            (H, W), a subset of `mask`; all of it where less would be left than speaks against a
            part at rest.
        """
        places = [place for place in self._places(number, mask.shape) if (place & mask).any()]
        if not places:
            return mask
        moves = _grown(moving)  # the outline of the flow is blurred
        rest = mask & _grown(np.any(places, axis=0)) & ~moves
        left: Mask = mask & ~rest
        return left if left.sum() >= OUTWEIGHS * rest.sum() else mask

    def _places(self, number: int, shape: tuple[int, ...]) -> list[Mask]:
        """Where each part that is not alone in this frame stands, by the nearest frames it was."""
        found = []
        block = number // REACH
        about = set().union(*(self._about.get(block + step, ()) for step in (-1, 0, 1)))
        for way, phase in sorted(about):
            if phase != number % self.camera.gap:
                continue
            frames = self._alone[way, phase]
            after = bisect_left(frames, number)
            near = [t for t in frames[max(0, after - 1) : after + 1] if abs(t - number) <= REACH]
            if number in near:
                continue
            for t in near:
                H = self.camera.between(t, number)
                if H is not None:
                    found.append(_warped(self.read(t, way), H, shape))
        return found


def _warped(part: Mask, H: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    levels = part.astype(np.uint8) * 255
    return np.asarray(cv2.warpPerspective(levels, H, (shape[1], shape[0])) > 127)


def _grown(mask: Mask) -> Mask:
    """By a px on all sides."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), NEIGHBOURS) > 0)
