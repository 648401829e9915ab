"""Open a video file with PyAV; what is not a video is told in one line, each case in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.errors import BackdropError, unreadable
from pipeline.video.folder import FOLDER_FPS

MATROSKA_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # 00:00:02.400000000, if at all
MKVMERGE = "_STATISTICS_TAGS"  # mkvmerge's DURATION is a length, unlike FFmpeg's
MOTION_JPEG = frozenset({".mjpeg", ".mjpg"})
JPEG = b"\xff\xd8"  # first bytes of a picture
BARE_STREAMS = frozenset({"h264", "hevc", "mjpeg", "mpegvideo"})  # FFmpeg's demuxers of them
STILL_IMAGE = "_pipe"  # FFmpeg's demuxers of single pictures: png_pipe, jpeg_pipe, ...


class NotAVideoError(BackdropError):
    """FFmpeg knows no such format."""


@contextmanager
def open_video(path: Path) -> Iterator[InputContainer]:
    """Open `path` for decoding.

    Raises:
        BackdropError: missing, empty, unreadable, cut short beyond use, a picture or no video.
    """
    try:
        empty = path.stat().st_size == 0
        with path.open("rb") as file:
            head = file.read(12)
    except FileNotFoundError as error:
        raise BackdropError("is missing", where=str(path), remedy="check the path") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if empty:
        raise BackdropError("is empty (0 bytes)", where=str(path), remedy="copy it again")
    try:
        # Absolute, because FFmpeg takes the `12` of a relative 12:30.mp4 for a protocol.
        # Large pictures one after the other FFmpeg would take for a single one.
        pictures = path.suffix.lower() in MOTION_JPEG and head.startswith(JPEG)
        container = av.open(str(path.absolute()), format="mjpeg" if pictures else None)
    except av.FFmpegError as error:
        raise _unreadable(path, head) from error
    with container:
        if container.format.name.endswith(STILL_IMAGE) or container.format.name == "image2":
            raise BackdropError(
                "is a single picture, not a video",
                where=str(path),
                remedy="for frames as pictures, give the folder that holds them",
            )
        yield container


def video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The first stream that shows moving pictures.

    Raises:
        BackdropError: the file has sound only (a cover picture does not count), or nothing.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    held = "only sound" if container.streams.audio else "no pictures"
    raise BackdropError(f"holds {held}, no video", where=str(path), remedy="give a video file")


def frame_rate(container: InputContainer, stream: VideoStream) -> float:
    """Frames per second, as far as the file tells; as of a folder of frames where it does not.

    A bare stream, as cameras of single-board computers write it, has no clock. For its average rate
    FFmpeg takes 25, whatever the stream itself states; that it looks at for its guess.
    """
    bare = container.format.name in BARE_STREAMS
    return float((stream.guessed_rate if bare else stream.average_rate) or FOLDER_FPS)


def announced_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """The stream's duration as its file states it, in s; None where it does not.

    It counts from the first frame. The container's own duration is that of the longest stream,
    which may be the sound.
    """
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    late_s = 0.0
    if container.format.name.startswith("matroska"):  # states where it ends, not how long it is
        late_s = float((stream.start_time or 0) * (stream.time_base or 0))
    if stated := MATROSKA_DURATION.fullmatch(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = stated.groups()
        stated_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        return stated_s if MKVMERGE in stream.metadata else stated_s - late_s
    if len(container.streams) == 1 and container.duration is not None:
        return float(container.duration / av.time_base) - late_s
    return None


def count_packets(container: InputContainer, stream: VideoStream) -> int:
    """Packets of the stream up to the first that cannot be read; most often one holds a frame."""
    count = 0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            count += packet.size > 0
    return count


def _unreadable(path: Path, head: bytes) -> BackdropError:
    if head[4:8] == b"ftyp":
        return BackdropError(
            "is cut short or damaged: its index (moov atom), which stands at the end, is missing",
            where=str(path),
            remedy="copy it again from its source; what is left cannot be played",
        )
    return NotAVideoError(
        "is not a video that FFmpeg can read",
        where=str(path),
        remedy="re-encode it (`ffmpeg -i INPUT -c:v libx264 -crf 16 out.mp4`), or take it away",
    )
