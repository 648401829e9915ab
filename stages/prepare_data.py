"""Render the built-in clips, or check the user's videos; list them with their splits.

    python -m stages.prepare_data

`source: recipe` renders `ROOT/recipe.yaml` into `artifacts/raw/`. `source: videos` takes
`ROOT/*.mp4` (any video suffix) and folders of frames `ROOT/VIDEO/`, ground truth, of all frames or
some, in `ROOT/masks/VIDEO/`. Every video is decoded once to its end, so that what is broken is
found here and not hours later; where videos are added, the others are not decoded again. Writes
`artifacts/raw/videos.parquet`.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

from pipeline.errors import BackdropError, did_you_mean
from pipeline.fanout import Unfinished, move
from pipeline.job import Job
from pipeline.mask_check import check_masks
from pipeline.params.data import TRAINED_ON, PrepareData
from pipeline.params.read import load_section
from pipeline.pool import Advance, run_jobs, worker_count
from pipeline.progress import Progress
from pipeline.splits import matched
from pipeline.stage import run_stage
from pipeline.store.paths import RAW, VIDEOS_TABLE
from pipeline.store.tables import VIDEOS, write_table
from pipeline.synthetic.recipe import ClipSpec, Recipe, read_recipe
from pipeline.synthetic.write import write_clip
from pipeline.truth_files import TruthFiles
from pipeline.video.decode import DecodedFrame
from pipeline.video.probe import probe_video, read_header
from pipeline.video.source_digest import source_sha256
from pipeline.video.sources import MASKS_FOLDER, Source, find_videos, readable

log = logging.getLogger("backdrop")

MAX_NAME_BYTES = 230  # of 255: files named after a video get up to 22 bytes more while written

Row = dict[str, Any]  # of the videos table


def main() -> None:
    """Run the stage."""
    params = load_section(PrepareData, "prepare_data")
    root = params.require_root()
    if params.source == "recipe":
        recipe = read_recipe(root / "recipe.yaml")
        splits = choose_splits(params, {clip.video: clip.split for clip in recipe.clips})
        render_clips(recipe)
        sources = [Source(clip.video, RAW / f"{clip.video}.mp4") for clip in recipe.clips]
        rows = check_videos(sources, RAW / MASKS_FOLDER)
    else:
        sources = find_videos([root])
        before = _files(root)
        names = [source.video for source in sources]
        splits = choose_splits(params, dict.fromkeys(names, params.default_split))
        rows = check_videos(sources, root / MASKS_FOLDER)
        changed = sorted(before.items() ^ _files(root).items())
        if changed:  # DVC would take what lies there now for what was read
            raise BackdropError(
                "was changed, added or taken away while the videos were read",
                where=changed[0][0],
                remedy="run the same again; what is as it was is not read again",
            )
    write_table(VIDEOS_TABLE, [{**row, "split": splits[row["video"]]} for row in rows], VIDEOS)


def _files(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file in the root but hidden ones."""
    with readable(root):
        found = [file for file in root.rglob("*") if not file.name.startswith(".")]
        stats = {str(file): file.stat() for file in found if file.is_file()}
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in stats.items()}


def choose_splits(params: PrepareData, default: Mapping[str, str]) -> dict[str, str]:
    """The split of each video.

    Raises:
        BackdropError: as `given_splits`; or there is nothing to train on.
    """
    splits = {**default, **given_splits(params, default)}
    if not set(TRAINED_ON).intersection(splits.values()):
        raise BackdropError(
            "no video is in split 'train' or 'train_test'",
            where="params.yaml: prepare_data.splits",
            remedy="name at least one to train on, or set prepare_data.default_split",
        )
    return splits


def given_splits(params: PrepareData, videos: Iterable[str]) -> dict[str, str]:
    """Splits that `prepare_data.splits` gives; a video's own name beats a pattern.

    Raises:
        BackdropError: a name or pattern fits no video.
    """
    names = list(videos)
    chosen: dict[str, str] = {}
    for pattern, split, fits in matched(params, names):
        if not fits:
            quoting = " (YAML reads 01 as 1 and 010 as 8: put such names in quotes)"
            raise BackdropError(
                f"'{pattern}' is no video of this data set",
                where="params.yaml: prepare_data.splits",
                remedy=did_you_mean(pattern, names) + quoting * pattern.isdecimal(),
            )
        chosen.update(dict.fromkeys(fits, split))
    return chosen


def render_clips(recipe: Recipe) -> None:
    """Render what an earlier run did not finish, and move all of it to `artifacts/raw/`."""
    header = {"seed": recipe.seed, "size": [recipe.width, recipe.height], "fps": recipe.fps}
    unfinished = Unfinished("prepare_data", header)
    unfinished.open()
    jobs = [Job(clip.video, clip.frames, repr(clip), clip) for clip in recipe.clips]
    left = [job for job in jobs if not unfinished.has(job)]
    with Progress("prepare_data: render", sum(job.size for job in jobs), "frames") as progress:
        progress.resume_at(sum(job.size for job in jobs if job not in left))
        run_jobs(left, partial(_render, recipe, unfinished), progress)
    _clear(RAW)
    for job in jobs:
        clip = job.data
        # DVC clears `artifacts/raw`: what a stopped run has moved there must be rendered anew.
        unfinished.forget(job)
        masks = Path(MASKS_FOLDER) / clip.video
        for mask in sorted((unfinished.folder / masks).iterdir()):
            move(mask, RAW / masks / mask.name)
        move(unfinished.folder / f"{clip.video}.mp4", RAW / f"{clip.video}.mp4")
    unfinished.close()


def _render(recipe: Recipe, unfinished: Unfinished, job: Job[ClipSpec], advance: Advance) -> None:
    try:
        write_clip(recipe, job.data, unfinished.folder)
    except OSError as error:
        raise BackdropError(
            f"cannot be written ({error.strerror or error})",
            where=f"{unfinished.folder / job.video}.mp4",
            remedy="free disk space or make the folder writable, then run `dvc repro` again",
        ) from error
    unfinished.mark(job, None)
    advance(job.size)


def _clear(folder: Path) -> None:
    """Clips of an earlier recipe must not stay beside the new ones."""
    if folder.exists():
        shutil.rmtree(folder)


def check_videos(sources: list[Source], masks: Path) -> list[Row]:
    """Decode every video and check its masks; rows of the videos table, without `split`.

    Raises:
        BackdropError: a video or mask that cannot be used, a name that is too long for the files
            of later stages, or masks of no video.
    """
    _check_names(sources)
    _check_mask_folders(masks, [source.video for source in sources])
    sizes = [read_header(source.path).expected_frames for source in sources]
    jobs = [
        Job(source.video, size, digest, source)
        for source, size, digest in zip(sources, sizes, _digests(sources), strict=True)
    ]
    unfinished = Unfinished("prepare_data", {})
    unfinished.open()
    unfinished.bring_back(jobs, VIDEOS_TABLE)
    with Progress("prepare_data: check", sum(sizes), "frames") as progress:
        rows = run_jobs(jobs, partial(check_video, unfinished, masks), progress)
    unfinished.keep(jobs, VIDEOS_TABLE)
    for row in rows.values():
        rule = TruthFiles.of(row).rule()
        if rule:
            log.info("prepare_data: '%s': %s", row["video"], rule)
    return list(rows.values())


def _digests(sources: list[Source]) -> list[str]:
    """The sha256 of each, by threads: hashing does not hold the interpreter's lock."""
    digests = []
    threads = ThreadPoolExecutor(worker_count())
    try:
        with Progress("prepare_data: read", len(sources), "videos") as progress:
            for digest in threads.map(lambda source: source_sha256(source.path), sources):
                digests.append(digest)
                progress.advance()
    finally:
        threads.shutdown(cancel_futures=True)
    return digests


def check_video(unfinished: Unfinished, masks: Path, job: Job[Source], advance: Advance) -> Row:
    """One row of the videos table; what was decoded before is not decoded again."""
    source, folder = job.data, masks / job.video
    if unfinished.has(job):
        seen = cast("Row", unfinished.result(job))
        advance(job.size)
    else:
        seen = _decode(source, advance)
        unfinished.mark(job, seen)
    row: Row = {
        "video": source.video,
        "path": _from_here(source.path),
        "masks": _from_here(folder) if folder.is_dir() else "",
        "sha256": job.identity,
        **seen,
    }
    check_masks(TruthFiles.of(row), row["width"], row["height"])
    return row


def _decode(source: Source, advance: Advance) -> Row:
    """What a row tells that only decoding the whole video can."""

    def count(_: DecodedFrame) -> None:
        advance(1)

    info = probe_video(source.path, count)
    info.require_whole()
    if info.frames < 2:
        raise BackdropError(
            "has one frame, and motion needs two",
            where=str(source.path),
            remedy="give a longer video",
        )
    return {
        "frames": info.frames,
        "fps": info.fps,
        "width": info.width,
        "height": info.height,
    }


def _check_names(sources: list[Source]) -> None:
    for source in sources:
        length = len(source.video.encode())
        if length > MAX_NAME_BYTES:
            raise BackdropError(
                f"has a name of {length} bytes; {MAX_NAME_BYTES} is the most, as later stages "
                "name files after it",
                where=str(source.path),
                remedy="give it a shorter name, here or where `backdrop init` took it from",
            )


def _check_mask_folders(masks: Path, videos: list[str]) -> None:
    for folder in sorted(masks.iterdir()) if masks.is_dir() else []:
        if folder.is_dir() and folder.name not in videos:
            raise BackdropError(
                "holds masks of a video that is not there",
                where=str(folder),
                remedy=did_you_mean(folder.name, videos),
            )


def _from_here(path: Path) -> str:
    """Relative to the repository: no artifact may depend on where the repository lies."""
    return Path(os.path.relpath(path)).as_posix()


if __name__ == "__main__":
    run_stage("prepare_data", main)
