"""The labels of one video that a student learns from: masks, and how far each is to be trusted.

No ground truth is read. A mask is the soft one with the flow's evidence, refined by the CRF.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from models.flow_evidence import with_flow
from models.label_weights import (
    Mask,
    area_agreement,
    background_agreement,
    flow_agreement,
    neighbour_agreement,
    pixel_agreement,
)
from models.soft_mask import centred, from_levels
from pipeline.background_difference import BackgroundDifference, known_difference
from pipeline.evaluation.calibration import Calibration, read_calibration
from pipeline.evaluation.motion import speed_at
from pipeline.frame_pool import in_order, processes_for
from pipeline.frames import FrameReader, open_fitting, open_frames
from pipeline.mask_refinement import sharpened
from pipeline.params.self_train import SelfTrain
from pipeline.pool import Advance
from pipeline.store import hdf5, paths

FEWEST_MOVES = 0.1
"""Of the flow's scale: mean speeds below say nothing."""
MOST_WAY = 0.15
"""Of the longest side, that a subject may move from one frame to the next."""


@dataclass(frozen=True)
class Labelling:
    """How labels are made, of whatever video.

    Attributes:
        choice: thresholds of the soft masks, and the CRF.
        flow: whether it takes part in the masks; their weights always ask it.
        background: folder of the network that knows the background, or inpaints it.
    """

    choice: Calibration
    flow: bool
    background: Path


def model_labelling(params: SelfTrain) -> Labelling:
    """How the model's masks are labelled, as calibrated.

    Raises:
        BackdropError: the calibration is missing or damaged.
    """
    return Labelling(
        read_calibration(paths.Source.MODEL), params.flow_in_labels, paths.inpainter("rgb")
    )


@dataclass(frozen=True)
class _Seen:
    """A frame as its label is made from it: its image, its soft mask as predicted, its motion."""

    image: NDArray[np.uint8]
    soft: NDArray[np.float32]
    speed: NDArray[np.float32]
    valid: Mask


def write_labels(how: Labelling, video: str, predicted: Path, path: Path, advance: Advance) -> None:
    """Write the labels of a video to `path`, an artifact of schema LABELS.

    Args:
        how: as it says.
        video: whose frames and flow are cached.
        predicted: the file of its predictions.
        path: of the artifact.
        advance: called after each frame.

    Raises:
        BackdropError: one of the files is missing, damaged, or of other frames.
    """
    with (
        open_frames(video) as reader,
        open_fitting(predicted, hdf5.PREDICTIONS, reader) as predictions,
        open_fitting(paths.video_file(paths.FLOW, video), hdf5.FLOW, reader) as flow,
        hdf5.create(path, hdf5.LABELS) as file,
    ):
        shape = reader.count, reader.height, reader.width
        masks, trust = (hdf5.create_packed(file, name, shape) for name in ("mask", "trust"))
        seen = (_look(reader, predictions, flow, number) for number in range(reader.count))
        make = partial(label_frame, how, float(flow.attrs["scale_px"]))
        for number, (mask, trusted) in enumerate(
            in_order(make, seen, processes_for(reader.count), path.stem)
        ):
            masks[number], trust[number] = np.where(mask, 255, 0), np.rint(255 * trusted)
            advance(1)
        weights = frame_weights(
            masks, predictions["confidence"][:], reader, flow, known_difference(how.background)
        )
        file.create_dataset("weight", data=weights)


def label_frame(how: Labelling, scale: float, seen: _Seen) -> tuple[Mask, NDArray[np.float32]]:
    """The mask of a frame and the trust in each of its pixels, `(H, W)`; perhaps in a process.

    Args:
        how: as it says.
        scale: px, of the flow's speeds.
        seen: the frame.
    """
    choice = how.choice
    soft = centred(seen.soft, choice.threshold)
    if how.flow:
        soft = with_flow(soft, seen.speed, seen.valid, scale)
    mask = sharpened(choice, choice.iterations, seen.image, soft)
    return mask, pixel_agreement(soft, mask, seen.speed, seen.valid, FEWEST_MOVES * scale)


def frame_weights(
    masks: h5py.Dataset,
    confidence: NDArray[np.float32],
    frames: FrameReader,
    flow: h5py.File,
    differs: BackgroundDifference | None,
) -> NDArray[np.float32]:
    """(N,) trust in each frame's mask: confidence, flow, neighbours and area multiplied.

    Where the background is known, so is how far the mask differs from it.

    Args:
        masks: `(N, H, W)`, 0 or 255.
        confidence: `(N,)`, 0..1.
        frames, flow: of the same video.
        differs: from the known background; None where there is none.
    """
    mask_of = lru_cache(maxsize=3)(lambda number: masks[number] > 0)  # a frame and its two
    areas = [float(mask_of(number).mean()) for number in range(frames.count)]
    filled = [area for area in areas if area > 0]  # a subject may often be out of the picture
    usual = float(np.median(filled)) if filled else 0.0
    most = MOST_WAY * max(frames.height, frames.width)
    moves = FEWEST_MOVES * float(flow.attrs["scale_px"])
    weights = []
    for number, area in enumerate(areas):
        mask = mask_of(number)
        beside = [mask_of(other) for other in _beside(number, frames)]
        near = [neighbour_agreement(mask, other, most) for other in beside]
        weights.append(
            float(confidence[number])
            * flow_agreement(mask, speed_at(flow, number), _valid(flow, number), moves)
            * (sum(near) / len(near) if near else 1.0)
            * area_agreement(area, usual)
            * _shows_something(frames, number, mask, differs)
        )
    return np.array(weights, np.float32)


def _look(reader: FrameReader, predictions: h5py.File, flow: h5py.File, number: int) -> _Seen:
    return _Seen(
        reader.read(number),
        from_levels(predictions["mask"][number]),
        speed_at(flow, number),
        _valid(flow, number),
    )


def _valid(flow: h5py.File, number: int) -> Mask:
    """Where the flow of a frame holds: nowhere if its pair was not aligned."""
    return np.asarray(flow["valid"][number].astype(bool) & bool(flow["ok"][number]))


def _shows_something(
    frames: FrameReader, number: int, mask: Mask, differs: BackgroundDifference | None
) -> float:
    """Trust that a mask does not show mere background; 1 where that is not known."""
    if differs is None or not mask.any():
        return 1.0
    return background_agreement(mask, differs(frames.read(number), mask))


def _beside(number: int, frames: FrameReader) -> Iterator[int]:
    """The frames before and after, as far as they belong to the same shot."""
    if number > 0 and number not in frames.cuts:
        yield number - 1
    if number + 1 < frames.count and number + 1 not in frames.cuts:
        yield number + 1
