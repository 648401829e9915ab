"""What a stage's last run made, found again in DVC's cache: a new video costs its own work alone.

DVC deletes a stage's outs before the stage starts, but its cache still holds them under their md5.
`.backdrop/made/OUT/FINGERPRINT/VIDEO.json` notes that md5, and what the result was made from.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import BackdropError
from pipeline.store.atomic import atomic_path, read_json
from pipeline.store.paths import MADE

log = logging.getLogger("backdrop")

OCCASION = "occasion.txt"
Note = dict[str, Any]  # `identity`, `result`, and `md5` where there is a file


def notes_of(out: Path, fingerprint: str) -> dict[str, Note]:
    """Notes of the last run that wrote `out`, by video; none if it was of another fingerprint."""
    found = {path.stem: read_note(path) for path in _folder(out, fingerprint).glob("*.json")}
    return {video: note for video, note in found.items() if note}


def read_note(path: Path) -> Note | None:
    """A note; None where there is none, or a damaged one: the work is then done again."""
    try:
        note = read_json(path)
    except BackdropError:
        return None
    return note if isinstance(note, dict) and {"identity", "result"} <= note.keys() else None


def occasion_of(out: Path, fingerprint: str) -> str | None:
    """What that run was told by `keep_notes`."""
    file = _folder(out, fingerprint) / OCCASION
    return file.read_text(errors="replace") if file.exists() else None


def keep_notes(notes: Iterable[Path], out: Path, fingerprint: str, occasion: str) -> None:
    """Move the notes of a finished run to where the next one looks for them.

    Where that cannot be done, the next run makes everything again, and that is all.
    """
    folder = _folder(out, fingerprint)
    try:
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
        for note in notes:
            note.replace(folder / note.name)
        (folder / OCCASION).write_text(occasion)
    except OSError as error:
        log.warning("%s cannot be kept (%s): the next run makes all anew", folder, error.strerror)


def cached_file() -> Callable[[str, Path], bool]:
    """A function `(md5, target)` that copies a file from DVC's cache, if it is there whole."""
    # Takes half a second to import, which most runs and every worker can do without.
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo() as repo:
            path_of = repo.cache.local.oid_to_path
    except (DvcException, SCMError) as error:
        log.info("DVC's cache cannot be read (%s): all videos are made anew", error)
        return lambda _md5, _target: False

    def copy(md5: str, target: Path) -> bool:
        source = Path(path_of(md5))
        if not os.access(source, os.R_OK):
            return False
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        return file_md5(target) == md5

    return copy


def file_md5(path: Path) -> str:
    """What DVC knows a file by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _folder(out: Path, fingerprint: str) -> Path:
    return MADE / "-".join(out.parts) / fingerprint
