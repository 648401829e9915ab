"""Write a video, H.264 in MP4, with the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.store.atomic import fsync


@contextmanager
def open_encoder(
    path: Path, rate: Fraction, height: int, width: int, crf: int, preset: str = "fast"
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Yield a function that takes the frames in order, RGB uint8 (height, width, 3).

    Args:
        path: ends in `.mp4`.
        rate: frames per second.
        height, width: px, even.
        crf: x264's quality; 12 shows no loss, 28 does.
        preset: x264's effort.
    """
    with av.open(str(path), "w") as container:
        # One thread, as x264 splits the work, and with it the bits, by the number of threads.
        # Its macroblock tree reads beyond small frames: the same clip then differs from run to run.
        options = {"crf": str(crf), "preset": preset, "threads": "1", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"

        def write(image: NDArray[np.uint8]) -> None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))

        yield write
        container.mux(stream.encode())
    fsync(path)
