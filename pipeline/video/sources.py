"""Find videos among files and folders, and give each a name that is safe as a file name."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BackdropError, listed, unreadable
from pipeline.video.folder import folder_images, natural_key

log = logging.getLogger("backdrop")

BARE_SUFFIXES = frozenset({".h264", ".h265", ".hevc", ".mjpeg", ".mjpg", ".m2v"})
VIDEO_SUFFIXES = BARE_SUFFIXES | frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".flv", ".3gp", ".ogv", ".gif", ".vob", ".mxf", ".asf", ".y4m"}
)
MASKS_FOLDER = "masks"  # ground truth beside the videos: ROOT/masks/VIDEO/*.png
DAVIS_MASKS = "Annotations"  # likewise, beside DAVIS's JPEGImages
MOST_NAMED = 6  # folders in a line


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
    count, hidden files, the folder `masks` and a bare stream beside a video of its name do not. A
    link that leads nowhere is a missing video. Folders in a folder are not searched: a warning
    names those that hold videos, and those that cannot be read. Another tells of pictures that by
    their folder's name are masks.

    Raises:
        BackdropError: a path is missing or cannot be read, a folder holds no video, or pictures
            both in itself and in folders or beside video files, or two pictures of one name, or two
            videos have one name.
    """
    found: dict[str, Path] = {}
    unsearched: list[Path] = []
    for given in paths:
        with readable(given):
            videos, passed_over = _videos_at(given)
        unsearched += passed_over
        _tell_masks(given, videos)
        for path in videos:
            name = video_name(path)
            other = found.setdefault(name, path)
            if other.absolute() != path.absolute():
                raise BackdropError(
                    f"and {path} are two videos of the same name '{name}'",
                    where=str(other),
                    remedy="rename one of them",
                )
    _tell_unsearched(unsearched, found.values())
    return [Source(name, found[name]) for name in sorted(found, key=natural_key)]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What the system refuses inside is a `BackdropError`; it names `path`, or what lies in it."""
    try:
        yield
    except OSError as error:
        raise unreadable(Path(error.filename or path), error) from error


@dataclass(frozen=True)
class _Contents:
    """What lies in a folder itself."""

    folder: Path
    pictures: list[Path]
    files: list[Path]  # videos
    folders: list[Path]

    def are_frames(self) -> bool:
        """Whether the pictures make the folder a video.

        Beside video files one picture is a cover, and pictures of the files' names are thumbnails.
        """
        names = {name for file in self.files for name in (file.stem, file.name)}
        if len(self.pictures) > 1 and names and any(p.stem not in names for p in self.pictures):
            raise BackdropError(
                f"holds {len(self.pictures)} pictures and '{self.files[0].name}': are the pictures "
                "a video's frames?",
                where=str(self.folder),
                remedy="move one or the other elsewhere",
            )
        frames = bool(self.pictures) and not self.files
        if frames:
            self._refuse_two_of_one_name()
        return frames

    def _refuse_two_of_one_name(self) -> None:
        """Data sets keep masks beside frames, 7.png by 7.jpg: they are no frames of the video."""
        seen: dict[str, Path] = {}
        for picture in self.pictures:
            other = seen.setdefault(picture.stem, picture)
            if other is not picture:
                raise BackdropError(
                    f"holds both '{other.name}' and '{picture.name}': is one of them a mask?",
                    where=str(self.folder),
                    remedy="leave one picture per frame there",
                )


def _look(folder: Path) -> _Contents:
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return _Contents(
        folder,
        folder_images(folder),
        [entry for entry in visible if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()],
        [entry for entry in visible if entry.name != MASKS_FOLDER and _is_folder(entry)],
    )


def _is_folder(entry: Path) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if not entry.is_symlink():
            raise
        _tell_left_out(entry, error)
        return False


def _videos_at(path: Path) -> tuple[list[Path], list[Path]]:
    """The videos at `path`, and the folders in it that hold others; raises OSError, too."""
    if not path.exists():
        raise BackdropError("is missing", where=str(path), remedy="check the path")
    if not path.is_dir():
        return [path], []
    _refuse_lost_links(path)
    here = _look(path)
    frame_folders, unsearched = _sort_out(here.folders)
    frames = here.are_frames()
    if frames and len(here.pictures) > 1 and frame_folders:
        raise BackdropError(
            f"holds {len(here.pictures)} pictures and, in '{frame_folders[0].name}', more of "
            "them: which are the video's frames?",
            where=str(path),
            remedy="move one or the other elsewhere",
        )
    videos = [*_without_twins(here.files), *frame_folders] or ([path] if frames else [])
    if not videos:
        raise _nothing_at(path, unsearched)
    return videos, unsearched


def _without_twins(files: Sequence[Path]) -> list[Path]:
    """Files but for bare streams beside the container that they were put into: one video each."""
    held = {file.stem: file for file in files if file.suffix.lower() not in BARE_SUFFIXES}
    kept = []
    for file in files:
        other = held.get(file.stem, file)
        if file.suffix.lower() in BARE_SUFFIXES and other != file:
            log.warning("%s: left out: %s has the same name", file, other.name)
        else:
            kept.append(file)
    return kept


def _refuse_lost_links(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if entry.is_symlink() and not entry.exists():
            raise BackdropError(
                f"is a link to {entry.readlink()}, which is missing",
                where=str(entry),
                remedy="mend or remove the link",
            )


def _sort_out(folders: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Of some folders those that are videos, and those that hold videos."""
    videos, holders = [], []
    for folder in folders:
        try:
            inside = _look(folder)
        except OSError as error:
            _tell_left_out(folder, error)
            continue
        if inside.are_frames():
            videos.append(folder)
        elif inside.files or any(_holds_some(below) for below in inside.folders):
            holders.append(folder)
    return videos, holders


def _holds_some(folder: Path) -> bool:
    """Videos or pictures, as far as it can be read."""
    try:
        inside = _look(folder)
    except OSError:
        return False
    return bool(inside.files or inside.pictures)


def _nothing_at(path: Path, unsearched: Sequence[Path]) -> BackdropError:
    what = "holds no video and no pictures"
    if unsearched:
        return BackdropError(
            f"{what} itself, but its folders do: {_names(unsearched)}",
            where=str(path),
            remedy="these are not searched: give them instead",
        )
    remedy = f"known video suffixes are {' '.join(sorted(VIDEO_SUFFIXES))}"
    return BackdropError(what, where=str(path), remedy=remedy)


def _tell_unsearched(folders: Iterable[Path], videos: Iterable[Path]) -> None:
    """Unless a video in it was given by another path."""
    taken = {parent for video in videos for parent in video.resolve().parents}
    by_parent: dict[Path, list[Path]] = {}
    for folder in folders:
        if folder.resolve() not in taken:
            by_parent.setdefault(folder.parent, []).append(folder)
    for parent, left in by_parent.items():
        told = "%s: folders in it that hold videos or pictures are left out: %s — give them, too"
        log.warning(told, parent, _names(left))


def _tell_masks(given: Path, videos: Iterable[Path]) -> None:
    """Ground truth is easily given for videos: it lies beside them, as folders of pictures."""
    around = given.absolute().parts[-3:]
    name = next((name for name in (MASKS_FOLDER, DAVIS_MASKS) if name in around), None)
    if name and any(video.is_dir() for video in videos):
        told = "%s: its pictures are taken for videos, but '%s' holds masks — give the videos"
        log.warning(told, given, name)


def _tell_left_out(path: Path, error: OSError) -> None:
    log.warning("%s: left out, because it cannot be read (%s)", path, error.strerror)


def _names(folders: Sequence[Path]) -> str:
    return listed(sorted((folder.name for folder in folders), key=natural_key), MOST_NAMED)
