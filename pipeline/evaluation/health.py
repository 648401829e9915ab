"""What can be known of a run without ground truth, and whether it collapsed.

A collapse is a run whose masks say nothing: most are empty, they cover the frame, or the boxes
stand still in every video whose subject moves. Whether a subject moves is told by the flow: where
is the middle of what moves (`motion_centre`)? A subject that rests, or is kept in the middle of the
picture by a camera that follows it, has a resting centre too; its resting box is no collapse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.motion_centre import SUBJECT_MOVES, way
from pipeline.params.results import Evaluate
from pipeline.store.paths import METRICS

FEWEST_CENTRES = 5
"""Frames with a centre of motion below which nothing is said of a video."""


@dataclass(frozen=True)
class VideoHealth:
    """One video without its ground truth.

    Attributes:
        areas: `(N,)` share of the frame that the mask covers.
        confidence: `(N,)`.
        jumps: `(N,)` px that the box centre moved since the frame before; NaN where a shot begins.
        box_centres: `(N, 2)` x, y px.
        motion_centres: `(N, 2)` x, y px; NaN where nothing like a subject moves.
        longest_side: px of the frames.
    """

    areas: NDArray[np.float64]
    confidence: NDArray[np.float64]
    jumps: NDArray[np.float64]
    box_centres: NDArray[np.float64]
    motion_centres: NDArray[np.float64]
    longest_side: int

    @property
    def subject_moves(self) -> bool:
        """Whether the flow shows a subject that goes from one place to another."""
        seen = self.motion_centres[~np.isnan(self.motion_centres[:, 0])]
        return len(seen) >= FEWEST_CENTRES and way(seen) > SUBJECT_MOVES * self.longest_side

    @property
    def area_changes(self) -> NDArray[np.float64]:
        """Change of the mask's share from each frame to the next of its shot, `(<= N - 1,)`."""
        return np.asarray(np.abs(np.diff(self.areas))[~np.isnan(self.jumps[1:])], np.float64)


def assess(videos: Sequence[VideoHealth], params: Evaluate) -> dict[str, Any]:
    """The metrics file's `health`.

    Returns:
        `empty_frames` (share of frames), `mask_area_mean` (share of the frame), `mask_area_jitter`
        (mean change between frames of a shot over the mean area), `box_jump_px` (median),
        `confidence` (mean), `collapsed`, and `why` in words, "" if not.
    """
    areas = np.concatenate([video.areas for video in videos])
    changes = np.concatenate([video.area_changes for video in videos])
    jumps = np.concatenate([video.jumps for video in videos])
    empty, mean_area = float((areas == 0).mean()), float(areas.mean())
    reasons = _reasons(videos, empty, mean_area, params)
    return {
        "empty_frames": empty,
        "mask_area_mean": mean_area,
        "mask_area_jitter": float(changes.mean()) / mean_area
        if len(changes) and mean_area
        else None,
        "box_jump_px": None if np.isnan(jumps).all() else float(np.nanmedian(jumps)),
        "confidence": float(np.concatenate([video.confidence for video in videos]).mean()),
        "collapsed": bool(reasons),
        "why": "; ".join(reasons),
    }


def _reasons(
    videos: Sequence[VideoHealth], empty: float, mean_area: float, params: Evaluate
) -> list[str]:
    """A clause for every kind of collapse found."""
    reasons = []
    if empty > params.collapse_empty:
        reasons.append(f"{empty:.0%} of the masks are empty")
    if mean_area > params.collapse_full:
        reasons.append(f"the masks cover {mean_area:.0%} of the frame")
    moving = [video for video in videos if video.subject_moves]
    if moving and all(way(video.box_centres) < params.collapse_frozen_px for video in moving):
        reasons.append(
            f"the boxes are frozen: they move less than {params.collapse_frozen_px} px in all "
            f"{len(moving)} videos whose subject moves"
        )
    return reasons


def raise_if_collapsed(metrics: Mapping[str, Any]) -> None:
    """Make a collapsed run fail; called once everything else is written.

    Raises:
        BackdropError: `metrics["health"]` says so.
    """
    health = metrics["health"]
    if health["collapsed"]:
        raise BackdropError(
            f"COLLAPSE: {health['why']}",
            where=str(METRICS),
            remedy="look at the report's panels; a sharper inpainter, longer training or another "
            "train_model.loss.mask_prior_weight may help",
        )
