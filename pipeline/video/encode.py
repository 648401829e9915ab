"""Write a video, H.264 in MP4, with the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.store.atomic import fsync

CLOCK = 90_000  # ticks a second, MPEG's


class Write(Protocol):
    """Takes the frames of a video in their order."""

    def __call__(self, image: NDArray[np.uint8], time_s: float | None = None) -> None:
        """A frame, RGB uint8 (height, width, 3), and its time, s, if it is of a `timed` video."""


@contextmanager
def open_encoder(
    path: Path,
    rate: Fraction,
    height: int,
    width: int,
    crf: int,
    preset: str = "fast",
    *,
    timed: bool = False,
) -> Iterator[Write]:
    """Yield a function that takes the frames.

    Args:
        path: ends in `.mp4`.
        rate: frames per second.
        height, width: px, even.
        crf: x264's quality; 12 shows no loss, 28 does.
        preset: x264's effort.
        timed: each frame is shown at its own time, not at `rate`.
    """
    with av.open(str(path), "w") as container:
        # One thread, as x264 splits the work, and with it the bits, by the number of threads.
        # Its macroblock tree reads beyond small frames: the same clip then differs from run to run.
        x264 = "mbtree=0"
        if timed:
            # Where the frame decoded last is not the one shown last, MP4 takes that one's time for
            # the end: a last frame that stands for long was lost from the stated duration.
            x264 += ":bframes=0"
        options = {"crf": str(crf), "preset": preset, "threads": "1", "x264-params": x264}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if timed:
            stream.codec_context.time_base = Fraction(1, CLOCK)
        last = -1

        def write(image: NDArray[np.uint8], time_s: float | None = None) -> None:
            nonlocal last
            assert timed == (time_s is not None)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if time_s is not None:
                last = max(last + 1, round(time_s * CLOCK))  # two frames at one time: one after it
                frame.pts, frame.time_base = last, Fraction(1, CLOCK)
            container.mux(stream.encode(frame))

        yield write
        container.mux(stream.encode())
    fsync(path)
