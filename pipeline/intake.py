"""Bring a user's videos and their ground truth under `data/raw/NAME/`.

data/raw/NAME/VIDEO.mp4          or VIDEO/ with a picture per frame; hard links where possible
data/raw/NAME/masks/VIDEO/*.png  where ground truth exists; copies, for masks get corrected
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import BackdropError, listed, unreadable
from pipeline.mask_intake import DAVIS_FRAMES, ground_truth_folder, masks_in
from pipeline.placed_masks import only_copies, remember
from pipeline.store.atomic import atomic_folder
from pipeline.video.folder import folder_images
from pipeline.video.sources import MASKS_FOLDER, VIDEO_SUFFIXES, Source, find_videos, readable

RAW_ROOT = Path("data/raw")
DAVIS_RESOLUTION = "480p"
MOST_NAMED = 5  # of videos that would be lost


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


def place(sources: list[Source], root: Path, *, force: bool) -> bool:
    """Make `root` hold exactly these videos and their masks; originals are never changed.

    Videos are added, and masks that `init` copied from files that are still there are replaced or
    removed, without `force`; so are those that were renamed.

    Returns:
        False if it held them already.

    Raises:
        BackdropError: it holds other videos, or masks that may lie nowhere else, and `force` is not
            given; the only copy of one would vanish; a file's suffix is unknown; or it cannot be
            read or written.
    """
    plan = _plan(sources)
    here = root.resolve()
    copied = {
        path: original
        for path, original in plan.items()
        if _is_mask(path) and not original.resolve().is_relative_to(here)
    }
    with readable(root):
        stale = _stale(root, plan)
        if force:
            _keep_only_copies(root, stale, plan)
        else:
            _refuse_loss(root, stale, plan)
        changes = bool(stale) or not all((root / path).is_file() for path in plan)
        wanted = {path: root / path for path in _hidden(root, plan)} | plan
    if changes:
        with atomic_folder(root) as temporary:
            for relative, original in wanted.items():
                (temporary / relative).parent.mkdir(parents=True, exist_ok=True)
                bring = _copy if _is_mask(relative) else _link_or_copy
                bring(original.resolve(), temporary / relative)
    remember(root, copied)
    return changes


def refuse_loss(sources: list[Source], root: Path) -> None:
    """Raise what `place` would raise without `force`, where `root` holds other things."""
    plan = _plan(sources)
    with readable(root):
        _refuse_loss(root, _stale(root, plan), plan)


def linked(root: Path) -> bool:
    """Whether a video below the root is a file that has another name elsewhere."""
    with readable(root):
        return any(
            (root / path).stat().st_nlink > 1 for path in _files_in(root) if not _is_mask(path)
        )


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
        if source.video == MASKS_FOLDER:
            raise BackdropError(
                f"'{MASKS_FOLDER}' is the name of the folder for ground truth",
                where=str(source.path),
                remedy="give the folder that holds the videos, or rename this one",
            )
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


def _is_mask(path: Path) -> bool:
    """Of a path relative to the root."""
    return path.parts[0] == MASKS_FOLDER


def _hidden(root: Path, plan: dict[Path, Path]) -> list[Path]:
    """Hidden files where videos and masks stay: nobody has agreed to lose them."""
    folders = {Path(), *(path.parent for path in plan)}
    return [path for path in _files_in(root) if _is_hidden(path) and path.parent in folders]


def _stale(root: Path, plan: dict[Path, Path]) -> list[Path]:
    """Files below the root that the plan has no place for, or other content."""
    found = [path for path in _files_in(root) if not _is_hidden(path)]
    return [path for path in found if path not in plan or not _is_placed(root, path, plan[path])]


def _is_placed(root: Path, path: Path, original: Path) -> bool:
    """Whether a file has the original's content, and a mask is no link: it may be edited."""
    file = root / path
    is_link = file.samefile(original) and file.resolve() != original.resolve()
    return not (is_link and _is_mask(path)) and filecmp.cmp(file, original, shallow=False)


def _refuse_loss(root: Path, stale: list[Path], plan: dict[Path, Path]) -> None:
    """Raise if what would be lost is more than masks that `init` copied and can copy again."""
    videos = [path for path in stale if not _is_mask(path)]
    changed = [path for path in stale if path in plan]
    coming = {
        path: plan[path]
        for path in plan
        if _is_mask(path) and (path in changed or not (root / path).is_file())
    }
    masks = only_copies(root, filter(_is_mask, stale), coming)
    remedy = (
        "give these another --name, or add --force to replace them; params changed by hand stay"
    )
    names = sorted({path.parts[0] for path in videos})
    held = [f"other videos ({listed(names, MOST_NAMED)})"] if videos else []
    if masks:
        why = "put or changed there by hand, or gone from where `init` took them"
        held.append(f"masks that may lie nowhere else ({masks[0]}: {why})")
        remedy = "save those masks to the folder beside your videos, or add --force to lose them"
    if held:
        raise BackdropError(f"already holds {' and '.join(held)}", where=str(root), remedy=remedy)


def _keep_only_copies(root: Path, others: list[Path], plan: dict[Path, Path]) -> None:
    """Who gives videos that lie in the root itself may have nothing but these files."""
    here = root.resolve()
    if not any(original.resolve().is_relative_to(here) for original in plan.values()):
        return
    alone = only_copies(root, others)
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
        _copy(original, target)


def _copy(original: Path, target: Path) -> None:
    try:
        shutil.copyfile(original, target)
    except PermissionError as error:  # the target lies in a folder that we have just made
        raise unreadable(original, error) from error
