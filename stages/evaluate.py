"""Score the masks and boxes: against ground truth where there is any, and without it everywhere.

    python -m stages.evaluate

Writes `artifacts/evaluate/metrics.json` (read by other programs: its names stay),
`per_frame.parquet` and `per_video.csv`. With self-training the student's masks are the result, and
the model's own stand beside them, always. Thresholds come from `calibrate`; only the oracle's is
chosen here, and is named so.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.segmentation_metrics import region_similarity
from pipeline.evaluation.calibration import read_calibration
from pipeline.evaluation.collect import (
    FrameResult,
    VideoResult,
    predicted_videos,
    read_frames,
    tell_masks_of_no_frame,
)
from pipeline.evaluation.controls import Controls, read_controls
from pipeline.evaluation.final import sources
from pipeline.evaluation.health import VideoHealth, assess
from pipeline.evaluation.means import SPLITS, beside_model, fill_oracle, split_metrics
from pipeline.evaluation.scores import score, score_controls
from pipeline.frame_pool import in_order, processes_for
from pipeline.frames import FrameReader, open_fitting, open_frames
from pipeline.motion_centre import motion_centre
from pipeline.params.read import load_section
from pipeline.params.results import Evaluate
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.stage import run_stage
from pipeline.store import paths
from pipeline.store.atomic import write_bytes, write_json
from pipeline.store.hdf5 import MASKS
from pipeline.store.paths import Source
from pipeline.store.tables import CONTROLS, PER_FRAME, write_table

log = logging.getLogger("backdrop")

SCORED_SPLITS = frozenset().union(*SPLITS.values())
SUMMARY = [name for name in PER_FRAME.names if name not in ("video", "frame", "split")]


@dataclass(frozen=True)
class Scoring:
    """What a worker needs to know: what `calibrate` chose for these masks and their controls."""

    threshold: float  # of the soft masks
    controls: Controls
    params: Evaluate


class Seen(NamedTuple):
    """A frame, its final mask `(H, W)`, and what of it moves."""

    frame: FrameResult
    mask: NDArray[np.bool_]
    moving: NDArray[np.bool_]


@dataclass(frozen=True)
class FrameScores:
    """One frame: row of PER_FRAME without the oracle, J curve, centres of its box and of motion."""

    row: dict[str, Any]
    curve: NDArray[np.float64] | None
    centre: NDArray[np.float64]
    motion: tuple[float, float]


@dataclass(frozen=True)
class VideoScores:
    """One video: rows of PER_FRAME without the oracle, J curves for it, and its health."""

    rows: list[dict[str, Any]]
    curves: list[NDArray[np.float64] | None]
    health: VideoHealth


@dataclass(frozen=True)
class SourceScores:
    """One source's rows of PER_FRAME, each video's health, and the threshold chosen for it."""

    rows: list[dict[str, Any]]
    health: list[VideoHealth]
    threshold: float


def main() -> None:
    """Score the model's masks, then the student's if there is one, which then are the result."""
    params = load_section(Evaluate, "evaluate")
    tell_masks_of_no_frame("evaluate", predicted_videos(SCORED_SPLITS))
    results = [score_all(source, params) for source in sources()]
    model, final = results[0], results[-1]
    rows = final.rows if final is model else beside_model(final.rows, model.rows)
    table = as_table(rows)
    metrics: dict[str, Any] = {"threshold": final.threshold, **split_blocks(table)}
    if final is not model:
        metrics["without_self_train"] = split_blocks(as_table(model.rows))
    metrics["health"] = _rounded(assess(final.health, params))
    write_table(paths.PER_FRAME_TABLE, rows, PER_FRAME)
    write_bytes(paths.PER_VIDEO_CSV, per_video(table).encode())
    write_json(paths.METRICS, metrics)
    _tell(metrics)


def score_all(source: Source, params: Evaluate) -> SourceScores:
    """Score all videos of one source."""
    scoring = Scoring(read_calibration(source).threshold, read_controls(source), params)
    videos = predicted_videos(source=source)
    with Progress(f"evaluate {source}", sum(video.size for video in videos), "frames") as progress:
        found = run_jobs(videos, partial(evaluate_video, scoring), progress)
    results = [found[video.video] for video in videos]
    rows = [row for result in results for row in result.rows]
    fill_oracle(rows, [curve for result in results for curve in result.curves])
    health = [result.health for result in results]
    return SourceScores(rows, health, scoring.threshold)


def evaluate_video(scoring: Scoring, video: VideoResult, advance: Advance) -> VideoScores:
    """Score one video's frames; in a worker process.

    Raises:
        BackdropError: an artifact does not fit the others, or a mask of the ground truth does not.
    """
    folders = video.source.masks_folder, video.source.moving_folder
    with open_frames(video.video) as reader, ExitStack() as stack:
        masks, moving = (
            _open_masks(paths.video_file(folder, video.video), reader, stack) for folder in folders
        )
        shots, longest_side = reader.cuts | {0}, max(reader.height, reader.width)
        labelled = video.labelled() if video.split in SCORED_SPLITS else ()
        seen = (
            Seen(frame, masks[frame.number] > 0, moving[frame.number] > 0)
            for frame in read_frames(video, range(video.size), with_truth=bool(labelled))
        )
        # Without ground truth there is too little to do to be worth a process.
        processes = processes_for(len(labelled))
        frames: list[FrameScores] = []
        for scored in in_order(partial(score_frame, scoring), seen, processes, video.video):
            scored.row.update(video=video.video, split=video.split)
            if len(frames) not in shots:
                way = scored.centre - frames[-1].centre
                scored.row["box_jump"] = float(np.hypot(*way))
            frames.append(scored)
            advance(1)
    rows = [frame.row for frame in frames]
    return VideoScores(rows, [frame.curve for frame in frames], _health(frames, longest_side))


def _open_masks(path: Path, reader: FrameReader, stack: ExitStack) -> h5py.Dataset:
    """A video's masks (N, H, W), open as long as `stack` is."""
    return stack.enter_context(open_fitting(path, MASKS, reader))["mask"]


def score_frame(scoring: Scoring, seen: Seen) -> FrameScores:
    """Score a frame's masks; perhaps in a process of its own."""
    frame = seen.frame
    motion = motion_centre(frame.speed, frame.moving_px)
    row, curve = _label_free(seen, moves=not np.isnan(motion).any()), None
    if frame.truth is not None:
        tolerance = scoring.params.boundary_tolerance
        masks = seen.mask, seen.moving
        values, curve = score(frame, frame.truth, masks, scoring.threshold, tolerance)
        row.update(values)
        row.update(score_controls(frame, frame.truth, scoring.controls))
    centre = frame.box[:2] + frame.box[2:] / 2
    return FrameScores(row, curve, centre, motion)


def per_video(table: pd.DataFrame) -> str:
    """`per_video.csv`: a line per video, means over its frames; empty where there is no truth."""
    groups = table.groupby(["video", "split"], sort=False)
    counts = groups.agg(
        frames=("frame", "size"),
        scored=("J", "count"),
        empty_frames=("mask_area", lambda areas: int((areas == 0).sum())),
    )
    means = groups[SUMMARY].mean()
    return str(counts.join(means).to_csv(float_format="%.6f", lineterminator="\n"))


def _label_free(seen: Seen, *, moves: bool) -> dict[str, Any]:
    """What a row of PER_FRAME has without ground truth, but for video and split.

    `moves`: whether something of a subject's size does, so that there is an overlap to speak of.
    """
    frame = seen.frame
    motion = frame.speed > frame.moving_px
    return {
        **dict.fromkeys(PER_FRAME.names),
        "frame": frame.number,
        "confidence": frame.confidence,
        "mask_area": float(seen.mask.mean()),
        "moving_area": float(seen.moving.mean()),
        "motion_overlap": region_similarity(seen.mask, motion) if moves else None,
    }


def _health(frames: list[FrameScores], longest_side: int) -> VideoHealth:
    columns = {
        name: np.array([frame.row[name] for frame in frames], np.float64)
        for name in ("mask_area", "confidence", "box_jump", "motion_overlap")
    }
    return VideoHealth(
        areas=columns["mask_area"],
        confidence=columns["confidence"],
        jumps=columns["box_jump"],
        overlaps=columns["motion_overlap"],
        box_centres=np.array([frame.centre for frame in frames]),
        motion_centres=np.array([frame.motion for frame in frames]),
        longest_side=longest_side,
    )


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of PER_FRAME, null as NaN."""
    return pd.DataFrame(rows).astype(dict.fromkeys(SUMMARY, float))


def split_blocks(table: pd.DataFrame) -> dict[str, Any]:
    """The values of each split in the metrics file; few of validation, which chose thresholds."""
    splits = {name: split_metrics(table, splits) for name, splits in SPLITS.items()}
    splits["val"] = {name: splits["val"][name] for name in ("J", "F", "frames")}
    return splits


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in values.items()
    }


def _tell(metrics: dict[str, Any]) -> None:
    """The outcome in the log."""
    if all(metrics[split]["J"] is None for split in SPLITS):
        log.info("evaluate: no ground truth; J, F and the rest are null, health is what is known")
    if metrics["health"]["motion_overlap"] is not None:
        told = "evaluate: masks and what moves overlap by %.3f (IoU)"
        log.info(told, metrics["health"]["motion_overlap"])
    for split in ("test", "test_unseen"):
        _tell_split(split, metrics[split], metrics.get("without_self_train", {}).get(split))
    if metrics["health"]["collapsed"]:
        log.error("COLLAPSE: %s", metrics["health"]["why"])


def _tell_split(split: str, values: dict[str, Any], own: dict[str, Any] | None) -> None:
    if values["J"] is None:
        return
    log.info(
        "evaluate: %s J %.3f F %.3f (without CRF %.3f, oracle %.3f); blob %.3f (without CRF "
        "%.3f); flow threshold %.3f",
        *(split, *(values[name] for name in ("J", "F", "J_no_crf", "J_oracle", *CONTROLS))),
    )
    told = values["J_subject"], values["empty_correct"]
    if None not in told:
        log.info("evaluate: %s J %.3f where there is a subject; elsewhere %.3f empty", split, *told)
    if own:
        log.info(
            "evaluate: without self-training: %s J %.3f F %.3f (without CRF %.3f); blob %.3f",
            *(split, *(own[name] for name in ("J", "F", "J_no_crf", "J_blob"))),
        )


if __name__ == "__main__":
    run_stage("evaluate", main)
