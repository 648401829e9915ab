"""Files that may not be read (played: permissions do not stop root), and ids of dead processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def refuse_to_list(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Let listing these folders fail as it does for who may not read them."""
    iterdir = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refusing)


def refuse_to_enter(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let every look at what lies in a folder fail."""
    stat = Path.stat

    def refusing(path: Path, **how: bool) -> object:
        if folder in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refusing)


def dead_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
