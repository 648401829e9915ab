"""A piece of work for each video whose frames are cached."""

from __future__ import annotations

from typing import TypeVar

from pipeline.frame_index import load_index
from pipeline.job import Job
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, video_file

DataT = TypeVar("DataT")


def frame_jobs(data: DataT) -> list[Job[DataT]]:
    """A job per video of the index, told from others by the sha256 of its frames.

    Args:
        data: what the worker needs, the same for all.

    Raises:
        BackdropError: the index or a video's frames are missing.
    """
    counts = load_index()["video"].value_counts(sort=False)
    return [
        Job(str(video), int(count), file_sha256(video_file(FRAMES, str(video))), data)
        for video, count in counts.items()
    ]
