"""Which masks below `data/raw/NAME/` are copies that `init` made: it may replace those unasked.

A record beside the folder holds their sha256 and where they came from. A mask that was put or
changed there by hand differs from it; one whose original is gone may be the only one of its kind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pipeline.errors import BackdropError
from pipeline.store.atomic import write_json
from pipeline.store.digest import file_sha256

NOTHING: Mapping[Path, Path] = {}
Entry = Mapping[str, str]  # of the record: `sha256`, and the path of the `original`


def only_copies(
    root: Path, files: Iterable[Path], coming: Mapping[Path, Path] = NOTHING
) -> list[Path]:
    """Of `files`, relative to the root, those that may lie nowhere else.

    They are neither hard links, as videos are, nor masks that `init` copied from files that are
    still there, or that now have another name.

    Args:
        root: the data set's folder.
        files: to be removed or replaced.
        coming: masks that are to take places of their own, relative to the root, and the original
            of each. One stands for one mask of its video that has the same content.
    """
    known = _read(root)
    renamed = cache(lambda: Counter(map(_told_apart_by, coming, map(file_sha256, coming.values()))))

    def has_moved(file: Path, sha256: str) -> bool:
        content = _told_apart_by(file, sha256)
        renamed()[content] -= 1
        return renamed()[content] >= 0

    def is_copy(file: Path) -> bool:
        entry = known.get(file.as_posix())
        return (
            entry is not None
            and _holds(root, file, entry)
            and (Path(entry["original"]).is_file() or has_moved(file, entry["sha256"]))
        )

    return [file for file in files if (root / file).stat().st_nlink == 1 and not is_copy(file)]


def remember(root: Path, copied: Mapping[Path, Path]) -> None:
    """Record of which files masks, relative to the root, are copies; what still holds is kept."""
    before = _read(root)
    known = {name: entry for name, entry in before.items() if _holds(root, Path(name), entry)}
    for mask, original in copied.items():
        known[mask.as_posix()] = {
            "sha256": file_sha256(root / mask),
            "original": str(original.resolve()),
        }
    if known != before:
        write_json(_record(root), known)


def _told_apart_by(file: Path, sha256: str) -> tuple[Path, str]:
    """A mask's video, by its folder, and content."""
    return file.parent, sha256


def _holds(root: Path, file: Path, entry: Entry) -> bool:
    """Whether the file has still the content that was recorded."""
    return (root / file).is_file() and file_sha256(root / file) == entry["sha256"]


def _read(root: Path) -> dict[str, Entry]:
    record = _record(root)
    if not record.exists():
        return {}
    try:
        known: dict[str, Entry] = json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BackdropError(
            "is damaged: it tells which masks are copies that `init` made",
            where=str(record),
            remedy="delete it, and run `backdrop init` again with --force",
        ) from error
    return known


def _record(root: Path) -> Path:
    return root.with_name(f".{root.name}.masks.json")
