"""Bring a user's videos and their ground truth under `data/raw/NAME/`, as links where possible.

data/raw/NAME/VIDEO.mp4          or VIDEO/ with a picture per frame
data/raw/NAME/masks/VIDEO/*.png  where ground truth exists
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import BackdropError
from pipeline.store.atomic import atomic_folder
from pipeline.video.folder import folder_images
from pipeline.video.sources import MASKS_FOLDER, VIDEO_SUFFIXES, Source, find_videos

RAW_ROOT = Path("data/raw")
DAVIS_FRAMES, DAVIS_MASKS, DAVIS_RESOLUTION = "JPEGImages", "Annotations", "480p"


def collect(paths: Iterable[Path]) -> list[Source]:
    """The videos in files, folders of videos, folders of frames, and copies of DAVIS.

    Raises:
        BackdropError: as `find_videos`.
    """
    return find_videos(_below_davis(path) for path in paths)


def data_name(paths: list[Path]) -> str:
    """A name for a data set: that of its one path, or of the folder that holds its first."""
    path = paths[0].absolute() if len(paths) == 1 else paths[0].absolute().parent
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.stem if path.is_file() else path.name)
    return name.lstrip("_.-") or "videos"


def ground_truth_folder(source: Source) -> Path | None:
    """Where the masks of a video lie, if anywhere: beside DAVIS's frames, or in `masks/VIDEO`.

    VIDEO is the video's own name, or that which it gets (`find_videos`).
    """
    own = source.path.name if source.path.is_dir() else source.path.stem
    candidates = [source.path.parent / MASKS_FOLDER / name for name in (source.video, own)]
    parts = list(source.path.absolute().parts)
    if DAVIS_FRAMES in parts:
        at = len(parts) - 1 - parts[::-1].index(DAVIS_FRAMES)
        candidates.insert(0, Path(*parts[:at], DAVIS_MASKS, *parts[at + 1 :]))
    return next((folder for folder in candidates if any(folder.glob("*.png"))), None)


def place(sources: list[Source], root: Path, *, force: bool) -> bool:
    """Make `root` hold exactly these videos and their masks; originals are never changed.

    Returns:
        False if it held them already.

    Raises:
        BackdropError: it holds others and `force` is not given; the only copy of one would vanish;
            a file's suffix is unknown; or it cannot be written.
    """
    plan = dict(entry for source in sources for entry in _files(source))
    if root.exists():
        others = _others(root, plan)
        if not others and _holds(root, plan):
            return False
        if not force:
            raise BackdropError(
                "already holds other videos" + (f" ({others[0]})" if others else ""),
                where=str(root),
                remedy="give these another --name, or add --force to replace them",
            )
        _keep_only_copies(root, others, plan)
    with atomic_folder(root) as temporary:
        for relative, original in plan.items():
            (temporary / relative).parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(original.resolve(), temporary / relative)
    return True


def _below_davis(path: Path) -> Path:
    frames = path / DAVIS_FRAMES
    if not frames.is_dir():
        return path
    return frames / DAVIS_RESOLUTION if (frames / DAVIS_RESOLUTION).is_dir() else frames


def _files(source: Source) -> Iterator[tuple[Path, Path]]:
    """Where each file of a video goes, relative to the root, and where it is now."""
    if source.path.is_dir():
        for image in folder_images(source.path):
            yield Path(source.video, image.name), image
    else:
        if source.path.suffix.lower() not in VIDEO_SUFFIXES:
            raise BackdropError(
                f"'{source.path.suffix}' is not known as a video's suffix",
                where=str(source.path),
                remedy="rename it, to .mkv say: what is in a file is told by its content",
            )
        yield Path(source.video + source.path.suffix), source.path
    masks = ground_truth_folder(source)
    if masks:
        for mask in sorted(masks.glob("*.png")):
            yield Path(MASKS_FOLDER, source.video, mask.name), mask


def _others(root: Path, plan: dict[Path, Path]) -> list[Path]:
    """Files below the root that the plan has no place for; hidden ones do not count."""
    present = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path for path in present if path not in plan and not path.name.startswith("."))


def _holds(root: Path, plan: dict[Path, Path]) -> bool:
    return all(
        (root / relative).is_file() and filecmp.cmp(root / relative, original, shallow=False)
        for relative, original in plan.items()
    )


def _keep_only_copies(root: Path, others: list[Path], plan: dict[Path, Path]) -> None:
    """Who gives videos that lie in the root itself may have nothing but these files."""
    here = root.resolve()
    if not any(original.resolve().is_relative_to(here) for original in plan.values()):
        return
    alone = [path for path in others if (root / path).stat().st_nlink == 1]
    if alone:
        raise BackdropError(
            f"would lose {len(alone)} file(s) that may have no other copy, {alone[0]} the first",
            where=str(root),
            remedy="move them elsewhere, then run this again",
        )


def _link_or_copy(original: Path, target: Path) -> None:
    """A hard link costs no space; another file system, or one without links, gets a copy."""
    try:
        os.link(original, target)
    except OSError:
        shutil.copyfile(original, target)
