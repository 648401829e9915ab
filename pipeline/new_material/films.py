"""Frames with the mask's outline and the box on them: a video, or a picture of a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.captions import resize_mask
from pipeline.drawing.marks import Image, draw_box
from pipeline.drawing.masks import outline
from pipeline.image_batches import fit
from pipeline.new_material.inputs import Input
from pipeline.store.images import write_png
from pipeline.video.encode import open_encoder

LONGEST = 1280  # px; to look at, not to work on
CRF, PRESET = 20, "veryfast"  # half the time of "fast", no larger
SLOWEST = Fraction(1, 1001)  # frames a second

Draw = Callable[[Image, NDArray[np.bool_], NDArray[np.floating], float], None]


@contextmanager
def open_film(source: Input, path: Path) -> Iterator[Draw]:
    """Yield a function that takes a frame's image, mask, box, all in px of the source, and time, s.

    Args:
        source: what the frames are of.
        path: `.mp4` for a video, `.png` for a picture.
    """
    height, width = film_size(source)
    if source.is_picture:
        yield lambda image, mask, box, _: write_png(path, drawn(image, mask, box, height, width))
        return
    rate = max(SLOWEST, Fraction(source.fps / source.stride).limit_denominator(1001))
    with open_encoder(path, rate, height, width, CRF, PRESET, timed=True) as write:
        yield lambda image, mask, box, s: write(drawn(image, mask, box, height, width), s)


def film_size(source: Input) -> tuple[int, int]:
    """Height and width of the film: square pixels, even sides, the longest at most `LONGEST`."""
    height, width = source.height, source.width * source.pixel_aspect
    scale = min(1.0, LONGEST / max(height, width))
    return _even(height * scale), _even(width * scale)


def drawn(
    image: Image, mask: NDArray[np.bool_], box: NDArray[np.floating], height: int, width: int
) -> Image:
    """The frame at (height, width) with outline and box; an empty mask has no box."""
    picture = fit(image, height, width)
    if not mask.any():
        return picture
    scale = np.array([width / image.shape[1], height / image.shape[0]] * 2)
    return draw_box(outline(picture, resize_mask(mask, height, width)), box * scale)


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)
