"""Decode every video once, in order, and keep its frames at the size that all later stages use.

    python -m stages.extract_frames

Reads `artifacts/raw/videos.parquet` and the videos; writes `artifacts/frames/VIDEO.h5` and
`index.parquet`. Frames are streamed: memory does not grow with a video's length.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pipeline.errors import BackdropError
from pipeline.fanout import fan_out
from pipeline.frames import FrameWriter
from pipeline.job import Job
from pipeline.params.data import ExtractFrames
from pipeline.params.read import load_section
from pipeline.pool import Advance
from pipeline.stage import run_stage
from pipeline.store.digest import file_sha256
from pipeline.store.hdf5 import FRAMES as FRAMES_SCHEMA
from pipeline.store.hdf5 import create
from pipeline.store.paths import FRAMES, INDEX_TABLE, VIDEOS_TABLE
from pipeline.store.tables import INDEX, VIDEOS, read_table, write_table
from pipeline.video.cuts import CutDetector
from pipeline.video.decode import DecodedFrame, iter_frames
from pipeline.video.probe import read_header
from pipeline.video.resize import Framing, plan
from pipeline.video.source_digest import source_sha256

log = logging.getLogger("backdrop")
BLACK = 8  # levels; a video whose brightest value stays below shows nothing

Row = dict[Hashable, Any]  # of the videos table
Kept = dict[str, list[Any]]  # `source_frames` and `times` of the kept frames


def main() -> None:
    """Run the stage."""
    params = load_section(ExtractFrames, "extract_frames")
    videos = read_table(VIDEOS_TABLE, VIDEOS)
    jobs = [
        Job(
            video=row["video"],
            size=decoded_count(row, params),
            identity=f"{row['path']} {row['sha256']}",
            data=(row, params),
        )
        for row in videos.to_dict("records")
    ]
    results = fan_out(
        "extract_frames",
        jobs,
        extract,
        out=FRAMES,
        schema=FRAMES_SCHEMA,
        fingerprint={"params": params.model_dump(mode="json")},
        occasion=file_sha256(VIDEOS_TABLE),
        unit="frames decoded",
    )
    rows = list(index_rows(videos, results))
    log.info("extract_frames: %d of the videos' %d frames kept", len(rows), videos["frames"].sum())
    write_table(INDEX_TABLE, rows, INDEX)


def extract(job: Job[tuple[Row, ExtractFrames]], path: Path, advance: Advance) -> Kept:
    """Write one video's frames to `path`; returns the source frame and time of each.

    Raises:
        BackdropError: damaged, all black, shorter than `prepare_data` saw it, fewer than two
            frames kept, or a scene cut where `scene_cuts` is `error`.
    """
    row, params = job.data
    source, count = Path(row["path"]), kept_count(row, params)
    if count < 2:
        raise BackdropError(
            f"keeps one frame of {row['frames']} (extract_frames.stride {params.stride}, "
            f"max_frames {params.max_frames}), and motion needs two",
            where=str(source),
            remedy="lower the stride or raise max_frames",
        )
    kept: Kept = {"source_frames": [], "times": []}
    cuts, brightest, detector = list[int](), 0, CutDetector()
    with create(path, FRAMES_SCHEMA) as file:
        for index, frame in enumerate(_chosen(row, params, advance)):
            if index == 0:
                framing = _framing(source, frame, params)
                writer = FrameWriter(
                    file, count, framing.height, framing.width, params.store, params.jpeg_quality
                )
            image = framing.apply(frame.image)
            writer.write(index, image)
            brightest = max(brightest, int(image.max()))
            if detector.begins_shot(image):
                cuts.append(index)
            kept["source_frames"].append(frame.index)
            kept["times"].append(frame.time_s)
        _check(row, params, kept, brightest, cuts)
        _describe(file, row, params, framing, cuts)
    return kept


def kept_count(row: Row, params: ExtractFrames) -> int:
    """Frames kept of a video: every `stride`-th, `max_frames` at most."""
    count = len(range(0, int(row["frames"]), params.stride))
    return min(count, params.max_frames or count)


def decoded_count(row: Row, params: ExtractFrames) -> int:
    """Frames decoded of a video: all, or with `max_frames` up to the first that is too many."""
    whole = int(row["frames"])
    return min(whole, kept_count(row, params) * params.stride + 1) if params.max_frames else whole


def index_rows(videos: pd.DataFrame, results: dict[str, Kept]) -> Iterator[dict[str, Any]]:
    """Rows of the index: one per kept frame, videos in the order of the videos table."""
    for row in videos.to_dict("records"):
        kept = results[row["video"]]
        for frame, source_frame in enumerate(kept["source_frames"]):
            yield {
                "video": row["video"],
                "frame": frame,
                "source_frame": source_frame,
                "time_s": kept["times"][frame],
                "split": row["split"],
            }


def _chosen(row: Row, params: ExtractFrames, advance: Advance) -> Iterator[DecodedFrame]:
    """The frames to keep. Without a limit all is decoded, so that a damaged end is seen."""
    count = kept_count(row, params)
    for frame in iter_frames(Path(row["path"])):
        advance(1)
        place, rest = divmod(frame.index, params.stride)
        if place == count and params.max_frames:
            return
        if place >= count and not rest:
            raise _changed(row)
        if not rest:
            yield frame


def _framing(source: Path, first: DecodedFrame, params: ExtractFrames) -> Framing:
    aspect = read_header(source).upright_aspect(first.rotation)
    return plan(source, first.width, first.height, aspect, params.longest_side, params.crop)


def _check(row: Row, params: ExtractFrames, kept: Kept, brightest: int, cuts: list[int]) -> None:
    """Refuse what no later stage can use."""
    if len(kept["times"]) != kept_count(row, params):
        raise _changed(row)
    if source_sha256(Path(row["path"])) != row["sha256"]:
        raise _changed(row)
    if brightest < BLACK:
        raise BackdropError(
            f"is all black: no value in it exceeds {brightest} of 255",
            where=row["path"],
            remedy="take it out of the data set",
        )
    if cuts and params.scene_cuts == "error":
        frames = ", ".join(str(kept["source_frames"][cut]) for cut in cuts[:10])
        raise BackdropError(
            f"has {len(cuts)} scene cut(s), at frame(s) {frames}",
            where=row["path"],
            remedy="split it into one video per shot, or set extract_frames.scene_cuts: flag",
        )


def _changed(row: Row) -> BackdropError:
    return BackdropError(
        "is no longer what prepare_data read",
        where=row["path"],
        remedy="run `dvc repro` again",
    )


def _describe(
    file: h5py.File, row: Row, params: ExtractFrames, framing: Framing, cuts: list[int]
) -> None:
    file.attrs["store"] = params.store
    file.attrs["colour"] = "RGB"
    file.attrs["fps"] = row["fps"] / params.stride
    file.attrs["source"] = Path(row["path"]).name
    file.attrs["sha256"] = row["sha256"]
    file.attrs["source_width"] = row["width"]
    file.attrs["source_height"] = row["height"]
    file.attrs["crop"] = np.array(
        [framing.left, framing.top, framing.crop_width, framing.crop_height]
    )
    file.attrs["width"] = framing.width
    file.attrs["height"] = framing.height
    file.attrs["frames"] = kept_count(row, params)
    file.attrs["cuts"] = np.array(cuts, np.int64)


if __name__ == "__main__":
    run_stage("extract_frames", main)
