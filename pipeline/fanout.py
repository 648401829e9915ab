"""A stage's work per video, over all cores, where finished videos survive an interrupted run.

    results = fan_out("compute_flow", jobs, work, out=FLOW, schema=schema, fingerprint={...})

DVC deletes a stage's outs before the stage starts. Finished videos therefore wait outside of them,
in `.backdrop/unfinished/STAGE[@PART]/FINGERPRINT/`, and are moved to `out` when all are there.
Where some videos are new or changed and the others are not, those others come from DVC's cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.closure import source_digest
from pipeline.errors import cannot_be_made
from pipeline.job import Job
from pipeline.library_versions import library_versions
from pipeline.made_before import (
    Note,
    cached_file,
    file_md5,
    keep_notes,
    notes_of,
    occasion_of,
    read_note,
)
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.store.atomic import atomic_path, read_json, write_json
from pipeline.store.hdf5 import Schema, is_complete
from pipeline.store.paths import UNFINISHED, video_file

log = logging.getLogger("backdrop")
DataT = TypeVar("DataT")
Worker = Callable[[Job[DataT], Path, Advance], Any]


@dataclass(frozen=True)
class Unfinished:
    """The folder where a stage's finished videos wait for the others.

    `fingerprint` is everything that all videos share: the stage's params above all. The stage's
    own code and the libraries' versions are added here. Stages that are one module have a `part`
    each: they may run side by side.
    """

    stage: str
    fingerprint: Mapping[str, object]
    part: str = ""
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        told = {
            **self.fingerprint,
            "code": source_digest(f"stages.{self.stage}"),
            "libraries": library_versions(),
        }
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        name = f"{self.stage}@{self.part}" if self.part else self.stage
        object.__setattr__(self, "folder", UNFINISHED / name / digest[:32])

    def open(self) -> None:
        """Make the folder; remove those of other params or code, and what a killed run left."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_be_made(self.folder, error) from error
        for other in self.folder.parent.iterdir():
            if other != self.folder:
                shutil.rmtree(other)
        for temporary in list(self.folder.rglob(".*")):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)

    def bring_back(self, jobs: Sequence[Job[Any]], out: Path, occasion: str | None = None) -> None:
        """Take what the last run that wrote `out` made of the same inputs, where it made any.

        `occasion` tells what else the stage reads. A run with nothing new, changed or gone, and of
        the same occasion, takes nothing: nobody would ask for it (`dvc repro --force`) but to have
        the work done again. Without an occasion, what is known is always taken.
        """
        notes = notes_of(out, self.folder.name)
        same = [job for job in jobs if notes.get(job.video, {}).get("identity") == job.identity]
        again = occasion is not None and occasion == occasion_of(out, self.folder.name)
        if again and len(same) == len(jobs) == len(notes):
            return
        wanted = [job for job in same if not self.has(job)]
        copy = cached_file() if any("md5" in notes[job.video] for job in wanted) else None
        taken = [job for job in wanted if self._take(job, notes[job.video], copy)]
        if taken:
            told = "%s: %d of %d videos are as they were, and are not done again"
            log.info(told, self.stage, len(taken), len(jobs))

    def _take(self, job: Job[Any], note: Note, copy: Callable[[str, Path], bool] | None) -> bool:
        if copy and not copy(note["md5"], video_file(self.folder, job.video)):
            return False
        write_json(self._note(job), note)
        return True

    def mark(self, job: Job[Any], result: object, md5: str | None = None) -> None:
        """Record that the job's outputs lie whole in the folder; `result` is JSON.

        `md5` is that of the output, if it is one file that DVC will keep as it is.
        """
        note: Note = {"identity": job.identity, "result": result}
        write_json(self._note(job), note | ({"md5": md5} if md5 else {}))

    def forget(self, job: Job[Any]) -> None:
        """Take back `mark`, before the job's outputs leave the folder one by one."""
        self._note(job).unlink(missing_ok=True)

    def has(self, job: Job[Any]) -> bool:
        """Whether `mark` recorded this very job: the same video and the same inputs."""
        note = read_note(self._note(job))
        return note is not None and note["identity"] == job.identity

    def result(self, job: Job[Any]) -> object:
        """What `mark` recorded for a job that is there."""
        return read_json(self._note(job))["result"]

    def keep(self, jobs: Sequence[Job[Any]], out: Path, occasion: str = "") -> None:
        """`close`, and keep the notes of `jobs` for a later run's `bring_back`."""
        keep_notes([self._note(job) for job in jobs], out, self.folder.name, occasion)
        self.close()

    def close(self) -> None:
        """Remove what is left, once everything was moved out."""
        shutil.rmtree(self.folder.parent)

    def _note(self, job: Job[Any]) -> Path:
        return self.folder / f"{job.video}.json"


def fan_out(
    stage: str,
    jobs: Sequence[Job[DataT]],
    worker: Worker[DataT],
    *,
    out: Path,
    schema: Schema,
    fingerprint: Mapping[str, object],
    occasion: str,
    part: str = "",
    workers: int | None = None,
    unit: str = "frames",
) -> dict[str, Any]:
    """Make `out/VIDEO.h5` for every job; other `.h5` files in `out` are removed.

    `worker(job, path, advance)` writes an artifact of `schema` to `path` (through
    `pipeline.store.hdf5.create`), calls `advance(n)` after n more frames, and returns a JSON value.
    It is a module's function; it runs in a process of its own, where libraries have one thread.
    `occasion` is a digest of what the stage reads beside the videos' own files, the table that
    lists them first, see `Unfinished.bring_back`.
    `part` names the stage where several are one module.
    `workers` is the number of processes; by default one per core. `unit` is what is counted.

    Returns:
        What the workers returned, by video, also for videos finished by an earlier run.

    Raises:
        BackdropError: a video failed, or a worker died. The others' finished work is kept.
    """
    unfinished = Unfinished(stage, fingerprint, part)
    unfinished.open()
    unfinished.bring_back(jobs, out, occasion)
    finished = {
        job.video: unfinished.result(job)
        for job in jobs
        if unfinished.has(job) and is_complete(video_file(unfinished.folder, job.video), schema)
    }
    left = [job for job in jobs if job.video not in finished]
    with Progress(stage, sum(job.size for job in jobs), unit) as progress:
        progress.resume_at(sum(job.size for job in jobs if job.video in finished))
        made = run_jobs(left, partial(_make, worker, unfinished), progress, workers)
    _publish(unfinished, jobs, out)
    unfinished.keep(jobs, out, occasion)
    return {job.video: {**finished, **made}[job.video] for job in jobs}


def move(source: Path, target: Path) -> None:
    """Move a file, replacing `target`; across file systems too.

    Raises:
        BackdropError: the target cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    except OSError:  # another file system, or a reason that atomic_path puts into words
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        source.unlink()


def _make(
    worker: Worker[DataT], unfinished: Unfinished, job: Job[DataT], advance: Advance
) -> object:
    """In a worker process: the artifact first, then the note that says it is whole."""
    path = video_file(unfinished.folder, job.video)
    result = worker(job, path, advance)
    unfinished.mark(job, result, file_md5(path))
    return result


def _publish(unfinished: Unfinished, jobs: Sequence[Job[DataT]], out: Path) -> None:
    wanted = {f"{job.video}.h5" for job in jobs}
    for stale in out.glob("*.h5"):
        if stale.name not in wanted:
            stale.unlink()
    for job in jobs:
        move(video_file(unfinished.folder, job.video), video_file(out, job.video))
