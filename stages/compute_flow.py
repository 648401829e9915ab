"""Stage `compute_flow`: what still moves once a pair of frames is stabilised.

    python -m stages.compute_flow

Reads `artifacts/frames/` and `artifacts/stabilize/homographies.parquet`, writes
`artifacts/flow/VIDEO.h5`: for every frame t the flow from t to its stabilised source. A pair whose
homography is not trusted has no flow, no valid pixel, and `ok` false.
"""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.flow.estimator import OutOfMemoryError
from models.warping import Mesh, read_mesh
from pipeline.errors import BackdropError
from pipeline.fanout import fan_out
from pipeline.flow_image import MagnitudeHistogram
from pipeline.frames import FrameReader
from pipeline.job import Job
from pipeline.optical_flow.choose import Choice, choose_estimator
from pipeline.optical_flow.stream import FlowStream, ResidualFlow, StabilisedPair
from pipeline.params.flow import ComputeFlow
from pipeline.params.read import load_section
from pipeline.pool import Advance, worker_count
from pipeline.stage import run_stage
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256
from pipeline.store.tables import HOMOGRAPHIES, INDEX, read_table

log = logging.getLogger("backdrop")

LESS_MEMORY = (
    "set compute_flow.device: cpu or the backend 'dis'; or lower extract_frames.longest_side, and "
    "compute_flow.enlarge_to where frames are smaller"
)
FINITE = "on a GPU set compute_flow.half: false; elsewhere take other weights or the backend 'dis'"


@dataclass(frozen=True)
class Pairs:
    """The pairs of one video, by target frame.

    Attributes:
        sources: int64 (N,). H: float64 (N, 3, 3), source px to target px. ok: bool (N,).
        meshes: N, see `models.warping`.
        threads: at work on this video.
    """

    sources: NDArray[np.int64]
    H: NDArray[np.float64]
    ok: NDArray[np.bool_]
    meshes: list[Mesh | None]
    choice: Choice
    threads: int

    def digest(self) -> str:
        """Tells these pairs from others."""
        absent = hashlib.sha256().digest()
        meshes = [
            absent if mesh is None else hashlib.sha256(mesh.tobytes()).digest()
            for mesh in self.meshes
        ]
        parts = [part.tobytes() for part in (self.sources, self.H, self.ok)]
        return hashlib.sha256(b"".join([*parts, *meshes])).hexdigest()

    def stabilised(self) -> list[StabilisedPair]:
        """Those whose homography is trusted."""
        return [
            StabilisedPair(int(t), int(self.sources[t]), self.H[t], self.meshes[t])
            for t in np.flatnonzero(self.ok)
        ]


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
        occasion=file_sha256(paths.INDEX_TABLE),
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
    entries = [f"h{row}{column}" for row in range(3) for column in range(3)]
    return Pairs(
        rows["source"].to_numpy(np.int64),
        rows[entries].to_numpy(np.float64).reshape(count, 3, 3),
        rows["ok"].to_numpy(bool),
        [read_mesh(values) for values in rows["mesh"]],
        *how,
    )


def work(job: Job[Pairs], path: Path, advance: Advance) -> None:
    """Write one video's flow; in a worker process.

    In memory are at most two runs of pairs a thread (see `FlowStream.flows`): with two threads 32
    pairs, with eight 128.
    """
    pairs, settings = job.data, job.data.choice.settings
    frames = paths.video_file(paths.FRAMES, job.video)
    with FrameReader(frames) as reader, hdf5.create(path, hdf5.FLOW) as file:
        if reader.count != job.size:
            raise BackdropError(
                f"holds {reader.count} frames, {paths.INDEX_TABLE} lists {job.size}",
                where=str(frames),
                remedy="run `dvc repro --force extract_frames`",
            )
        writer = FlowWriter(file, reader, settings.confidence)
        stream = FlowStream(reader, pairs.choice, pairs.threads)
        try:
            for result in stream.flows(pairs.stabilised()):
                writer.write(result)
                advance(1)
        except (OutOfMemoryError, ValueError) as error:
            raise BackdropError(
                f"{pairs.choice.name}: {error}",
                where=str(frames),
                remedy=LESS_MEMORY if isinstance(error, OutOfMemoryError) else FINITE,
            ) from error
        advance(int((~pairs.ok).sum()))
        file.create_dataset("ok", data=pairs.ok)
        scale = writer.magnitudes.percentile(settings.scale_percentile)
        file.attrs["backend"] = pairs.choice.name
        file.attrs["reason"] = pairs.choice.reason
        file.attrs["gap"] = int(np.abs(pairs.sources - np.arange(job.size)).max())
        file.attrs["scale_px"] = max(scale, settings.min_scale_px)


class FlowWriter:
    """Fills the datasets, one chunk per frame; what is not written is zero and takes no space."""

    def __init__(self, file: h5py.File, reader: FrameReader, confidence: bool) -> None:
        shape = (reader.count, reader.height, reader.width)
        chunk = (1, *shape[1:])
        self.flow = file.create_dataset("flow", (*shape, 2), np.float16, chunks=(*chunk, 2))
        small = {"chunks": chunk, **hdf5.PACKED}
        self.valid = file.create_dataset("valid", shape, bool, **small)
        if confidence:
            self.confidence = file.create_dataset("confidence", shape, np.uint8, **small)
        self.magnitudes = MagnitudeHistogram()

    def write(self, result: ResidualFlow) -> None:
        """Store a frame's flow and count its magnitudes."""
        self.flow[result.target], self.valid[result.target] = result.flow, result.valid
        if result.confidence is not None:
            self.confidence[result.target] = result.confidence
        magnitude = np.asarray(cv2.magnitude(*cv2.split(result.flow)), np.float32)
        self.magnitudes.add(magnitude[result.valid])


if __name__ == "__main__":
    run_stage("compute_flow", main)
