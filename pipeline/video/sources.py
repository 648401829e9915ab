"""Find videos among files and folders, and give each a name that is safe as a file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BackdropError
from pipeline.video.folder import folder_images, natural_key

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".flv", ".3gp", ".ogv", ".gif", ".vob", ".mxf", ".asf"}
)
MASKS_FOLDER = "masks"  # ground truth beside the videos: ROOT/masks/VIDEO/*.png


@dataclass(frozen=True)
class Source:
    """A video file or a folder of frames, and its name in all artifacts."""

    video: str
    path: Path


def video_name(path: Path) -> str:
    """Name of a video after its file or folder: letters, digits, `_`, `-` and `.` only.

    Letters of any script, composed alike: file systems differ in how they spell an accent.
    """
    stem = path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name
    composed = unicodedata.normalize("NFC", stem)
    return re.sub(r"[^\w.-]+", "_", composed).strip("_.") or "video"


def find_videos(paths: Iterable[Path]) -> list[Source]:
    """Videos in files, folders of videos and folders of frames; naturally sorted by name.

    A file that is named itself is taken whatever its suffix; inside a folder only known suffixes
    count, hidden files and the folder `masks` do not. A link that leads nowhere is a missing video.

    Raises:
        BackdropError: a path is missing, a folder holds no video, or pictures both in itself and in
            folders, or two videos have one name.
    """
    found: dict[str, Path] = {}
    for path in (video for given in paths for video in _videos_at(given)):
        name = video_name(path)
        other = found.setdefault(name, path)
        if other.absolute() != path.absolute():
            raise BackdropError(
                f"and {path} are two videos of the same name '{name}'",
                where=str(other),
                remedy="rename one of them",
            )
    return [Source(name, found[name]) for name in sorted(found, key=natural_key)]


def _videos_at(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise BackdropError("is missing", where=str(path), remedy="check the path")
    if not path.is_dir():
        yield path
        return
    inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    for entry in inside:
        if entry.is_symlink() and not entry.exists() and entry.suffix.lower() in VIDEO_SUFFIXES:
            raise BackdropError(
                f"is a link to {entry.readlink()}, which is missing",
                where=str(entry),
                remedy="mend or remove the link",
            )
    videos = [
        entry
        for entry in inside
        if (entry.is_file() and entry.suffix.lower() in VIDEO_SUFFIXES)
        or (entry.is_dir() and entry.name != MASKS_FOLDER and folder_images(entry))
    ]
    frames = folder_images(path)
    if not videos and frames:
        videos = [path]
    elif len(frames) > 1 and all(video.is_dir() for video in videos):
        raise BackdropError(
            f"holds {len(frames)} pictures and, in '{videos[0].name}', more of them: which are the "
            "video's frames?",
            where=str(path),
            remedy="move one or the other elsewhere",
        )
    if not videos:
        raise BackdropError(
            "holds no video and no pictures",
            where=str(path),
            remedy=f"known video suffixes are {' '.join(sorted(VIDEO_SUFFIXES))}",
        )
    yield from videos
