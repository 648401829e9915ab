"""What a video is, found by decoding all of it: headers announce what may not be there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.video.container import (
    announced_seconds,
    count_packets,
    frame_rate,
    open_video,
    video_stream,
)
from pipeline.video.decode import Damage, DecodedFrame, damaged, iter_frames
from pipeline.video.folder import FOLDER_FPS, folder_images


@dataclass(frozen=True)
class VideoInfo:
    """A video after decoding it once.

    Sizes in px, upright. `announced_frames` is None where the file does not say. `fps` is the
    average. `pixel_aspect` is the width of a pixel over its height, as shown upright. `interlaced`:
    most frames are.
    """

    path: Path
    codec: str
    width: int
    height: int
    frames: int
    announced_frames: int | None
    fps: float
    constant_rate: bool
    rotation: int
    mirrored: bool
    interlaced: bool
    pixel_aspect: float
    duration_s: float
    damage: Damage

    def require_whole(self) -> None:
        """Raise `BackdropError` if packets are damaged or the end is missing."""
        if self.damage.found:
            raise damaged(self.path, self.damage)


@dataclass(frozen=True)
class Header:
    """What a video announces, before anything is decoded.

    A file that states neither frames nor a duration (a browser's recording, a raw stream) has its
    packets counted for the latter.
    """

    codec: str
    announced_frames: int | None
    duration_s: float
    fps: float
    pixel_aspect: float

    @property
    def expected_frames(self) -> int:
        """Best guess of the number of frames."""
        return self.announced_frames or max(1, round(self.duration_s * self.fps))

    def upright_aspect(self, rotation: int) -> float:
        """`pixel_aspect` of frames that were turned by `rotation` degrees."""
        return 1 / self.pixel_aspect if rotation % 180 else self.pixel_aspect


class Clock:
    """Frame times as they pass: average rate, and whether it is constant."""

    def __init__(self) -> None:
        self.count, self.last_s = 0, 0.0
        self.shortest_s, self.longest_s = float("inf"), 0.0

    def tick(self, frame: DecodedFrame) -> None:
        """Take note of one frame."""
        if self.count:
            interval = frame.time_s - self.last_s
            self.shortest_s = min(self.shortest_s, interval)
            self.longest_s = max(self.longest_s, interval)
        self.count, self.last_s = self.count + 1, frame.time_s

    @property
    def fps(self) -> float | None:
        """Frames per second on average; None with fewer than two frames."""
        return (self.count - 1) / self.last_s if self.last_s > 0 else None

    @property
    def constant(self) -> bool:
        """Intervals differ by no more than a tenth and what a millisecond clock rounds away."""
        mean_s = self.last_s / max(self.count - 1, 1)
        return self.longest_s - self.shortest_s <= max(0.1 * mean_s, 0.0021)


def read_header(path: Path) -> Header:
    """What the file announces.

    Raises:
        BackdropError: there is no readable video at `path`.
    """
    if path.is_dir():
        count = len(folder_images(path))
        return Header("pictures", count, count / FOLDER_FPS, FOLDER_FPS, 1.0)
    with open_video(path) as container:
        stream = video_stream(path, container)
        fps = frame_rate(container, stream)
        duration_s = announced_seconds(container, stream)
        if not duration_s and not stream.frames:
            duration_s = count_packets(container, stream) / fps
        return Header(
            codec=stream.codec_context.codec.name,
            announced_frames=stream.frames or None,
            duration_s=duration_s or 0.0,
            fps=fps,
            pixel_aspect=float(stream.sample_aspect_ratio or 1),
        )


def probe_video(path: Path, visit: Callable[[DecodedFrame], None] | None = None) -> VideoInfo:
    """Decode all of `path` and describe it; damage is told, not raised.

    Args:
        path: a video file or a folder of frames.
        visit: is shown every frame on the way.

    Raises:
        BackdropError: no readable video, no frame, or a frame of another size.
    """
    header, clock, damage, fields = read_header(path), Clock(), Damage(), 0
    for frame in iter_frames(path, damage):
        clock.tick(frame)
        fields += frame.interlaced
        if visit:
            visit(frame)
    fps = clock.fps or header.fps
    return VideoInfo(
        path=path,
        codec=header.codec,
        width=frame.width,
        height=frame.height,
        frames=clock.count,
        announced_frames=header.announced_frames,
        fps=fps,
        constant_rate=clock.constant,
        rotation=frame.rotation,
        mirrored=frame.mirrored,
        interlaced=fields > clock.count / 2,
        pixel_aspect=header.upright_aspect(frame.rotation),
        duration_s=clock.count / fps,
        damage=damage,
    )
