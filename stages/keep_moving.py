"""Leave out of the masks what never moves: whoever stands around and looks like the subject.

    python -m stages.keep_moving model|student

Reads flow and refined masks; writes `artifacts/moving/VIDEO.h5` (the student's:
`artifacts/student/moving`) in the form of masks. The masks themselves stay as they are: they come
from one image each, these from the whole video. Without self-training there is nothing to do for
the student.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.evaluation.predicted import check_length
from pipeline.fanout import fan_out
from pipeline.frame_index import load_index
from pipeline.frames import open_frames
from pipeline.job import Job
from pipeline.moving_masks import moving_masks
from pipeline.params.read import load_section
from pipeline.params.results import KeepMoving
from pipeline.pool import Advance
from pipeline.self_training import is_off, switch_off, switch_on
from pipeline.stage import run_stage, wanted
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256
from pipeline.store.paths import Source


@dataclass(frozen=True)
class Selection:
    """What a worker needs to know."""

    source: Source
    params: KeepMoving


def main(source: Source) -> None:
    """Select the moving parts of all videos' masks in parallel."""
    params = load_section(KeepMoving, "keep_moving")
    if source is Source.STUDENT and is_off(source.masks_folder):
        switch_off(source.moving_folder)
        return
    switch_on(source.moving_folder)
    task = Selection(source, params)
    jobs = [
        Job(str(video), int(count), _identity(source, str(video)), task)
        for video, count in load_index()["video"].value_counts(sort=False).items()
    ]
    fan_out(
        "keep_moving",
        jobs,
        work,
        out=source.moving_folder,
        schema=hdf5.MASKS,
        fingerprint={"whose": source, **params.model_dump()},
        occasion=file_sha256(paths.INDEX_TABLE),
    )


def work(job: Job[Selection], path: Path, advance: Advance) -> None:
    """Write one video's moving masks; in a worker process."""
    source, params = job.data.source, job.data.params
    whole = paths.video_file(source.masks_folder, job.video)
    flow_file = paths.video_file(paths.FLOW, job.video)
    with (
        open_frames(job.video) as reader,
        hdf5.open_artifact(whole, hdf5.MASKS) as masks,
        hdf5.open_artifact(flow_file, hdf5.FLOW) as flow,
        hdf5.create(path, hdf5.MASKS) as file,
    ):
        check_length(whole, masks["mask"], reader)
        check_length(flow_file, flow["flow"], reader)
        chunked = {"chunks": (1, reader.height, reader.width), **hdf5.PACKED}
        datasets = {
            name: file.create_dataset(name, data.shape, data.dtype, **chunked)
            for name, data in masks.items()
        }
        kept = moving_masks(lambda t: masks["mask"][t] > 0, flow, reader.cuts, params.least_moving)
        for number, moving in enumerate(kept):
            for name, dataset in datasets.items():
                dataset[number] = np.where(moving, masks[name][number], 0)
            advance(1)


def _identity(source: Source, video: str) -> str:
    """Tells this video's masks, flow and cuts from others."""
    return " ".join(
        file_sha256(paths.video_file(folder, video))
        for folder in (paths.FRAMES, paths.FLOW, source.masks_folder)
    )


if __name__ == "__main__":
    asked = wanted(Source, "stages.keep_moving")
    run_stage(f"keep_moving_{asked}", lambda: main(asked))
