"""Scores of one finished project: ours from its metrics, the baselines from its artifacts.

Ground truth is read here for nothing but J and F.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import background_subtraction, grab_cut, moving_pixels, refined_flow
from benchmarks.contact_sheet import contact_sheet, spread
from benchmarks.project import final_masks
from models.segmentation_metrics import boundary_measure, region_similarity
from pipeline.errors import BackdropError
from pipeline.evaluation.collect import FrameResult, VideoResult, predicted_videos, read_frames
from pipeline.evaluation.scores import hard_at_size_of
from pipeline.params.data import Stabilize
from pipeline.params.read import load_section
from pipeline.store import paths
from pipeline.store.atomic import read_json
from pipeline.store.tables import HOMOGRAPHIES, matrices, read_table

Masks = NDArray[np.bool_]
FLOW, FLOW_SCALED = "residual flow", "residual flow, half its scale"
FLOW_CRF = "residual flow, half its scale, CRF"
MOG2, GRAB_CUT = "MOG2, stabilised", "GrabCut, our box"
OURS, NO_CRF, NO_SELF_TRAIN = "ours", "ours without CRF", "ours without self-training"
MOVING = "ours, what moves"
METHODS = (OURS, NO_SELF_TRAIN, NO_CRF, MOVING, FLOW, FLOW_SCALED, FLOW_CRF, MOG2, GRAB_CUT)
SHOWN = 8  # frames of a contact sheet


class Score(NamedTuple):
    """Means over a sequence's frames, 0..1."""

    J: float
    F: float


def score_project() -> tuple[dict[str, Score], NDArray[np.uint8]]:
    """Scores by method, and the contact sheet (h, w, 3), of the project in the working directory.

    Raises:
        BackdropError: it holds no single video with ground truth, or is not finished.
    """
    videos = predicted_videos()
    if len(videos) != 1 or not videos[0].labelled():
        raise BackdropError("expected one video with ground truth", where=str(paths.PREDICTIONS))
    frames = list(read_frames(videos[0], range(videos[0].size)))
    masks = baselines(videos[0], frames)
    scores = ours() | {name: mean_score(frames, mask) for name, mask in masks.items()}
    shown = spread(len(frames), SHOWN)
    sheet = contact_sheet(
        {number: frames[number].image for number in shown},
        {number: truth for number in shown if (truth := frames[number].truth) is not None},
        {OURS: final_masks(videos[0].video), **masks},
    )
    return scores, sheet


def ours() -> dict[str, Score]:
    """What `evaluate` found, with and without what can be left out."""
    metrics = read_json(paths.METRICS)
    test = metrics["test"]
    scores = {
        OURS: Score(test["J"], test["F"]),
        NO_CRF: Score(test["J_no_crf"], test["F_no_crf"]),
        MOVING: Score(test["J_moving"], test["F_moving"]),
    }
    if "without_self_train" in metrics:
        without = metrics["without_self_train"]["test"]
        scores[NO_SELF_TRAIN] = Score(without["J"], without["F"])
    return scores


def baselines(video: VideoResult, frames: list[FrameResult]) -> dict[str, Masks]:
    """Masks (N, H, W) of every baseline."""
    gap = load_section(Stabilize, "stabilize").gap
    images = np.stack([frame.image for frame in frames])
    return {
        FLOW: np.stack([moving_pixels(frame.speed, gap) for frame in frames]),
        FLOW_SCALED: np.stack([frame.speed > frame.moving_px for frame in frames]),
        FLOW_CRF: np.stack([refined_flow(one.image, one.speed, one.moving_px) for one in frames]),
        MOG2: background_subtraction(images, motion(video.video, gap), gap),
        GRAB_CUT: np.stack([grab_cut(frame.image, frame.box) for frame in frames]),
    }


def motion(video: str, gap: int) -> dict[int, NDArray[np.float64]]:
    """Of each pair that is ok: by frame t, the homography of frame t + gap onto it."""
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    rows = table[(table["video"] == video) & table["ok"] & (table["source"] > table["target"])]
    if (rows["source"] - rows["target"] != gap).any():
        raise BackdropError(
            "was made with another stabilize.gap", where=str(paths.HOMOGRAPHIES_TABLE)
        )
    return dict(zip(rows["target"].tolist(), matrices(rows), strict=True))


def mean_score(frames: list[FrameResult], masks: Masks) -> Score:
    """Mean J and F of masks (N, H, W) at the ground truth's size; frames without truth left out."""
    pairs = [
        (hard_at_size_of(mask, frame.truth), frame.truth)
        for frame, mask in zip(frames, masks, strict=True)
        if frame.truth is not None
    ]
    return Score(
        float(np.mean([region_similarity(*pair) for pair in pairs])),
        float(np.mean([boundary_measure(*pair) for pair in pairs])),
    )
