"""Stage `stabilize`: the homography of every pair of frames, and what each camera does.

    python -m stages.stabilize

Reads `artifacts/frames/`, writes `artifacts/stabilize/homographies.parquet`: for every frame t a
row with target t and source t + gap, or t - gap where that lies in another shot or beyond the end.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, cast

import numpy as np

from models.alignment import Alignment
from models.camera import Camera
from pipeline.align_video import align_video
from pipeline.errors import BackdropError
from pipeline.fanout import Unfinished
from pipeline.frames import FrameReader
from pipeline.job import Job
from pipeline.params.data import Stabilize
from pipeline.params.read import load_section
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.stage import run_stage
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, HOMOGRAPHIES_TABLE, INDEX_TABLE, video_file
from pipeline.store.tables import H_ENTRIES, HOMOGRAPHIES, INDEX, read_table, write_columns

log = logging.getLogger("backdrop")

STATISTICS = ("keypoints", "matches", "inliers", "inlier_ratio", "error_px", "ok", "reason")

Columns = dict[str, list[Any]]  # of the table; rows as dicts would take several times the memory


def main() -> None:
    """Estimate all videos' homographies in parallel and write the table."""
    settings = load_section(Stabilize, "stabilize")
    jobs = _jobs(settings)
    unfinished = Unfinished("stabilize", settings.model_dump())
    unfinished.open()
    occasion = file_sha256(INDEX_TABLE)
    unfinished.bring_back(jobs, HOMOGRAPHIES_TABLE, occasion)
    tables = {
        job.video: cast("Columns", unfinished.result(job)) for job in jobs if unfinished.has(job)
    }
    left = [job for job in jobs if job.video not in tables]
    with Progress("stabilize", sum(job.size for job in jobs), "frames") as progress:
        progress.resume_at(sum(job.size for job in jobs if job.video in tables))
        tables |= run_jobs(left, partial(_work, unfinished), progress)
    _judge(tables)
    whole = {
        name: [value for job in jobs for value in tables[job.video][name]]
        for name in HOMOGRAPHIES.names
    }
    write_columns(HOMOGRAPHIES_TABLE, whole, HOMOGRAPHIES)
    unfinished.keep(jobs, HOMOGRAPHIES_TABLE, occasion)


def _jobs(settings: Stabilize) -> list[Job[Stabilize]]:
    jobs = []
    for video, frames in read_table(INDEX_TABLE, INDEX).groupby("video", sort=False):
        path = video_file(FRAMES, str(video))
        if len(frames) < settings.fewest_frames:
            raise BackdropError(
                f"has {len(frames)} frames, pairs {settings.gap} apart need "
                f"{settings.fewest_frames}",
                where=str(video),
                remedy="leave the video out, or lower stabilize.gap",
            )
        jobs.append(Job(str(video), len(frames), file_sha256(path), settings))
    return jobs


def _work(unfinished: Unfinished, job: Job[Stabilize], advance: Advance) -> Columns:
    """In a worker process."""
    with FrameReader(video_file(FRAMES, job.video)) as reader:
        found = align_video(reader, job.data, job.video, advance)
    columns = _columns(job.video, *found)
    unfinished.mark(job, columns)
    return columns


def _columns(video: str, camera: Camera, found: Mapping[tuple[int, int], Alignment]) -> Columns:
    """The rows of one video, by target."""
    keys = sorted(found, key=lambda pair: pair[1])
    alignments = [found[key] for key in keys]
    pairs = [one.pair for one in alignments]
    H = np.array([pair.H.ravel() for pair in pairs])  # (N, 9)
    return {
        "video": [video] * len(keys),
        "source": [source for source, _ in keys],
        "target": [target for _, target in keys],
        **dict(zip(H_ENTRIES, H.T.tolist(), strict=True)),
        **{name: [getattr(pair, name) for pair in pairs] for name in STATISTICS},
        "method": [one.method for one in alignments],
        "parallax_px": [one.parallax_px for one in alignments],
        "mesh": [[] if one.mesh is None else one.mesh.ravel().tolist() for one in alignments],
        "camera": [camera] * len(keys),
    }


def _judge(tables: Mapping[str, Columns]) -> None:
    """Say per video what was found; stop where no video has a pair to go on with.

    Raises:
        BackdropError: not one pair of one video could be stabilised.
    """
    all_reasons = []
    for video, columns in tables.items():
        reasons = [reason for reason in columns["reason"] if reason]
        good = len(columns["ok"]) - len(reasons)
        message = (
            f"{video}: {columns['camera'][0]} camera, "
            f"{good} of {len(columns['ok'])} pairs stabilised{_parallax(columns)}"
        )
        if reasons:
            message += f"; the others not, most often for: {_commonest(reasons)}"
        log.log(logging.INFO if good else logging.WARNING, "%s", message)
        all_reasons += reasons
    if not any(any(columns["ok"]) for columns in tables.values()):
        raise BackdropError(
            f"no pair of frames of any video could be stabilised ({_commonest(all_reasons)})",
            where=", ".join(tables),
            remedy="raise extract_frames.longest_side or lower stabilize.contrast; a textureless "
            "background needs a camera that stands still",
        )


def _parallax(columns: Columns) -> str:
    known = [value for value in columns["parallax_px"] if math.isfinite(value)]
    return f", parallax {median(known):.2f} px" if known else ""


def _commonest(reasons: Sequence[str]) -> str:
    return max(sorted(set(reasons)), key=reasons.count)


if __name__ == "__main__":
    run_stage("stabilize", main)
