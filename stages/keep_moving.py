"""Leave out of the masks what never moves: whoever stands around and looks like the subject.

    python -m stages.keep_moving model|student

Reads homographies, flow and refined masks; writes `artifacts/moving/VIDEO.h5` (the student's:
`artifacts/student/moving`) in the form of masks. The masks themselves stay as they are: they come
from one image each, these from the whole video. Without self-training there is nothing to do for
the student.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from models.camera_path import CameraPath
from pipeline.errors import BackdropError
from pipeline.fanout import fan_out
from pipeline.frame_index import load_index
from pipeline.frames import open_fitting, open_frames
from pipeline.job import Job
from pipeline.moving_masks import Motion, moving_masks
from pipeline.params.read import load_section
from pipeline.params.results import KeepMoving
from pipeline.pool import Advance
from pipeline.self_training import pass_on
from pipeline.stage import run_stage, wanted
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256, files_sha256
from pipeline.store.paths import Source
from pipeline.store.tables import HOMOGRAPHIES, matrices, read_table


@dataclass(frozen=True)
class Selection:
    """What a worker needs to know, of one video."""

    source: Source
    params: KeepMoving
    camera: CameraPath


def main(source: Source) -> None:
    """Select the moving parts of all videos' masks in parallel."""
    params = load_section(KeepMoving, "keep_moving")
    if pass_on(source.masks_folder, source.moving_folder):
        return
    counts = load_index()["video"].value_counts(sort=False)
    cameras = read_cameras([str(video) for video in counts.index])
    jobs = [
        Job(
            video,
            int(counts[video]),
            _identity(source, video, camera),
            Selection(source, params, camera),
        )
        for video, camera in cameras.items()
    ]
    fan_out(
        "keep_moving",
        jobs,
        work,
        out=source.moving_folder,
        schema=hdf5.MASKS,
        fingerprint=params.model_dump(),
        occasion=files_sha256(paths.INDEX_TABLE, paths.HOMOGRAPHIES_TABLE),
        part=source,
    )


def work(job: Job[Selection], path: Path, advance: Advance) -> None:
    """Write one video's moving masks; in a worker process."""
    whole = paths.video_file(job.data.source.masks_folder, job.video)
    flow_file = paths.video_file(paths.FLOW, job.video)
    with (
        open_frames(job.video) as reader,
        open_fitting(whole, hdf5.MASKS, reader) as masks,
        open_fitting(flow_file, hdf5.FLOW, reader) as flow,
        hdf5.create(path, hdf5.MASKS) as file,
    ):
        datasets = {
            name: hdf5.create_packed(file, name, data.shape) for name, data in masks.items()
        }
        motion = Motion(flow, job.data.camera, reader.cuts)
        least = job.data.params.least_moving
        for number, moving in enumerate(
            moving_masks(lambda t: masks["mask"][t] > 0, motion, least)
        ):
            for name, dataset in datasets.items():
                dataset[number] = np.where(moving, masks[name][number], 0)
            advance(1)


def read_cameras(videos: Sequence[str]) -> dict[str, CameraPath]:
    """The camera of each video, from the trusted pairs whose source comes after the target.

    Raises:
        BackdropError: a video has none in the table, or the table is missing or damaged.
    """
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    missing = sorted(set(videos) - set(table["video"]))
    if missing:
        raise BackdropError(
            f"has no homographies of '{missing[0]}'",
            where=str(paths.HOMOGRAPHIES_TABLE),
            remedy="run `dvc repro --force stabilize`",
        )
    by_video = dict(iter(table.groupby("video", sort=False)))
    return {video: _camera(by_video[video]) for video in videos}


def _camera(rows: pd.DataFrame) -> CameraPath:
    steps = rows[rows["ok"] & (rows["source"] > rows["target"])]
    gap = int((rows["source"] - rows["target"]).abs().max())
    return CameraPath(dict(zip(steps["target"].tolist(), matrices(steps), strict=True)), gap)


def _identity(source: Source, video: str, camera: CameraPath) -> str:
    """Tells this video's masks, flow, cuts and camera from others."""
    files = (paths.FRAMES, paths.FLOW, source.masks_folder)
    digests = [file_sha256(paths.video_file(folder, video)) for folder in files]
    steps = b"".join(H.tobytes() for _, H in sorted(camera.steps.items()))
    return " ".join([*digests, hashlib.sha256(steps).hexdigest()])


if __name__ == "__main__":
    asked = wanted(Source, "stages.keep_moving")
    run_stage(f"keep_moving_{asked}", lambda: main(asked))
