"""A file's sha256: tells whether an input is still the one that work was begun on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import BackdropError


def file_sha256(path: Path) -> str:
    """Hex digest of the file's bytes.

    Raises:
        BackdropError: it is missing.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BackdropError(
            "is missing", where=str(path), remedy="run `dvc repro` to make it"
        ) from error
