"""Files that stand for videos, pictures and masks where their content does not matter."""

from __future__ import annotations

from pathlib import Path


def touch(path: Path, content: str = "x") -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def make_davis(root: Path) -> Path:
    """Two sequences of three frames, of which `bear` has ground truth."""
    for sequence in ("bear", "swan"):
        for number in range(3):
            touch(root / "JPEGImages/480p" / sequence / f"{number:05d}.jpg", f"{sequence}{number}")
    for number in range(3):
        touch(root / "Annotations/480p/bear" / f"{number:05d}.png")
    return root


def tree(root: Path) -> list[str]:
    """All files below a folder, relative to it."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
