"""Find the ground truth of a user's videos, and say what of it cannot be used.

masks/VIDEO/*.png                       beside the videos
Annotations/[480p/]VIDEO/*.png          beside JPEGImages/, as in DAVIS
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.errors import did_you_mean, listed
from pipeline.video.folder import IMAGE_SUFFIXES, folder_images
from pipeline.video.sources import DAVIS_MASKS, MASKS_FOLDER, Source, video_name

DAVIS_FRAMES = "JPEGImages"
SUFFIX = ".png"  # in any case
SHOWN = 3  # file names in a warning

log = logging.getLogger("backdrop")


def ground_truth_folder(source: Source) -> Path | None:
    """Where the masks of a video lie, if anywhere: beside DAVIS's frames, or in `masks/VIDEO`.

    VIDEO is the video's own name, with or without its suffix, or the one it gets (`find_videos`).
    """
    candidates = [source.path.parent / MASKS_FOLDER / name for name in _names(source)]
    davis = _davis_masks(source.path)
    if davis:
        candidates.insert(0, davis)
    return next((folder for folder in candidates if masks_in(folder)), None)


def masks_in(folder: Path) -> list[Path]:
    """The masks in a folder; none where there is no folder, or it cannot be read."""
    try:
        return [file for file in folder_images(folder) if file.suffix.lower() == SUFFIX]
    except OSError:
        return []


def warn_of_unused_masks(sources: Iterable[Source]) -> None:
    """A line for each folder of masks that fits no video, and for what is no mask in the others."""
    together: dict[Path, list[Source]] = {}
    for source in sources:
        together.setdefault(source.path.parent, []).append(source)
    for parent, group in together.items():
        for root in filter(None, (parent / MASKS_FOLDER, _davis_masks(parent))):
            for line in _unused(root, parent, group):
                log.warning("%s", line)


def _names(source: Source) -> tuple[str, str, str]:
    path = source.path
    return source.video, path.name if path.is_dir() else path.stem, path.name


def _davis_masks(frames: Path) -> Path | None:
    """What `Annotations/` has for a path in `JPEGImages/`."""
    parts = list(frames.absolute().parts)
    if DAVIS_FRAMES not in parts:
        return None
    at = len(parts) - 1 - parts[::-1].index(DAVIS_FRAMES)
    return Path(*parts[:at], DAVIS_MASKS, *parts[at + 1 :])


def _unused(root: Path, parent: Path, sources: Sequence[Source]) -> Iterator[str]:
    """What of the masks in `root` is left out, of videos that lie in `parent`."""
    given = {name: source for source in sources for name in reversed(_names(source))}
    try:
        inside = _visible(root)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield _cannot_be_read(root, error)
        return
    if any(file.suffix.lower() in IMAGE_SUFFIXES for file in inside):
        yield f"{root}: pictures in it are left out — masks are taken from {root / 'VIDEO'}"
    others = _all_names(parent)  # videos that were not given: their masks are not missed
    for folder in inside:
        if folder.name in given:
            taken = ground_truth_folder(given[folder.name])
            if taken and taken != folder and masks_in(folder):
                yield f"{folder}: left out, because masks are taken from {taken} — remove one"
            else:
                yield from _no_masks(folder)
        elif folder.name not in others and folder.is_dir():
            remedy = did_you_mean(folder.name, {source.video for source in sources})
            yield f"{folder}: left out, because no video has this name — {remedy}"


def _no_masks(folder: Path) -> Iterator[str]:
    """What is wrong with a folder whose name fits."""
    try:
        inside = _visible(folder)
    except OSError as error:
        yield _cannot_be_read(folder, error)
        return
    wrong = [file.name for file in inside if file.suffix.lower() != SUFFIX]
    if wrong:
        count = f"{len(wrong)} of {len(inside)} files are left out"
        names = listed(wrong, SHOWN)
        yield f"{folder}: {count}, because they are no .png: {names} — save masks as PNG"
    elif not inside:
        yield f"{folder}: is empty, so its video has no masks"


def _cannot_be_read(folder: Path, error: OSError) -> str:
    return f"{folder}: left out, because it cannot be read ({error.strerror})"


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _all_names(folder: Path) -> set[str]:
    """Of the videos in a folder, as far as it can be read."""
    try:
        inside = _visible(folder)
    except OSError:
        return set()
    return {name for entry in inside for name in (video_name(entry), entry.stem, entry.name)}
