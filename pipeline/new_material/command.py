"""`backdrop predict`: check everything, then predict the inputs side by side, each whole or not."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BackdropError
from pipeline.job import Job
from pipeline.new_material import results
from pipeline.new_material.inputs import Input, find_inputs
from pipeline.new_material.moving import MOTION_STEPS, flow_choice, motion_params
from pipeline.new_material.trained import Trained, read_trained
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.store.atomic import atomic_folder, require_writable, sweep
from pipeline.store.paths import ARTIFACTS
from pipeline.usable_device import choose_device, processes_on

OURS = {results.MASKS, results.BOXES, results.VIDEO, results.PICTURE}
OF_THE_PROJECT = (ARTIFACTS, Path("data"))


@dataclass(frozen=True)
class Task:
    """What a worker needs to know."""

    source: Input
    trained: Trained
    target: Path
    overlay: bool


def predict(
    paths: Sequence[Path],
    to: Path,
    *,
    stride: int,
    moving: bool,
    overlay: bool,
    force: bool,
    keep: bool,
    say: Callable[[str], None],
) -> None:
    """Predict the videos and pictures at `paths` into `to/NAME`, a folder each.

    Args:
        paths: video files, folders of videos or of frames, pictures.
        to: made if it is not there.
        stride: take every `stride`-th frame.
        moving: leave out of a video's masks what never moves in it.
        overlay: also draw them.
        force: replace results that are there.
        keep: leave them, and predict the other inputs.
        say: is given a line per input.

    Raises:
        BackdropError: before any work, where something is amiss with the project, an input or
            `to`; after it, for the first input that failed: the others are written.
    """
    if force and keep:
        raise BackdropError("either replaces results or keeps them", where="--force, --keep")
    trained = read_trained(moving=moving)
    device = choose_device(trained.compute.device, "compute.device")
    sources = find_inputs(paths, trained.frames, stride)
    there = [one for one in sources if keep and (to / one.name / results.BOXES).exists()]
    for one in there:
        say(f"kept {to / one.name}")
    sources = [one for one in sources if one not in there]
    if not sources:
        return
    for source in sources:
        _check_target(to / source.name, sources, force=force)
    require_writable(to / sources[0].name / results.BOXES)
    for source in sources:
        motion = motion_params(source, trained)
        if motion:
            flow_choice(source, motion)
    jobs = [
        Job(one.name, _steps(one, trained), "", Task(one, trained, to / one.name, overlay))
        for one in sources
    ]
    written = {one.name: _written(to / one.name) for one in sources}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidied up after, as Ctrl-C is
    try:
        with Progress("predict", sum(job.size for job in jobs), "steps") as progress:
            run_jobs(jobs, work, progress, processes_on(device))
    finally:
        for name, before in written.items():
            sweep(to / name)  # all workers have ended; another `predict` may be at work here
            if _written(to / name) != before:
                say(f"wrote {to / name}: {_told(to / name)}")


def _written(target: Path) -> int:
    """When its table was written; 0 if it is not there."""
    table = target / results.BOXES
    return table.stat().st_mtime_ns if table.exists() else 0


def _told(target: Path) -> str:
    """How many frames its table has, and how many of their masks are empty."""
    with (target / results.BOXES).open(encoding="utf-8", errors=results.RAW, newline="") as table:
        empty = [row["empty"] == "1" for row in csv.DictReader(table)]
    return f"{len(empty)} frame(s), {sum(empty)} of them with an empty mask"


def _steps(source: Input, trained: Trained) -> int:
    """Steps that are told to the progress: one a frame, with what moves some more."""
    return source.frames * (1 + MOTION_STEPS if motion_params(source, trained) else 1)


def work(job: Job[Task], advance: Advance) -> None:
    """Predict one input; in a worker process."""
    task = job.data
    with atomic_folder(task.target) as folder:
        results.write_results(
            task.source, task.trained, folder, overlay=task.overlay, advance=advance
        )


def _check_target(target: Path, sources: Sequence[Input], *, force: bool) -> None:
    """Refuse to write into the project itself, or over anything but earlier results."""
    for folder in OF_THE_PROJECT:
        if target.resolve().is_relative_to(folder.resolve()):
            raise BackdropError(
                "belongs to the project itself",
                where=str(target),
                remedy="give `--to` a folder outside of it",
            )
    if not target.exists():
        return
    read = [one.path for one in sources if one.path.resolve().is_relative_to(target.resolve())]
    if read:
        raise BackdropError(
            f"holds {read[0].name}, which is to be predicted",
            where=str(target),
            remedy="give another folder with --to",
        )
    names = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
    if names and (names - OURS or results.BOXES not in names):
        raise BackdropError(
            f"holds other things than earlier results ({min(names - OURS or names)})",
            where=str(target),
            remedy="move it away, or give another folder with --to",
        )
    if not force:
        raise BackdropError(
            "is there already",
            where=str(target),
            remedy="add --keep to leave it and predict the rest, --force to replace it, or give "
            "another folder with --to",
        )
