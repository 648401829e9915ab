"""The frames of one input in a stream: size, networks and CRF as the stages have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, tee

import numpy as np
from numpy.typing import NDArray

from models.soft_mask import from_levels
from pipeline.finding import Finding
from pipeline.frame_pool import in_order, processes_for
from pipeline.frames import from_jpeg, to_jpeg
from pipeline.mask_refinement import refine_frame
from pipeline.new_material.inputs import Input
from pipeline.new_material.trained import Trained
from pipeline.params.data import ExtractFrames


@dataclass(frozen=True)
class Small:
    """A frame at the networks' side: its number and time in the source, and RGB (H, W, 3)."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Segmented:
    """What was found in one frame, at the size of `Small.image`.

    Attributes:
        index: number of the frame in its source.
        time_s: s since its first frame.
        finding: before the CRF.
        mask: `(H, W)` bool.
    """

    index: int
    time_s: float
    finding: Finding
    mask: NDArray[np.bool_]


def segment(source: Input, trained: Trained) -> Iterator[Segmented]:
    """The frames taken of `source`, in order; few are in memory at a time.

    Raises:
        BackdropError: it is damaged, or a network is.
    """
    found, again = tee(_find(source, trained))
    refined = in_order(
        partial(refine_frame, trained.choice, trained.choice.iterations),
        ((small.image, from_levels(finding.levels)) for small, finding in again),
        processes_for(len(range(0, source.frames, source.stride))),
        source.name,
    )
    for mask, (small, finding) in zip(refined, found, strict=True):
        yield Segmented(small.index, small.time_s, finding, mask)


def _find(source: Input, trained: Trained) -> Iterator[tuple[Small, Finding]]:
    """Batches begin where those of the stages do: with the first frame taken."""
    finder = trained.finder()
    frames = _small(source, trained.frames)
    while some := list(islice(frames, trained.batch_size)):
        yield from zip(some, finder.find([small.image for small in some]), strict=True)


def _small(source: Input, params: ExtractFrames) -> Iterator[Small]:
    for frame in source.decode():
        image = source.framing.apply(frame.image)
        if params.store == "jpeg":  # what the networks have seen has been through it, too
            kept = from_jpeg(to_jpeg(image, params.jpeg_quality))
            assert kept is not None
            image = kept
        yield Small(frame.index, frame.time_s, image)
