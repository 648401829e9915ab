"""Which masks below `data/raw/NAME/` are copies that `init` made: it may replace those unasked.

A record beside the folder holds their sha256. A mask that was put or changed there by hand differs
from it, and may be the only one of its kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.store.atomic import read_json, write_json
from pipeline.store.digest import file_sha256


def only_copies(root: Path, files: Iterable[Path]) -> list[Path]:
    """Of `files`, relative to the root, those that may lie nowhere else.

    They are neither hard links, as videos are, nor masks that `init` copied.
    """
    record = _record(root)
    known = read_json(record) if record.exists() else {}

    def is_copy(file: Path) -> bool:
        sha256 = known.get(file.as_posix())
        return sha256 is not None and sha256 == file_sha256(root / file)

    return [file for file in files if (root / file).stat().st_nlink == 1 and not is_copy(file)]


def remember(root: Path, masks: Iterable[Path]) -> None:
    """Record that `masks`, relative to the root, are copies of what lies elsewhere."""
    known = {mask.as_posix(): file_sha256(root / mask) for mask in masks}
    if known or _record(root).exists():
        write_json(_record(root), known)


def _record(root: Path) -> Path:
    return root.with_name(f".{root.name}.masks.json")
