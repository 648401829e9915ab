"""What a round of self-training leaves for the next one; an interrupted run goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.student import Student
from pipeline.networks import CONFIG, load_student, read_config, save_network
from pipeline.store.paths import UNFINISHED
from pipeline.training.curves import History

ROUNDS = UNFINISHED / "self_train"
SCHEMA = "backdrop.student"
MADE_OF, HISTORY = "made_of", "history"
NAMED = "round_"


def round_folder(number: int) -> Path:
    """Where the student of a round that is not the last waits, and its labels."""
    return ROUNDS / str(number)


def keep_student(
    number: int, student: Student, history: History, config: dict[str, Any], made_of: str
) -> None:
    """Write the student of a round and its curves, with the fingerprint of what it was made of."""
    kept = {**config, MADE_OF: made_of, HISTORY: history}
    save_network(round_folder(number), student, kept)


def kept_student(number: int, made_of: str) -> tuple[Student, History] | None:
    """The student that an interrupted run trained in a round, of the same inputs; its curves.

    Raises:
        BackdropError: it is damaged.
    """
    folder = round_folder(number)
    if not (folder / CONFIG).exists():
        return None
    config = read_config(folder, SCHEMA)
    return (load_student(folder)[0], config[HISTORY]) if config.get(MADE_OF) == made_of else None


def named(number: int, history: History) -> History:
    """Curves that a round ended with, by its name, so that the next one's stand beside them.

    >>> named(2, [{"iteration": 10, "round_1/loss": 3.0}, {"iteration": 10, "loss": 2.0}])
    [{'iteration': 10, 'round_1/loss': 3.0}, {'iteration': 10, 'round_2/loss': 2.0}]
    """

    def rename(name: str) -> str:
        return name if name == "iteration" or name.startswith(NAMED) else f"{NAMED}{number}/{name}"

    return [{rename(name): value for name, value in point.items()} for point in history]
