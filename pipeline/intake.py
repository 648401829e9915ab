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
from pipeline.video.sources import MASKS_FOLDER, Source, find_videos

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
    """Where the masks of a video lie, if anywhere: beside DAVIS's frames, or in `masks/VIDEO`."""
    candidates = [source.path.parent / MASKS_FOLDER / source.video]
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
        BackdropError: it holds others and `force` is not given, or it cannot be written.
    """
    plan = dict(entry for source in sources for entry in _files(source))
    if root.exists():
        if _holds(root, plan):
            return False
        if not force:
            raise BackdropError(
                "already holds other videos",
                where=str(root),
                remedy="give these another --name, or add --force to replace them",
            )
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
        yield Path(source.video + source.path.suffix), source.path
    masks = ground_truth_folder(source)
    if masks:
        for mask in sorted(masks.glob("*.png")):
            yield Path(MASKS_FOLDER, source.video, mask.name), mask


def _holds(root: Path, plan: dict[Path, Path]) -> bool:
    present = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    return present == plan.keys() and all(
        filecmp.cmp(root / relative, original, shallow=False) for relative, original in plan.items()
    )


def _link_or_copy(original: Path, target: Path) -> None:
    """A hard link costs no space; another file system, or one without links, gets a copy."""
    try:
        os.link(original, target)
    except OSError:
        shutil.copyfile(original, target)
