"""Whose masks are the result: the student's where self-training is on, else the model's."""

from __future__ import annotations

from pipeline.self_training import is_off
from pipeline.store.paths import Source


def sources() -> list[Source]:
    """Whose masks there are: the model's, then the student's if there is one; the last is final.

    Raises:
        BackdropError: it cannot be told, since the student's stages have not run.
    """
    both = [Source.MODEL, Source.STUDENT]
    return both[:1] if is_off(Source.STUDENT.masks_folder) else both
