"""What the report is made of, read from the artifacts once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.calibration import Calibration, read_calibration
from pipeline.evaluation.final import sources
from pipeline.frame_index import load_index
from pipeline.frames import open_frames
from pipeline.store import paths
from pipeline.store.atomic import read_json
from pipeline.store.hdf5 import FLOW, open_artifact
from pipeline.store.tables import HOMOGRAPHIES, PER_FRAME, VIDEOS, read_table

SPLIT_ORDER = ("test", "test_unseen", "val", "train_test", "train")  # as the page shows them


@dataclass(frozen=True)
class Inputs:
    """What the artifacts say of the whole run.

    Attributes:
        metrics: metrics.json.
        videos, index, per_frame: the tables; evaluated videos, as they are shown.
        cameras: verdict on the camera per video.
        calibration: the thresholds of the final masks, and what chose them.
        flow_backend, flow_reason: which flow was computed, and why that one.
        frame_sizes: widths and heights of the cached frames, px, smallest first.
    """

    metrics: dict[str, Any]
    videos: pd.DataFrame
    index: pd.DataFrame
    per_frame: pd.DataFrame
    cameras: dict[str, str]
    calibration: Calibration
    flow_backend: str
    flow_reason: str
    frame_sizes: list[tuple[int, int]]


@dataclass(frozen=True)
class VideoSummary:
    """A row of the per-video table; NaN where there is no ground truth.

    Attributes:
        J, F: means over the frames with ground truth.
        scored: how many these are.
        mask_area: mean share of the frame.
        at_rest: share of the masks' px that never move; NaN where all masks are empty.
        empty: frames with an empty mask.
        confidence: mean over the frames.
        box_jump: median px that the box moves from one frame to the next.
        motion_overlap: mean IoU of mask and what moves; NaN where nothing of a subject's size does.
    """

    video: str
    split: str
    frames: int
    camera: str
    J: float
    F: float
    scored: int
    mask_area: float
    at_rest: float
    empty: int
    confidence: float
    box_jump: float
    motion_overlap: float


def read_inputs() -> Inputs:
    """Read all that the page needs but the pictures.

    Raises:
        BackdropError: an artifact is missing, damaged or of another version.
    """
    per_frame = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    videos = read_table(paths.VIDEOS_TABLE, VIDEOS)
    videos = in_order(videos[videos["video"].isin(per_frame["video"])])
    homographies = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    first = str(videos["video"].iloc[0])
    with open_artifact(paths.video_file(paths.FLOW, first), FLOW) as file:
        backend, reason = str(file.attrs["backend"]), str(file.attrs["reason"])
    return Inputs(
        metrics=read_json(paths.METRICS),
        videos=videos,
        index=load_index(),
        per_frame=per_frame,
        cameras=dict(zip(homographies["video"], homographies["camera"], strict=True)),
        calibration=read_calibration(sources()[-1]),
        flow_backend=backend,
        flow_reason=reason,
        frame_sizes=_sizes(videos["video"]),
    )


def _sizes(videos: Iterable[str]) -> list[tuple[int, int]]:
    found = set()
    for video in videos:
        with open_frames(video) as frames:
            found.add((frames.width, frames.height))
    return sorted(found)


def summarize(inputs: Inputs) -> list[VideoSummary]:
    """One row per video, test videos first."""
    rows = []
    for video, split in zip(inputs.videos["video"], inputs.videos["split"], strict=True):
        frames = frames_of(inputs, video)
        rows.append(
            VideoSummary(
                video=video,
                split=split,
                frames=len(frames),
                camera=inputs.cameras.get(video, ""),
                J=_mean(frames["J"]),
                F=_mean(frames["F"]),
                scored=int(frames["J"].count()),
                mask_area=_mean(frames["mask_area"]),
                at_rest=_share_at_rest(frames),
                empty=int((frames["mask_area"] == 0).sum()),
                confidence=_mean(frames["confidence"]),
                box_jump=float(frames["box_jump"].median()),
                motion_overlap=_mean(frames["motion_overlap"]),
            )
        )
    return rows


def worst_first(rows: Iterable[VideoSummary]) -> list[VideoSummary]:
    """By split as the page shows them; within it, those to look at first come first.

    Those are the ones of the lowest J; then, without ground truth, of the lowest overlap with
    motion; then those in which nothing tells.
    """
    return sorted(
        rows,
        key=lambda row: (
            SPLIT_ORDER.index(row.split),
            *(value if math.isfinite(value) else math.inf for value in (row.J, row.motion_overlap)),
            row.video,
        ),
    )


def frames_of(inputs: Inputs, video: str) -> pd.DataFrame:
    """The video's rows of per_frame, in order."""
    rows = inputs.per_frame[inputs.per_frame["video"] == video]
    return rows.sort_values("frame", ignore_index=True)


def _share_at_rest(frames: pd.DataFrame) -> float:
    whole, moving = float(frames["mask_area"].sum()), float(frames["moving_area"].sum())
    return 1 - moving / whole if whole else float("nan")


def _mean(column: pd.Series[float]) -> float:
    values = column.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def in_order(videos: pd.DataFrame) -> pd.DataFrame:
    """Rows by split as the page shows them, then by name; columns `split`, `video` and others."""
    place = videos["split"].map(SPLIT_ORDER.index)
    return videos.assign(place=place).sort_values(["place", "video"]).drop(columns="place")
