"""Tiny videos for tests: written with PyAV, so that what is read back has an outside author."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

CODECS = {
    ".avi": "mpeg4",
    ".h265": "libx265",
    ".mjpeg": "mjpeg",
    ".m2v": "mpeg2video",
    ".y4m": "rawvideo",
}


def texture(height: int, width: int, seed: int = 0) -> Image:
    """Natural-looking colours: noise at several scales."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for scale in (4, 12, 40):
        small = rng.uniform(0, 1, (height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(255 * (total / 3 - 0.2) / 0.6, 0, 255).astype(np.uint8)


def numbered(count: int, height: int = 48, width: int = 64) -> list[Image]:
    """Frames that tell their number by their brightness: frame n is grey at 40 + 5 n."""
    return [np.full((height, width, 3), 40 + 5 * n, np.uint8) for n in range(count)]


def number_of(image: Image) -> int:
    """The number of a frame of `numbered`."""
    return round((float(image.mean()) - 40) / 5)


def write_video(
    path: Path,
    images: Iterable[Image],
    fps: int = 25,
    ticks: Sequence[int] | None = None,
    faststart: bool = False,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """Write RGB frames; `ticks` are presentation times in ms, for a variable rate."""
    codec = CODECS.get(path.suffix, "libx264")
    options = {"movflags": "faststart"} if faststart else {}
    muxer = "hevc" if path.suffix == ".h265" else None  # FFmpeg writes that under .hevc alone
    with av.open(str(path), "w", muxer, container_options=options) as container:
        stream = container.add_stream(codec, rate=fps, options={"threads": "1"})
        if codec == "libx264":
            stream.codec_context.options = {"crf": "10", "threads": "1"}
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 8_000_000
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if ticks:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, image in enumerate(images):
            if index == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if ticks:
                frame.pts, frame.time_base = ticks[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def copy_packets(source: Path, target: Path, live: bool) -> Path:
    """The same packets in another container; a live one states no duration."""
    container = {".webm": "matroska", ".h264": "h264"}[target.suffix]
    options = {"live": "1"} if live else {}
    with (
        av.open(str(source)) as old,
        av.open(str(target), "w", format=container, container_options=options) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return target


def rotate_header(path: Path, matrix: Sequence[int] = (0, 1, -1, 0)) -> None:
    """Make players turn an mp4, by a quarter unless told otherwise: rewrite its track header.

    Of `matrix` (a, b, c, d), each 0, 1 or -1, what is at (x, y) goes to (ax + cy, bx + dy).
    """
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (entry << 16 for entry in matrix)
    entries = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    data[start : start + 36] = b"".join(entry.to_bytes(4, "big", signed=True) for entry in entries)
    path.write_bytes(data)


def write_sound(path: Path) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_pictures(folder: Path, images: Iterable[Image], suffix: str = ".png") -> Path:
    """A folder of frames 0.png, 1.png, ... 10.png: their order is not that of their letters."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index}{suffix}"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def cut_file(path: Path, share: float) -> Path:
    """Keep the first `share` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def walker(count: int, shift: int = 0, height: int = 144, width: int = 192) -> list[Image]:
    """A textured square that crosses a textured scene; the camera pans `shift` px a frame."""
    scene = texture(height, width + abs(shift) * count + 8, seed=1)
    subject = 255 - texture(36, 24, seed=2)
    frames = []
    for n in range(count):
        frame = scene[:, shift * n : shift * n + width].copy()
        x = 8 + (width - 48) * n // count
        frame[60:96, x : x + 24] = subject
        frames.append(frame)
    return frames
