"""What to predict: video files, folders of them or of frames, and single pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.errors import BackdropError
from pipeline.params.data import ExtractFrames
from pipeline.video.decode import DecodedFrame, iter_frames
from pipeline.video.folder import FOLDER_FPS, IMAGE_SUFFIXES, folder_images, read_image
from pipeline.video.probe import Header, read_header
from pipeline.video.resize import Framing, plan
from pipeline.video.sources import Source, find_videos, video_name

PICTURE = Header("picture", 1, 0.0, FOLDER_FPS, 1.0)


@dataclass(frozen=True)
class Input:
    """One video or picture, looked at.

    Attributes:
        name: of its results.
        path: file, or folder of frames.
        stride: every `stride`-th frame is taken, from the first.
        frames: about how many it has in all.
        fps: of it, on average.
        height, width: px, upright.
        pixel_aspect: width of a pixel over its height, upright.
        framing: from its frames to the size that the networks are given.
    """

    name: str
    path: Path
    stride: int
    frames: int
    fps: float
    height: int
    width: int
    pixel_aspect: float
    framing: Framing

    @property
    def is_picture(self) -> bool:
        """Whether it is a single picture; as such it has no time."""
        return is_picture(self.path)

    def picture_files(self) -> list[str]:
        """Name of each frame's picture, whether the frame is taken or not; of a video, nothing."""
        if self.is_picture:
            return [self.path.name]
        return [file.name for file in folder_images(self.path)] if self.path.is_dir() else []

    def decode(self) -> Iterator[DecodedFrame]:
        """The frames taken, in order. All are decoded, so that damage is seen wherever it is.

        Raises:
            BackdropError: damaged, or frames of several sizes.
        """
        yield from islice(_frames(self.path), 0, None, self.stride)


def find_inputs(paths: Sequence[Path], params: ExtractFrames, stride: int) -> list[Input]:
    """The videos and pictures at `paths`, by name, each with its first frame decoded.

    Raises:
        BackdropError: some are missing or neither a video nor a picture, or two have one name.
    """
    pictures = [path for path in paths if is_picture(path)]
    videos = find_videos([path for path in paths if not is_picture(path)])
    found: dict[str, Path] = {}
    named = [Source(video_name(path.with_suffix("")), path) for path in pictures]
    for source in [*videos, *named]:
        other = found.setdefault(source.video, source.path)
        if other.absolute() != source.path.absolute():
            raise BackdropError(
                f"and {source.path} would both be written to '{source.video}'",
                where=str(other),
                remedy="rename one of them, or predict them into folders of their own",
            )
    looked_at, unusable = [], []
    for name, path in found.items():
        try:
            looked_at.append(_look_at(name, path, params, stride))
        except BackdropError as error:
            unusable.append(error)
    if unusable:
        raise _of_several(unusable)
    return looked_at


def _of_several(errors: Sequence[BackdropError]) -> BackdropError:
    """The first, with what is wrong with the others."""
    first = errors[0]
    others = "; ".join(f"{error.where} {error.what}" for error in errors[1:])
    what = f"{first.what} (and {others})" if others else first.what
    return BackdropError(what, where=first.where, remedy=first.remedy)


def is_picture(path: Path) -> bool:
    """Whether a path is named as a picture is."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def _look_at(name: str, path: Path, params: ExtractFrames, stride: int) -> Input:
    header = PICTURE if is_picture(path) else read_header(path)
    first = next(_frames(path))
    aspect = header.upright_aspect(first.rotation)
    return Input(
        name=name,
        path=path,
        stride=stride,
        frames=header.expected_frames,
        fps=header.fps,
        height=first.height,
        width=first.width,
        pixel_aspect=aspect,
        framing=plan(path, first.width, first.height, aspect, params.longest_side, params.crop),
    )


def _frames(path: Path) -> Iterator[DecodedFrame]:
    if not is_picture(path):
        yield from iter_frames(path)
        return
    image = read_image(path)
    yield DecodedFrame(0, 0.0, (image.shape[0], image.shape[1]), lambda: image)
