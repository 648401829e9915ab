"""Which subject is which: ids that follow subjects through a video, and pixels given to each.

Boxes here are `x, y, w, h` px (NumPy), as in the artifacts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.detection_metrics import box_iou

FOLLOWS = 0.1
"""Least IoU of a subject's box with the one where its id was seen last."""


class IdKeeper:
    """Gives a frame's boxes their ids: greedily, by IoU with where each id was seen last.

    Args:
        ids: K, how many there are; 0..K-1.
    """

    def __init__(self, ids: int) -> None:
        self.last: list[NDArray[np.float64] | None] = [None] * ids
        self.longest_unseen = list(range(ids))  # first come those never used

    def assign(self, boxes: NDArray[np.floating]) -> list[int]:
        """Ids of a frame's (n, 4) boxes, n <= K.

        Who follows none takes the lowest id never used, or else the one unseen for longest: whoever
        is away for some frames finds it again.

        Args:
            boxes: by falling probability: that is the order of new ids.
        """
        pairs = sorted(
            (-box_iou(box, last), place, number)
            for place, box in enumerate(boxes)
            for number, last in enumerate(self.last)
            if last is not None
        )
        given: dict[int, int] = {}
        for negative_iou, place, number in pairs:
            if -negative_iou >= FOLLOWS and place not in given and number not in given.values():
                given[place] = number
        free = [number for number in self.longest_unseen if number not in given.values()]
        for place in range(len(boxes)):
            if place not in given:
                given[place] = free.pop(0)
            self.last[given[place]] = np.asarray(boxes[place], np.float64)
        self.longest_unseen = free + sorted(given.values())
        return [given[place] for place in range(len(boxes))]


def label(
    mask: NDArray[np.bool_], soft: NDArray[np.uint8], boxes: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Give each pixel of a mask to the subject with the highest soft value.

    Where soft values are equal (the CRF also adds pixels that have none), to the subject with the
    nearest box centre, in units of the box.

    Args:
        mask: (H, W), the final mask of all subjects.
        soft: (K, H, W), a soft mask each.
        boxes: (K, 4), NaN for an id that is not in the frame.

    Returns:
        (H, W): 0 background, 1..K the subjects.
    """
    height, width = mask.shape
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    left, top, w, h = (side[:, None, None] for side in np.asarray(boxes, np.float64).T)
    distance = np.hypot((x - left - w / 2) / w, (y - top - h / 2) / h)  # (K, H, W)
    score = soft - distance / (1 + distance)  # less than a level apart
    score[np.isnan(distance)] = -np.inf
    return np.where(mask, score.argmax(axis=0) + 1, 0).astype(np.uint8)
