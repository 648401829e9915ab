"""Stage `compute_flow`: what still moves once a pair of frames is stabilised.

    python -m stages.compute_flow

Reads `artifacts/frames/` and `artifacts/stabilize/homographies.parquet`, writes
`artifacts/flow/VIDEO.h5`: for every frame t the flow from t to its stabilised source. A pair whose
homography is not trusted has no flow, no valid pixel, and `ok` false.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.flow import choose_estimator
from pipeline.errors import BackdropError
from pipeline.fanout import Job, fan_out
from pipeline.flow_image import MagnitudeHistogram, residual_flow
from pipeline.frames import FrameReader
from pipeline.params.data import ComputeFlow
from pipeline.params.read import load_section
from pipeline.pool import Advance
from pipeline.stage import run_stage
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256
from pipeline.store.tables import HOMOGRAPHIES, INDEX, read_table

log = logging.getLogger("backdrop")


@dataclass(frozen=True)
class Pairs:
    """The pairs of one video, by target frame.

    Attributes:
        sources: int64 (N,). H: float64 (N, 3, 3), source px to target px. ok: bool (N,).
    """

    sources: NDArray[np.int64]
    H: NDArray[np.float64]
    ok: NDArray[np.bool_]
    settings: ComputeFlow

    def digest(self) -> str:
        """Tells these pairs from others."""
        parts = (self.sources, self.H, self.ok)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def main() -> None:
    """Compute all videos' flow in parallel."""
    settings = load_section(ComputeFlow, "compute_flow")
    estimator, reason = choose_estimator(settings.backend, settings.dis_preset)
    log.info("flow by %s (%s)", estimator.name, reason)
    jobs = _jobs(settings)
    fan_out(
        "compute_flow",
        jobs,
        work,
        out=paths.FLOW,
        schema=hdf5.FLOW,
        fingerprint=settings.model_dump(),
    )


def _jobs(settings: ComputeFlow) -> list[Job[Pairs]]:
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    by_video = {str(video): rows for video, rows in table.groupby("video", sort=False)}
    jobs = []
    for name, frames in read_table(paths.INDEX_TABLE, INDEX).groupby("video", sort=False):
        video, count = str(name), len(frames)
        pairs = _pairs(video, count, by_video.get(video, table[:0]), settings)
        identity = file_sha256(paths.video_file(paths.FRAMES, video)) + pairs.digest()
        jobs.append(Job(video, count, identity, pairs))
    return jobs


def _pairs(video: str, count: int, rows: pd.DataFrame, settings: ComputeFlow) -> Pairs:
    rows = rows.sort_values("target")
    if not np.array_equal(rows["target"], np.arange(count)):
        raise BackdropError(
            f"has homographies for {len(rows)} frames of '{video}', which has {count}",
            where=str(paths.HOMOGRAPHIES_TABLE),
            remedy="run `dvc repro --force stabilize`",
        )
    entries = [f"h{row}{column}" for row in range(3) for column in range(3)]
    return Pairs(
        sources=rows["source"].to_numpy(np.int64),
        H=rows[entries].to_numpy(np.float64).reshape(count, 3, 3),
        ok=rows["ok"].to_numpy(bool),
        settings=settings,
    )


def work(job: Job[Pairs], path: Path, advance: Advance) -> None:
    """Write one video's flow; in a worker process. A frame is in memory at a time."""
    pairs, settings = job.data, job.data.settings
    estimator, reason = choose_estimator(settings.backend, settings.dis_preset)
    magnitudes = MagnitudeHistogram()
    with (
        FrameReader(paths.video_file(paths.FRAMES, job.video)) as reader,
        hdf5.create(path, hdf5.FLOW) as file,
    ):
        if reader.count != job.size:
            raise BackdropError(
                f"holds {reader.count} frames, {paths.INDEX_TABLE} lists {job.size}",
                where=str(paths.video_file(paths.FRAMES, job.video)),
                remedy="run `dvc repro --force extract_frames`",
            )
        flows, valids = _datasets(file, reader.count, reader.height, reader.width)
        for target, source in enumerate(pairs.sources):
            if pairs.ok[target]:
                flow, valid = residual_flow(
                    reader.read(target),
                    reader.read(int(source)),
                    pairs.H[target],
                    estimator,
                    settings.change_levels,
                )
                flows[target], valids[target] = flow, valid
                magnitudes.add(np.linalg.norm(flow[valid], axis=-1))
            advance(1)
        file.create_dataset("ok", data=pairs.ok)
        scale = magnitudes.percentile(settings.scale_percentile)
        file.attrs["backend"] = estimator.name
        file.attrs["reason"] = reason
        file.attrs["gap"] = int(np.abs(pairs.sources - np.arange(job.size)).max())
        file.attrs["scale_px"] = max(scale, settings.min_scale_px)


def _datasets(
    file: h5py.File, count: int, height: int, width: int
) -> tuple[h5py.Dataset, h5py.Dataset]:
    """One chunk per frame; what is not written reads as zero and takes no space."""
    flow = file.create_dataset(
        "flow", (count, height, width, 2), np.float16, chunks=(1, height, width, 2)
    )
    valid = file.create_dataset(
        "valid", (count, height, width), bool, chunks=(1, height, width), compression="lzf"
    )
    return flow, valid


if __name__ == "__main__":
    run_stage("compute_flow", main)
