"""Whether self-training is on, as its artifacts tell it: a note in each folder where it is off.

Stages after `self_train` ask here and not the params, so that they follow what was truly run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.errors import BackdropError
from pipeline.store.atomic import write_json

NOTE = "off.json"


def switch_off(folder: Path) -> None:
    """Leave nothing in `folder` but the note that self-training is off."""
    shutil.rmtree(folder, ignore_errors=True)
    write_json(folder / NOTE, {"self_train": "off"})


def switch_on(folder: Path) -> None:
    """Remove the note of an earlier run."""
    (folder / NOTE).unlink(missing_ok=True)


def pass_on(before: Path, out: Path) -> bool:
    """Say in `out` what `before` says; True if that is `off`, and there is nothing else to do.

    `before` may be the model's, which never holds the note.

    Raises:
        BackdropError: as `is_off`.
    """
    if is_off(before):
        switch_off(out)
        return True
    switch_on(out)
    return False


def is_off(folder: Path) -> bool:
    """Whether a folder holds the note instead of results.

    Raises:
        BackdropError: it is not there at all.
    """
    if not folder.exists():
        raise BackdropError("is missing", where=str(folder), remedy="run `dvc repro` to make it")
    return (folder / NOTE).exists()
