"""Frames of a video in order, upright, with their times; a damaged file is an error, never an end.

for frame in iter_frames(path):
    frame.index, frame.time_s, frame.image
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.video.container import announced_seconds, frame_rate, open_video, video_stream
from pipeline.video.folder import FOLDER_FPS, folder_images, read_images


class DecodedFrame:
    """One frame; its pixels are converted only when asked for.

    Args:
        index: position in the video, 0-based.
        time_s: seconds since the first frame.
        size: height and width in px, upright.
        convert: makes the picture.
        rotation: degrees counter-clockwise that made it upright.
        mirrored: whether it was mirrored, top to bottom, before it was rotated.
        interlaced: whether it is stored as two fields, which may be of two moments.
    """

    def __init__(
        self,
        index: int,
        time_s: float,
        size: tuple[int, int],
        convert: Callable[[], NDArray[np.uint8]],
        rotation: int = 0,
        mirrored: bool = False,
        interlaced: bool = False,
    ) -> None:
        self.index, self.time_s, self._convert = index, time_s, convert
        self.rotation, self.mirrored, self.interlaced = rotation, mirrored, interlaced
        self.height, self.width = size

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """RGB, uint8 (H, W, 3), upright."""
        return self._convert()


@dataclass
class Damage:
    """What was found wrong on the way, for those who want to count it and go on."""

    bad_packets: int = 0
    last_good: int = -1  # frame before the first damage
    lost_end_s: float = 0.0  # seconds announced beyond the last frame

    @property
    def found(self) -> bool:
        """Whether anything is wrong."""
        return self.bad_packets > 0 or self.lost_end_s > 0

    def __str__(self) -> str:
        told = []
        if self.bad_packets:
            told.append(f"{self.bad_packets} damaged packet(s)")
        if self.lost_end_s:
            told.append(f"{self.lost_end_s:.2f} s missing at its end")
        if not told:
            return "none"
        last = f"its last good frame is {self.last_good}"
        return f"{' and '.join(told)}; {last if self.last_good >= 0 else 'no good frame'}"


def iter_frames(path: Path, damage: Damage | None = None) -> Iterator[DecodedFrame]:
    """Yield every frame of a video file or folder of frames, in order.

    Args:
        path: a video file, or a folder with one picture per frame, sorted naturally.
        damage: if given, damage is counted there instead of raised.

    Raises:
        BackdropError: no readable video; a frame of another size; damaged packets or an end before
            the announced one, named with the last good frame; pictures as `read_images` refuses.
    """
    if path.is_dir():
        yield from _folder_frames(path)
        return
    tally = damage or Damage()
    for frame in _same_size(path, _file_frames(path, tally)):
        if damage is None and tally.found:
            raise damaged(path, tally)
        yield frame
    if damage is None and tally.found:
        raise damaged(path, tally)


def damaged(path: Path, damage: Damage) -> BackdropError:
    """The one line for a damaged or truncated video."""
    return BackdropError(
        f"is damaged or cut short: {damage}",
        where=str(path),
        remedy="copy it again from its source, or keep what can be read by re-encoding it: "
        f"`ffmpeg -err_detect ignore_err -i {path.name} -c:v libx264 -crf 16 mended.mp4`",
    )


def _same_size(path: Path, frames: Iterator[DecodedFrame]) -> Iterator[DecodedFrame]:
    first: DecodedFrame | None = None
    for frame in frames:
        first = first or frame
        if (frame.height, frame.width) != (first.height, first.width):
            raise BackdropError(
                f"changes size at frame {frame.index}: {first.width}x{first.height} before, "
                f"{frame.width}x{frame.height} from there",
                where=str(path),
                remedy="split it there, or re-encode it to one size "
                f"(`ffmpeg -i {path.name} -vf scale={first.width}:{first.height} same.mp4`)",
            )
        yield frame
    if first is None:
        raise BackdropError(
            "holds no frame that can be decoded",
            where=str(path),
            remedy="copy it again from its source, or export it as H.264",
        )


def _file_frames(path: Path, damage: Damage) -> Iterator[DecodedFrame]:
    with open_video(path) as container:
        stream = video_stream(path, container)
        stream.codec_context.thread_count = 1  # the cores are shared out by videos
        rate = frame_rate(container, stream)
        count, first_s, end_s, last_s = 0, 0.0, 0.0, None
        for raw in _decode(container, stream, damage):
            told_s = _told_s(raw, container)
            if told_s is not None:
                last_s = told_s
            elif last_s is not None:
                last_s += 1 / rate
            seconds = count / rate if last_s is None else last_s
            first_s = seconds if count == 0 else first_s
            end_s = seconds + (float(raw.duration * (raw.time_base or 0)) or 1 / rate)
            yield _frame(raw, count, seconds - first_s)
            count += 1
        damage.lost_end_s = _lost_end_s(container, stream, count, end_s, rate)
        if damage.lost_end_s and not damage.bad_packets:
            damage.last_good = count - 1


def _told_s(raw: av.VideoFrame, container: InputContainer) -> float | None:
    """When a frame is shown, as its file says; None where it does not.

    AVI says when packets come, which is not the order of frames that refer to later ones. What is
    decoded by then is shown then, all of it late by the same time.
    """
    if container.format.name != "avi":
        return raw.time
    if raw.dts is None or raw.time_base is None:  # the last ones, which the decoder held back
        return None
    return float(raw.dts * raw.time_base)


def _decode(
    container: InputContainer, stream: VideoStream, damage: Damage
) -> Iterator[av.VideoFrame]:
    """Decode packet by packet: one bad packet must neither end the video nor go unseen."""
    packets, decoded = container.demux(stream), 0
    while True:
        bad, frames, packet = False, list[av.VideoFrame](), None
        try:
            packet = next(packets, None)
            if packet is None:
                return
            bad = packet.is_corrupt
            frames = packet.decode()
        except av.FFmpegError:
            bad = True
        if bad or any(frame.is_corrupt for frame in frames):  # decoded by guessing what was lost
            damage.last_good = damage.last_good if damage.bad_packets else decoded - 1
            damage.bad_packets += 1
        decoded += len(frames)
        yield from frames
        if packet is None:  # the demuxer cannot go on from here
            return


def _frame(raw: av.VideoFrame, index: int, time_s: float) -> DecodedFrame:
    quarter_turns = round(raw.rotation / 90) % 4  # PyAV counts counter-clockwise, as np.rot90 does
    size = (raw.height, raw.width) if quarter_turns % 2 == 0 else (raw.width, raw.height)
    mirrored = _is_mirrored(raw)

    def convert() -> NDArray[np.uint8]:
        image = raw.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
        image = image[::-1] if mirrored else image
        return np.ascontiguousarray(np.rot90(image, quarter_turns))

    interlaced = bool(raw.interlaced_frame)
    return DecodedFrame(index, time_s, size, convert, 90 * quarter_turns, mirrored, interlaced)


def _is_mirrored(raw: av.VideoFrame) -> bool:
    """Whether the display matrix mirrors, too: PyAV tells only where it turns the x axis to."""
    side_data: Mapping[str, Any] = raw.side_data  # PyAV's type knows of motion vectors only
    matrix = side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False
    (a, b, _), (c, d, _), _ = np.frombuffer(matrix, np.int32).reshape(3, 3).tolist()
    return bool(a * d < b * c)  # its determinant is negative


def _lost_end_s(
    container: InputContainer, stream: VideoStream, count: int, end_s: float, rate: float
) -> float:
    """Seconds missing at the end, or 0.

    Where a frame count is announced, both it and the duration must be missed: trimmed videos
    announce frames that are never shown, and a last frame may stand for long.
    """
    announced = announced_seconds(container, stream)
    if announced is None:
        return 0.0
    start_s = float((stream.start_time or 0) * (stream.time_base or 0))
    missing = announced - (end_s - start_s)
    if stream.frames:
        return missing if count < stream.frames and missing > 0.9 / rate else 0.0
    return missing if missing > max(0.5, 5 / rate) else 0.0


def _folder_frames(folder: Path) -> Iterator[DecodedFrame]:
    files = folder_images(folder)
    if not files:
        raise BackdropError("holds no pictures", where=str(folder), remedy="check the path")
    first: tuple[int, ...] = ()
    for index, image in enumerate(read_images(files, folder)):
        height, width = image.shape[:2]
        first = first or image.shape
        if image.shape != first:
            raise BackdropError(
                f"is {width}x{height}, but {files[0].name} is {first[1]}x{first[0]}",
                where=str(files[index]),
                remedy="all frames of a folder must have one size; `predict` takes pictures of "
                "several sizes one by one",
            )
        yield DecodedFrame(index, index / FOLDER_FPS, (height, width), partial(_as_is, image))


def _as_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image
