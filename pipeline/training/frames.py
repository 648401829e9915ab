"""The training videos' frames and flow images, at the network's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.flow_image import encode_flow
from pipeline.frames import open_frames
from pipeline.image_batches import fit
from pipeline.params.training import Compute, Network
from pipeline.store.hdf5 import FLOW as FLOW_SCHEMA
from pipeline.store.hdf5 import open_artifact
from pipeline.store.paths import FLOW, video_file
from pipeline.training.image_store import ImageStore, by_video
from pipeline.training_set import training_set

Kind = Literal["rgb", "flow"]


class TrainingFrames:
    """Frames (`rgb`) or flow images (`flow`) of the videos trained on.

    Args:
        kind: what to read.
        network: size to bring them to, px; the aspect may change, boxes are shares of the image.
        compute: holds the memory that they may take.

    Raises:
        BackdropError: the training set is not recorded.
    """

    def __init__(self, kind: Kind, network: Network, compute: Compute) -> None:
        self.kind, self.height, self.width = kind, network.height, network.width
        counts = training_set().counts
        self.videos = list(counts)
        self.places = [(video, i) for video, count in counts.items() for i in range(count)]
        shape = len(self.places), self.height, self.width, 3
        self.store = ImageStore(f"{kind} frames", shape, self._read, compute.cache_mib)

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: Sequence[int], device: torch.device) -> Tensor:
        """The frames of `indices`: (B, 3, H, W) in [0, 1], channels last in memory."""
        return self.store.batch(indices, device)

    def expect(self, indices: Sequence[int]) -> None:
        """Say which batch comes next, so that a thread reads it where it is not in memory."""
        self.store.expect(indices)

    def flow_ok(self) -> Tensor:
        """(N,) 1 where the frame's pair has a homography, else 0."""
        flags = []
        for video in self.videos:
            with open_artifact(video_file(FLOW, video), FLOW_SCHEMA) as file:
                flags.append(file["ok"][:].astype(np.float32))
        return torch.from_numpy(np.concatenate(flags))

    def _read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Images at the network's size, uint8 (B, H, W, 3)."""
        images = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        for video, rows in by_video(self.places, indices):
            with self._open(video) as read:
                for row, frame in rows:
                    images[row] = fit(read(frame), self.height, self.width)
        return images

    @contextmanager
    def _open(self, video: str) -> Iterator[Callable[[int], NDArray[np.uint8]]]:
        """What reads a frame of the video, uint8 (H, W, 3)."""
        if self.kind == "rgb":
            with open_frames(video) as reader:
                yield reader.read
        else:
            with open_artifact(video_file(FLOW, video), FLOW_SCHEMA) as file:
                yield partial(read_flow_image, file)


def read_flow_image(file: h5py.File, frame: int) -> NDArray[np.uint8]:
    """A frame's encoded flow, uint8 (H, W, 3)."""
    encoded = encode_flow(file["flow"][frame], float(file.attrs["scale_px"]))
    return np.round(encoded * 255).astype(np.uint8)
