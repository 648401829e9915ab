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

from pipeline.errors import BackdropError, unreadable
from pipeline.mask_intake import DAVIS_FRAMES, ground_truth_folder, masks_in
from pipeline.store.atomic import atomic_folder
from pipeline.video.folder import folder_images
from pipeline.video.sources import MASKS_FOLDER, VIDEO_SUFFIXES, Source, find_videos, readable

RAW_ROOT = Path("data/raw")
DAVIS_RESOLUTION = "480p"


def collect(paths: Iterable[Path]) -> list[Source]:
    """The videos in files, folders of videos, folders of frames, and copies of DAVIS.

    Raises:
        BackdropError: as `find_videos`.
    """
    return find_videos([_below_davis(path) for path in paths])


def data_name(paths: list[Path]) -> str:
    """A name for a data set: that of its one path, or of the folder that holds its first."""
    path = paths[0].absolute() if len(paths) == 1 else paths[0].absolute().parent
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.stem if path.is_file() else path.name)
    return name.lstrip("_.-") or "videos"


def only_adds(sources: list[Source], root: Path) -> bool:
    """Whether `root` holds some of these videos and their masks, and nothing else.

    Raises:
        BackdropError: a file cannot be read, or its suffix is unknown.
    """
    plan = _plan(sources)
    with readable(root):
        held = _held(root, plan)
        return 0 < len(held) < len(plan) and _same(root, held, plan) and not _others(root, plan)


def place(sources: list[Source], root: Path, *, force: bool) -> bool:
    """Make `root` hold exactly these videos and their masks; originals are never changed.

    Where it holds some of them and nothing else, the rest is added.

    Returns:
        False if it held them already.

    Raises:
        BackdropError: it holds others and `force` is not given; the only copy of one would vanish;
            a file's suffix is unknown; or it cannot be read or written.
    """
    plan = _plan(sources)
    wanted = plan
    with readable(root):
        held, others = _held(root, plan), _others(root, plan)
        if not others and _same(root, held, plan):
            if len(held) == len(plan):
                return False
            # Hidden files were not looked at: nobody has agreed to lose them.
            wanted = plan | {path: root / path for path in _files_in(root) if _is_hidden(path)}
        elif not force:
            raise BackdropError(
                "already holds other videos" + (f" ({others[0]})" if others else ""),
                where=str(root),
                remedy="give these another --name, or add --force to replace them",
            )
        else:
            _keep_only_copies(root, others, plan)
    with atomic_folder(root) as temporary:
        for relative, original in wanted.items():
            (temporary / relative).parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(original.resolve(), temporary / relative)
    return True


def _below_davis(path: Path) -> Path:
    frames = path / DAVIS_FRAMES
    try:
        if not frames.is_dir():
            return path
        return frames / DAVIS_RESOLUTION if (frames / DAVIS_RESOLUTION).is_dir() else frames
    except OSError:
        return path  # `find_videos` tells what is wrong with it


def _plan(sources: list[Source]) -> dict[Path, Path]:
    """For each file below the root, the original."""
    return dict(entry for source in sources for entry in _files(source))


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
        for mask in masks_in(masks):
            yield Path(MASKS_FOLDER, source.video, mask.name), mask


def _files_in(root: Path) -> list[Path]:
    """All files below the root, relative to it; none where there is no root yet."""

    def refuse(error: OSError) -> None:
        raise error

    found = os.walk(root, onerror=refuse) if root.exists() else ()
    return sorted(Path(at, name).relative_to(root) for at, _, names in found for name in names)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _held(root: Path, plan: dict[Path, Path]) -> list[Path]:
    """Files of the plan that lie below the root, whatever is in them."""
    return [path for path in plan if (root / path).is_file()]


def _others(root: Path, plan: dict[Path, Path]) -> list[Path]:
    """Files below the root that the plan has no place for; hidden ones do not count."""
    return [path for path in _files_in(root) if path not in plan and not _is_hidden(path)]


def _same(root: Path, held: list[Path], plan: dict[Path, Path]) -> bool:
    """Whether these files have the content that the plan has for them."""
    return all(filecmp.cmp(root / path, plan[path], shallow=False) for path in held)


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
        try:
            shutil.copyfile(original, target)
        except PermissionError as error:  # the target lies in a folder that we have just made
            raise unreadable(original, error) from error
