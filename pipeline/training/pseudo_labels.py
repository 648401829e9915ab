"""Frames of the training videos with their pseudo-masks and weights: what the student learns from.

No ground truth is read. A label is a refined mask and, per pixel and per frame, the trust in it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.label_weights import (
    Mask,
    area_agreement,
    background_agreement,
    flow_agreement,
    neighbour_agreement,
    pixel_agreement,
)
from models.soft_mask import centred, from_levels
from pipeline.background_difference import BackgroundDifference
from pipeline.evaluation.motion import speed_at
from pipeline.frames import FrameReader, open_frames
from pipeline.image_batches import fit
from pipeline.params.training import Compute
from pipeline.progress import Progress
from pipeline.store import paths
from pipeline.store.hdf5 import FLOW, MASKS, PREDICTIONS, open_artifact
from pipeline.training.image_store import ImageStore, by_video
from pipeline.training_set import training_set

log = logging.getLogger("backdrop")
FEWEST_MOVES = 0.1
"""Of the flow's scale: mean speeds below say nothing."""
MOST_WAY = 0.15
"""Of the longest side, that a subject may move from one frame to the next."""
CHANNELS = 5
"""Of a frame with its label: RGB, pseudo-mask, trust in each of its pixels."""


class Size(NamedTuple):
    """The student's input, px."""

    height: int
    width: int


class PseudoLabels:
    """Frames and labels of the training videos, at the student's size; drawn by their weight.

    Args:
        size: of the student's input; other frames are brought to it, whatever their aspect.
        threshold: of the soft masks.
        compute: holds the memory that they may take.
        root: of the folders of predictions and masks; by default the model's.
        differs: from the known background; None where there is none.

    Raises:
        BackdropError: the training set is not recorded.
    """

    def __init__(
        self,
        size: Size,
        threshold: float,
        compute: Compute,
        root: Path = paths.ARTIFACTS,
        differs: BackgroundDifference | None = None,
    ) -> None:
        self.size, self.threshold = size, threshold
        self.root, self.differs = root, differs
        self.videos = list(training_set().counts)
        self.places: list[tuple[str, int]] = []
        weights = []
        with Progress("weigh masks", len(self.videos), "videos") as progress:
            for video in self.videos:
                weights.append(frame_weights(video, root, differs))
                self.places += [(video, number) for number in range(len(weights[-1]))]
                progress.advance(1, video)
        _warn_of_useless(self.videos, weights)
        self.weights = np.concatenate(weights)
        shape = len(self.places), *size, CHANNELS
        self.store = ImageStore("labels", shape, self._read, compute.cache_mib)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def usable(self) -> bool:
        """Whether any mask is fit to learn from."""
        return bool(self.weights.any())

    def draw(self, count: int, rng: np.random.Generator, device: torch.device) -> Tensor:
        """`count` frames in proportion to their weights, image and label as channels.

        Returns:
            (B, 5, H, W) in [0, 1], channels last: RGB, pseudo-mask, trust in each of its pixels.
        """
        return self.store.batch(self._choose(count, rng), device)

    def expect(self, count: int, rng: np.random.Generator) -> None:
        """Say what is drawn next, so that a thread reads it where it is not in memory."""
        self.store.expect(self._choose(count, rng))

    def release(self) -> None:
        """Give the images' memory back; the next round's take as much."""
        self.store.release()

    def _choose(self, count: int, rng: np.random.Generator) -> list[int]:
        chances = self.weights / self.weights.sum()
        chosen: list[int] = rng.choice(len(self.places), count, p=chances).tolist()
        return chosen

    def _read(self, chosen: Sequence[int]) -> NDArray[np.uint8]:
        """(B, H, W, 5) of the chosen places."""
        stack = np.empty((len(chosen), *self.size, CHANNELS), np.uint8)
        for video, rows in by_video(self.places, chosen):
            with _open(video, self.root) as files:
                for row, number in rows:
                    stack[row] = self._label(files, number)
        return stack

    def _label(self, files: _Files, number: int) -> NDArray[np.uint8]:
        hard = files.masks["mask"][number]
        soft = centred(from_levels(files.predictions["mask"][number]), self.threshold)
        trust = pixel_agreement(soft, hard > 0, *_motion(files.flow, number))
        parts = (files.frames.read(number), hard, np.rint(255 * trust).astype(np.uint8))
        fitted = [fit(part, self.size.height, self.size.width) for part in parts]
        return np.dstack(fitted)


def input_size(longest_side: int) -> Size:
    """Size of most training frames, made smaller where its longest side is larger.

    Of sizes with equally many frames the one of larger area, then the wider. `longest_side`: px.

    Raises:
        BackdropError: the training set is not recorded.
    """
    frames_of: Counter[Size] = Counter()
    for video in training_set().counts:
        with open_frames(video) as frames:
            frames_of[Size(frames.height, frames.width)] += frames.count
    most = max(frames_of, key=lambda size: (frames_of[size], size.height * size.width, size.width))
    if len(frames_of) > 1:
        told = "self_train: training frames are of %d sizes; all become as most are, %dx%d px"
        log.info(told, len(frames_of), most.width, most.height)
    scale = min(1.0, longest_side / max(most))
    return Size(round(most.height * scale), round(most.width * scale))


def frame_weights(
    video: str, root: Path = paths.ARTIFACTS, differs: BackgroundDifference | None = None
) -> NDArray[np.float32]:
    """(N,) trust in each frame's mask: confidence, flow, neighbours and area multiplied.

    Where the background is known, so is how far the mask differs from it.
    """
    with _open(video, root) as files:
        masks, frames = files.masks["mask"], files.frames
        mask_of = lru_cache(maxsize=3)(lambda number: masks[number] > 0)  # a frame and its two
        areas = [float(mask_of(number).mean()) for number in range(frames.count)]
        filled = [area for area in areas if area > 0]  # a subject may often be out of the picture
        usual = float(np.median(filled)) if filled else 0.0
        most = MOST_WAY * max(frames.height, frames.width)
        confidence = files.predictions["confidence"][:]
        weights = []
        for number, area in enumerate(areas):
            mask = mask_of(number)
            near = [
                neighbour_agreement(mask, mask_of(other), most) for other in _beside(number, frames)
            ]
            weights.append(
                float(confidence[number])
                * flow_agreement(mask, *_motion(files.flow, number))
                * (sum(near) / len(near) if near else 1.0)
                * area_agreement(area, usual)
                * _shows_something(frames, number, mask, differs)
            )
    return np.array(weights, np.float32)


def _shows_something(
    frames: FrameReader, number: int, mask: Mask, differs: BackgroundDifference | None
) -> float:
    """Trust that a mask does not show mere background; 1 where that is not known."""
    if differs is None or not mask.any():
        return 1.0
    return background_agreement(mask, differs(frames.read(number), mask))


def _warn_of_useless(videos: Sequence[str], weights: Sequence[NDArray[np.float32]]) -> None:
    """Say which videos have no frame with a weight."""
    useless = [video for video, own in zip(videos, weights, strict=True) if not own.any()]
    if useless:
        told = "self_train: nothing to learn from in %s: no mask is to be trusted"
        log.warning(told, ", ".join(useless))


def _motion(flow: h5py.File, number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], float]:
    """Speed `(H, W)` px, where it holds, and the speed below which nothing moves."""
    valid = flow["valid"][number].astype(bool) & bool(flow["ok"][number])
    return speed_at(flow, number), valid, FEWEST_MOVES * float(flow.attrs["scale_px"])


def _beside(number: int, frames: FrameReader) -> list[int]:
    """The frames before and after, as far as they belong to the same shot."""
    beside = []
    if number > 0 and number not in frames.cuts:
        beside.append(number - 1)
    if number + 1 < frames.count and number + 1 not in frames.cuts:
        beside.append(number + 1)
    return beside


@dataclass(frozen=True)
class _Files:
    """A video's open artifacts."""

    frames: FrameReader
    masks: h5py.File
    predictions: h5py.File
    flow: h5py.File


@contextmanager
def _open(video: str, root: Path) -> Iterator[_Files]:
    with (
        open_frames(video) as frames,
        open_artifact(paths.video_file(root / paths.MASKS.name, video), MASKS) as masks,
        open_artifact(
            paths.video_file(root / paths.PREDICTIONS.name, video), PREDICTIONS
        ) as predictions,
        open_artifact(paths.video_file(paths.FLOW, video), FLOW) as flow,
    ):
        yield _Files(frames, masks, predictions, flow)
