"""Frames of the training videos with their labels: what the student learns from.

No ground truth is read. A label is a refined mask and, per pixel and per frame, the trust in it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.frames import open_frames
from pipeline.image_batches import fit
from pipeline.params.training import Compute
from pipeline.store import paths
from pipeline.store.hdf5 import LABELS, open_artifact
from pipeline.training.image_store import ImageStore, by_video
from pipeline.training_set import training_set

log = logging.getLogger("backdrop")
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
        compute: holds the memory that they may take.
        folder: of the labels; by default those that `make_labels` writes.

    Raises:
        BackdropError: the training set is not recorded, or a video's labels are missing or damaged.
    """

    def __init__(self, size: Size, compute: Compute, folder: Path = paths.LABELS) -> None:
        self.size, self.folder = size, folder
        self.videos = list(training_set().counts)
        weights = [self._weights(video) for video in self.videos]
        self.places = [
            (video, number)
            for video, own in zip(self.videos, weights, strict=True)
            for number in range(len(own))
        ]
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
            with open_frames(video) as frames, self._labels(video) as labels:
                for row, number in rows:
                    parts = frames.read(number), labels["mask"][number], labels["trust"][number]
                    stack[row] = np.dstack([fit(part, *self.size) for part in parts])
        return stack

    def _weights(self, video: str) -> NDArray[np.float32]:
        """Of each frame (N,)."""
        with self._labels(video) as labels:
            return np.asarray(labels["weight"][:], np.float32)

    def _labels(self, video: str) -> AbstractContextManager[h5py.File]:
        return open_artifact(paths.video_file(self.folder, video), LABELS)


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


def _warn_of_useless(videos: Sequence[str], weights: Sequence[NDArray[np.float32]]) -> None:
    """Say which videos have no frame with a weight."""
    useless = [video for video, own in zip(videos, weights, strict=True) if not own.any()]
    if useless:
        told = "self_train: nothing to learn from in %s: no mask is to be trusted"
        log.warning(told, ", ".join(useless))
