"""What can be known of a run without ground truth, and whether it collapsed.

A collapse is a run whose masks say nothing: most are empty where there is a subject, they cover the
frame, or the boxes stand still in every video whose subject moves. Where a subject is and whether
it goes anywhere is told by the flow: where is the middle of what moves (`motion_centre`)? In a
frame without one there may be no subject, and an empty mask is right. A subject that rests, or is
kept in the middle of the picture by a camera that follows it, has a resting centre; its resting box
is no collapse. Masks that lie beside what moves are told (`motion_overlap`), but are no collapse:
what moves need not be the subject.
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
from pipeline.store.paths import MASKS, METRICS

REPORTED = ("test", "test_unseen")
"""Splits whose empty masks metrics.json counts."""
FEWEST_CENTRES = 5
"""Frames with a centre of motion below which motion says nothing."""
REMEDIES = {
    "empty": "a lower train_model.loss.mask_prior_weight, a sharper inpainter or longer training "
    "may help; if they are rightly empty, raise evaluate.collapse_empty",
    "full": "a higher train_model.loss.mask_prior_weight may help; if the subject is that large, "
    "raise evaluate.collapse_full",
    "frozen": "longer training, a sharper inpainter or another compute.seed may help; if the "
    "boxes rightly stand still, lower evaluate.collapse_frozen_px",
}
"""What to do about each kind of collapse."""


@dataclass(frozen=True)
class VideoHealth:
    """One video without its ground truth.

    Attributes:
        areas: `(N,)` share of the frame that the mask covers.
        confidence: `(N,)`.
        jumps: `(N,)` px that the box centre moved since the frame before; NaN where a shot begins.
        overlaps: `(N,)` IoU of the mask and what moves; NaN where nothing like a subject does.
        box_centres: `(N, 2)` x, y px.
        motion_centres: `(N, 2)` x, y px; NaN where nothing like a subject moves.
        longest_side: px of the frames.
    """

    areas: NDArray[np.float64]
    confidence: NDArray[np.float64]
    jumps: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    box_centres: NDArray[np.float64]
    motion_centres: NDArray[np.float64]
    longest_side: int

    @property
    def in_motion(self) -> NDArray[np.bool_]:
        """`(N,)` whether something of a subject's size moves."""
        return ~np.isnan(self.motion_centres[:, 0])

    @property
    def subject_moves(self) -> bool:
        """Whether the flow shows a subject that goes from one place to another."""
        seen = self.motion_centres[self.in_motion]
        return len(seen) >= FEWEST_CENTRES and way(seen) > SUBJECT_MOVES * self.longest_side

    @property
    def area_changes(self) -> NDArray[np.float64]:
        """Change of the mask's share from each frame to the next of its shot, `(<= N - 1,)`."""
        return np.asarray(np.abs(np.diff(self.areas))[~np.isnan(self.jumps[1:])], np.float64)


def assess(videos: Sequence[VideoHealth], params: Evaluate) -> dict[str, Any]:
    """The metrics file's `health`.

    Returns:
        `empty_frames` (share of all frames), `mask_area_mean` (share of the frame),
        `mask_area_jitter` (mean change between frames of a shot over the mean area), `box_jump_px`
        (median), `confidence` (mean), `motion_overlap` (mean over the frames in which something of
        a subject's size moves, None if there are none), `collapsed`, `kinds` (of REMEDIES, comma
        between) and `why` in words, both "" if not.
    """
    areas = np.concatenate([video.areas for video in videos])
    changes = np.concatenate([video.area_changes for video in videos])
    jumps = np.concatenate([video.jumps for video in videos])
    overlaps = np.concatenate([video.overlaps for video in videos])
    mean_area = float(areas.mean())
    reasons = _reasons(videos, mean_area, params)
    return {
        "empty_frames": float((areas == 0).mean()),
        "mask_area_mean": mean_area,
        "mask_area_jitter": float(changes.mean()) / mean_area
        if len(changes) and mean_area
        else None,
        "box_jump_px": None if np.isnan(jumps).all() else float(np.nanmedian(jumps)),
        "confidence": float(np.concatenate([video.confidence for video in videos]).mean()),
        "motion_overlap": None if np.isnan(overlaps).all() else float(np.nanmean(overlaps)),
        "collapsed": bool(reasons),
        "kinds": ", ".join(reasons),
        "why": "; ".join(reasons.values()),
    }


def _reasons(videos: Sequence[VideoHealth], mean_area: float, params: Evaluate) -> dict[str, str]:
    """Kind of collapse -> what of it is seen, in words, for each that is found."""
    reasons = {}
    empty, among = _empty(videos)
    if empty > params.collapse_empty:
        reasons["empty"] = f"{empty:.0%} of the masks are empty {among}"
    if mean_area > params.collapse_full:
        reasons["full"] = f"the masks cover {mean_area:.0%} of the frame"
    moving = [video for video in videos if video.subject_moves]
    if moving and all(way(video.box_centres) < params.collapse_frozen_px for video in moving):
        reasons["frozen"] = (
            f"the boxes are frozen: they move less than {params.collapse_frozen_px} px in all "
            f"{len(moving)} videos whose subject moves"
        )
    return reasons


def _empty(videos: Sequence[VideoHealth]) -> tuple[float, str]:
    """Share of empty masks where a subject is seen, and in words among which frames.

    Where next to nothing moves anywhere, no frame is known to show a subject, and all count: a run
    with hardly a mask is not to pass as sound just because its flow is silent.
    """
    areas = np.concatenate([video.areas for video in videos])
    in_motion = np.concatenate([video.in_motion for video in videos])
    seen = int(in_motion.sum())
    if seen < FEWEST_CENTRES:
        among = f"(of all {len(areas)}: too little moves to tell in which frames a subject is)"
        return float((areas == 0).mean()), among
    among = f"(of the {seen} frames in which something of a subject's size moves)"
    return float((areas[in_motion] == 0).mean()), among


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
            remedy="look at the report's panels; "
            + (
                _blame_student(metrics)
                or "; ".join(REMEDIES[kind] for kind in health["kinds"].split(", "))
            ),
        )


def _blame_student(metrics: Mapping[str, Any]) -> str:
    """What to do where the student's masks are empty, but the model's that it learnt from are not.

    "" elsewhere: REMEDIES are for the model.
    """
    model = metrics.get("without_self_train")
    if model is None or metrics["health"]["kinds"] != "empty":
        return ""
    of_student, of_model = _empty_frames(metrics), _empty_frames(model)
    if 2 * of_model > of_student:
        return ""
    frames = sum(model[split]["frames"] for split in REPORTED)
    return (
        f"the masks that the student learnt from ({MASKS}) are empty in {of_model} of {frames} "
        f"frames, its own in {of_student}: a higher self_train.iterations may help, or "
        "self_train.enabled: false; if they are rightly empty, raise evaluate.collapse_empty"
    )


def _empty_frames(metrics: Mapping[str, Any]) -> int:
    return sum(int(metrics[split]["empty_frames"]) for split in REPORTED)
