"""Stage `compute_flow`: what still moves once a pair of frames is stabilised.

    python -m stages.compute_flow

Reads `artifacts/frames/` and `artifacts/stabilize/homographies.parquet`, writes
`artifacts/flow/VIDEO.h5`: for every frame t the flow from t to its stabilised source. A pair whose
homography is not trusted has no flow, no valid pixel, and `ok` false.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pandas as pd

from models.warping import read_mesh
from pipeline.errors import BackdropError
from pipeline.fanout import fan_out
from pipeline.frames import FrameReader
from pipeline.job import Job
from pipeline.optical_flow.choose import Choice, choose_estimator
from pipeline.optical_flow.video_flow import Pairs, write_flow
from pipeline.params.flow import ComputeFlow
from pipeline.params.read import load_section
from pipeline.pool import Advance, worker_count
from pipeline.stage import run_stage
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256, files_sha256
from pipeline.store.tables import HOMOGRAPHIES, INDEX, matrices, read_table

log = logging.getLogger("backdrop")


def main() -> None:
    """Compute all videos' flow in parallel."""
    settings = load_section(ComputeFlow, "compute_flow")
    index = read_table(paths.INDEX_TABLE, INDEX)
    choice = _choose(settings, index)
    log.info("flow by %s (%s)", choice.name, choice.reason)
    jobs = _jobs(choice, index)
    fan_out(
        "compute_flow",
        jobs,
        work,
        out=paths.FLOW,
        schema=hdf5.FLOW,
        fingerprint={
            **settings.model_dump(),
            "estimator": [choice.name, choice.reason],
            "device": choice.device,
        },
        occasion=files_sha256(paths.INDEX_TABLE, paths.HOMOGRAPHIES_TABLE, Path(settings.weights)),
        workers=1 if choice.device == "cuda" else None,
    )


def _choose(settings: ComputeFlow, index: pd.DataFrame) -> Choice:
    """One estimator for all videos: the smallest frames decide what is possible."""
    sides = []
    for video in index["video"].unique():
        with FrameReader(paths.video_file(paths.FRAMES, str(video))) as reader:
            sides.append(min(reader.height, reader.width))
    return choose_estimator(settings, min(sides))


def _jobs(choice: Choice, index: pd.DataFrame) -> list[Job[Pairs]]:
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    by_video = {str(video): rows for video, rows in table.groupby("video", sort=False)}
    videos = {str(name): len(rows) for name, rows in index.groupby("video", sort=False)}
    threads = threads_for(choice, len(videos))
    jobs = []
    for video, count in videos.items():
        pairs = _pairs(video, count, by_video.get(video, table[:0]), (choice, threads))
        identity = file_sha256(paths.video_file(paths.FRAMES, video)) + pairs.digest()
        jobs.append(Job(video, count, identity, pairs))
    return jobs


def threads_for(choice: Choice, videos: int) -> int:
    """Threads at work on a video: enough for all cores where videos are few, two where many."""
    if choice.device == "cuda":  # one process feeds the GPU
        return min(4, worker_count())
    return max(2, math.ceil(worker_count() / videos))


def _pairs(video: str, count: int, rows: pd.DataFrame, how: tuple[Choice, int]) -> Pairs:
    rows = rows.sort_values("target")
    if not np.array_equal(rows["target"], np.arange(count)):
        raise BackdropError(
            f"has homographies for {len(rows)} frames of '{video}', which has {count}",
            where=str(paths.HOMOGRAPHIES_TABLE),
            remedy="run `dvc repro --force stabilize`",
        )
    return Pairs(
        rows["source"].to_numpy(np.int64),
        matrices(rows),
        rows["ok"].to_numpy(bool),
        [read_mesh(values) for values in rows["mesh"]],
        *how,
    )


def work(job: Job[Pairs], path: Path, advance: Advance) -> None:
    """Write one video's flow; in a worker process."""
    frames = paths.video_file(paths.FRAMES, job.video)
    with FrameReader(frames) as reader:
        if reader.count != job.size:
            raise BackdropError(
                f"holds {reader.count} frames, {paths.INDEX_TABLE} lists {job.size}",
                where=str(frames),
                remedy="run `dvc repro --force extract_frames`",
            )
        write_flow(reader, job.data, path, advance)


if __name__ == "__main__":
    run_stage("compute_flow", main)
