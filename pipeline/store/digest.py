"""Files' sha256: tells whether an input is still the one that work was begun on."""

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


def files_sha256(*paths: Path) -> str:
    """Hex digest of files' paths and bytes, those below folders included.

    A path where nothing is counts as an empty folder.
    """
    digest = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
        for file in files:
            digest.update(f"{file} {file_sha256(file)}\n".encode())
    return digest.hexdigest()
