"""What a round of self-training leaves for the next one; an interrupted run goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.student import Student
from pipeline.networks import CONFIG, load_student, read_config, save_network
from pipeline.store.paths import UNFINISHED

ROUNDS = UNFINISHED / "self_train"
SCHEMA = "backdrop.student"
MADE_OF = "made_of"


def round_folder(number: int) -> Path:
    """Where the student of a round that is not the last waits, and its labels."""
    return ROUNDS / str(number)


def keep_student(number: int, student: Student, config: dict[str, Any], made_of: str) -> None:
    """Write the student of a round, with the fingerprint of what it was made of."""
    save_network(round_folder(number), student, {**config, MADE_OF: made_of})


def kept_student(number: int, made_of: str) -> Student | None:
    """The student that an interrupted run trained in a round, of the same inputs.

    Raises:
        BackdropError: it is damaged.
    """
    folder = round_folder(number)
    if not (folder / CONFIG).exists() or read_config(folder, SCHEMA).get(MADE_OF) != made_of:
        return None
    return load_student(folder)[0]
