"""Score the masks and boxes: against ground truth where there is any, and without it everywhere.

    python -m stages.evaluate

Writes `artifacts/evaluate/metrics.json` (read by other programs: its names stay),
`per_frame.parquet` and `per_video.csv`. Thresholds come from `calibrate`; only the oracle's is
chosen here, and is named so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluation.calibration import Calibration, read_calibration
from pipeline.evaluation.collect import (
    FrameResult,
    VideoResult,
    check_length,
    predicted_videos,
    read_frames,
)
from pipeline.evaluation.health import VideoHealth, assess
from pipeline.evaluation.means import SPLITS, fill_oracle, split_metrics
from pipeline.evaluation.scores import score
from pipeline.frames import open_frames
from pipeline.motion_centre import motion_centre
from pipeline.params.read import load_section
from pipeline.params.results import Evaluate
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.stage import run_stage
from pipeline.store import paths
from pipeline.store.atomic import write_bytes, write_json
from pipeline.store.hdf5 import MASKS, open_artifact
from pipeline.store.tables import PER_FRAME, write_table

log = logging.getLogger("backdrop")

SCORED_SPLITS = frozenset().union(*SPLITS.values())
SUMMARY = [name for name in PER_FRAME.names if name not in ("video", "frame", "split")]


@dataclass(frozen=True)
class VideoScores:
    """One video: rows of PER_FRAME without the oracle, J curves for it, and its health."""

    rows: list[dict[str, Any]]
    curves: list[NDArray[np.float64] | None]
    health: VideoHealth


def main() -> None:
    """Run the stage."""
    params = load_section(Evaluate, "evaluate")
    calibration = read_calibration()
    videos = predicted_videos()
    with Progress("evaluate", sum(video.size for video in videos), "frames") as progress:
        found = run_jobs(videos, partial(evaluate_video, calibration, params), progress)
    results = [found[video.video] for video in videos]
    rows = [row for result in results for row in result.rows]
    fill_oracle(rows, [curve for result in results for curve in result.curves])
    table = pd.DataFrame(rows).astype(dict.fromkeys(SUMMARY, float))
    metrics = _metrics(table, calibration, assess([result.health for result in results], params))
    write_table(paths.PER_FRAME_TABLE, rows, PER_FRAME)
    write_bytes(paths.PER_VIDEO_CSV, per_video(table).encode())
    write_json(paths.METRICS, metrics)
    _tell(metrics)


def evaluate_video(
    calibration: Calibration, params: Evaluate, video: VideoResult, advance: Advance
) -> VideoScores:
    """Score one video's frames; in a worker process.

    Raises:
        BackdropError: an artifact does not fit the others, or a mask of the ground truth does not.
    """
    rows, curves, motion, centres = [], [], [], []
    scored = video.split in SCORED_SPLITS
    path = paths.video_file(paths.MASKS, video.video)
    with open_frames(video.video) as reader, open_artifact(path, MASKS) as masks:
        check_length(path, masks["mask"], reader)
        shots, longest_side = reader.cuts | {0}, max(reader.height, reader.width)
        for frame in read_frames(video, range(video.size), with_truth=scored):
            mask = masks["mask"][frame.number] > 0
            centres.append(frame.box[:2] + frame.box[2:] / 2)
            row = _label_free(video, frame, mask)
            if frame.number not in shots:
                row["box_jump"] = float(np.hypot(*(centres[-1] - centres[-2])))
            curve = None
            if frame.truth is not None:
                values, curve = score(
                    frame, frame.truth, mask, calibration, params.boundary_tolerance
                )
                row.update(values)
            rows.append(row)
            curves.append(curve)
            motion.append(motion_centre(frame.speed, calibration.flow_threshold_px))
            advance(1)
    return VideoScores(rows, curves, _health(rows, centres, motion, longest_side))


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


def _label_free(video: VideoResult, frame: FrameResult, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A row of PER_FRAME without ground truth."""
    return {
        **dict.fromkeys(PER_FRAME.names),
        "video": video.video,
        "frame": frame.number,
        "split": video.split,
        "confidence": frame.confidence,
        "mask_area": float(mask.mean()),
    }


def _health(
    rows: list[dict[str, Any]],
    centres: list[NDArray[np.float64]],
    motion: list[tuple[float, float]],
    longest_side: int,
) -> VideoHealth:
    columns = {
        name: np.array([row[name] for row in rows], np.float64)
        for name in ("mask_area", "confidence", "box_jump")
    }
    return VideoHealth(
        areas=columns["mask_area"],
        confidence=columns["confidence"],
        jumps=columns["box_jump"],
        box_centres=np.array(centres),
        motion_centres=np.array(motion),
        longest_side=longest_side,
    )


def _metrics(
    table: pd.DataFrame, calibration: Calibration, health: dict[str, Any]
) -> dict[str, Any]:
    splits = {name: split_metrics(table, splits) for name, splits in SPLITS.items()}
    splits["val"] = {name: splits["val"][name] for name in ("J", "F")}
    rounded = {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in health.items()
    }
    return {"threshold": calibration.threshold, **splits, "health": rounded}


def _tell(metrics: dict[str, Any]) -> None:
    """The outcome in the log."""
    test = metrics["test"]
    if all(metrics[split]["J"] is None for split in SPLITS):
        log.info("evaluate: no ground truth; J, F and the rest are null, health is what is known")
    elif test["J"] is not None:
        log.info(
            "evaluate: test J %.3f F %.3f (without CRF %.3f, oracle %.3f); blob %.3f (without CRF "
            "%.3f); flow threshold %.3f",
            *(
                test[name]
                for name in (
                    "J",
                    "F",
                    "J_no_crf",
                    "J_oracle",
                    "J_blob",
                    "J_blob_no_crf",
                    "J_flow_threshold",
                )
            ),
        )
    if metrics["health"]["collapsed"]:
        log.error("COLLAPSE: %s", metrics["health"]["why"])


if __name__ == "__main__":
    run_stage("evaluate", main)
