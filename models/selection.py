"""Several subjects from one image's proposals: take the most probable, suppress its like, repeat.

The paper's "sampling more than once" (4.5), made deterministic. D was trained on single subjects,
so that this works while they stand apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes import box_iou
from models.detector import Proposals


@dataclass(frozen=True)
class Limits:
    """When to stop, and what counts as the same subject.

    Attributes:
        subjects: K, taken at most.
        share: of the first subject's probability, below which nothing is taken.
        overlap: IoU with a taken box above which a cell is excluded; so is one whose box's centre
            lies in a taken box, or the other way round.
    """

    subjects: int = 1
    share: float = 0.1
    overlap: float = 0.1


def select(proposals: Proposals, limits: Limits) -> tuple[Tensor, Tensor]:
    """Cells of the subjects, by falling probability.

    Returns:
        (B, K) int64 cells, and (B, K) bool, false where fewer subjects were found; the cell there
        is that of the first one.
    """
    logits, boxes = proposals.logits, proposals.boxes
    first = logits.amax(dim=1)
    chosen: list[Tensor] = []
    found: list[Tensor] = []
    for _ in range(limits.subjects):
        cell = logits.argmax(dim=1)
        # p / p_first >= share; what was excluded has p = 0
        enough = logits.gather(1, cell[:, None])[:, 0] - first >= math.log(limits.share)
        chosen.append(torch.where(enough, cell, chosen[0]) if chosen else cell)
        found.append(enough)
        alike = same_subject(boxes, proposals.box_at(cell)[:, None], limits.overlap)
        logits = logits.masked_fill(alike, float("-inf"))
    return torch.stack(chosen, dim=1), torch.stack(found, dim=1)


def apart(boxes: Tensor, found: Tensor, overlap: float) -> Tensor:
    """Which subjects are still others than those before them, once their boxes were fitted.

    Args:
        boxes: (B, K, 4), by falling probability.
        found: (B, K) bool.
        overlap: of `Limits`.

    Returns:
        (B, K) bool; the first subject always stays.
    """
    kept = [found[:, 0]]
    for place in range(1, boxes.shape[1]):
        alike = same_subject(boxes[:, :place], boxes[:, place, None], overlap)
        taken = (alike & torch.stack(kept, dim=1)).any(dim=1)
        kept.append(found[:, place] & ~taken)
    return torch.stack(kept, dim=1)


def same_subject(boxes: Tensor, taken: Tensor, overlap: float) -> Tensor:
    """Whether boxes (..., 4) mean what `taken` (..., 4) does: by IoU, or a centre in the other."""
    distance = (boxes[..., :2] - taken[..., :2]).abs()
    inside = [(distance <= box[..., 2:] / 2).all(dim=-1) for box in (boxes, taken)]
    return (box_iou(boxes, taken) > overlap) | inside[0] | inside[1]
