"""The frames of one input in a stream: size, networks and CRF as the stages have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.soft_mask import from_levels
from pipeline.evaluation.calibration import Calibration
from pipeline.finding import Finder, Finding
from pipeline.frame_pool import in_order, processes_for
from pipeline.frames import from_jpeg, to_jpeg
from pipeline.mask_refinement import refine_frame
from pipeline.new_material.inputs import Input
from pipeline.new_material.trained import Trained
from pipeline.params.data import ExtractFrames
from pipeline.usable_device import choose_device, processes_of_job_on

LOADING = 4  # times the frames that would be worth a process without networks to load
_finder: Finder | None = None  # of this process, where it belongs to the pool of an input


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
    """The frames taken of `source`, in order, the same whatever the number of processes.

    Few are in memory at a time. Batches begin where those of the stages do: with the first frame.

    Raises:
        BackdropError: it is damaged, or a network is.
    """
    device = choose_device(trained.compute.device, "compute.device")
    frames = len(range(0, source.frames, source.stride))
    processes = min(processes_for(frames // LOADING), processes_of_job_on(device))
    make = partial(_in_pool, trained)
    if processes == 1:
        make = partial(_segment_batch, trained.finder(), trained.choice)
    batches = _batches(_small(source, trained.frames), trained.predict.batch_size)
    for found in in_order(make, batches, processes, source.name):
        yield from found


def _batches(frames: Iterator[Small], size: int) -> Iterator[list[Small]]:
    while some := list(islice(frames, size)):
        yield some


def _in_pool(trained: Trained, some: list[Small]) -> list[Segmented]:
    """`_segment_batch` in a process that works for one input and loads the networks once."""
    global _finder
    if _finder is None:
        _finder = trained.finder()
    return _segment_batch(_finder, trained.choice, some)


def _segment_batch(finder: Finder, choice: Calibration, some: list[Small]) -> list[Segmented]:
    found = []
    for small, finding in zip(some, finder.find([one.image for one in some]), strict=True):
        seen = small.image, from_levels(finding.levels)
        mask = refine_frame(choice, choice.iterations, seen)
        found.append(Segmented(small.index, small.time_s, finding, mask))
    return found


def _small(source: Input, params: ExtractFrames) -> Iterator[Small]:
    for frame in source.decode():
        image = source.framing.apply(frame.image)
        if params.store == "jpeg":  # what the networks have seen has been through it, too
            kept = from_jpeg(to_jpeg(image, params.jpeg_quality))
            assert kept is not None
            image = kept
        yield Small(frame.index, frame.time_s, image)
