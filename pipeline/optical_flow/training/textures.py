"""Frames of the user's own videos (or the built-in ones), to cut backgrounds and things from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.progress import Progress
from pipeline.store.paths import VIDEOS_TABLE
from pipeline.store.tables import VIDEOS, read_table
from pipeline.video.decode import iter_frames
from pipeline.video.resize import plan

VALIDATION = ("val",)
TEST = ("test", "test_unseen")


def videos_for(splits: Collection[str]) -> pd.DataFrame:
    """Rows of the videos table in any of `splits`."""
    videos = read_table(VIDEOS_TABLE, VIDEOS)
    return videos[videos["split"].isin(list(splits))]


def held_out_videos() -> pd.DataFrame:
    """Rows of the videos to compare networks on: of validation; of the tests where there is none.

    What is compared decides which flow is used, and no choice shall look at test videos.
    """
    videos = videos_for(VALIDATION)
    return videos_for(TEST) if videos.empty else videos


def read_textures(
    videos: pd.DataFrame, frames_per_video: int, longest_side: int
) -> list[NDArray[np.uint8]]:
    """Frames spread evenly over each video, uint8 (h, w, 3), longest side `longest_side` px.

    Raises:
        BackdropError: no video to read, or a damaged one.
    """
    if videos.empty:
        raise BackdropError(
            "no video to train on (split 'train' or 'train_test')",
            where=str(VIDEOS_TABLE),
            remedy="name at least one in params.yaml: prepare_data.splits",
        )
    textures: list[NDArray[np.uint8]] = []
    with Progress("read textures", len(videos), "videos") as progress:
        for row in videos.to_dict("records"):
            count = min(frames_per_video, int(row["frames"]))
            wanted = set(np.linspace(0, row["frames"] - 1, count).round().astype(int).tolist())
            path = Path(row["path"])
            framing = plan(path, int(row["width"]), int(row["height"]), 1.0, longest_side, None)
            textures += [
                framing.apply(frame.image) for frame in iter_frames(path) if frame.index in wanted
            ]
            progress.advance(1, str(row["video"]))
    return textures
