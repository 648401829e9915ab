"""The training frames at the network's size: in memory where they fit, else read as needed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.flow_image import encode_flow
from pipeline.frames import open_frames
from pipeline.image_batches import as_batch, fit
from pipeline.params.training import Compute, Network
from pipeline.progress import Progress
from pipeline.store.hdf5 import FLOW as FLOW_SCHEMA
from pipeline.store.hdf5 import open_artifact
from pipeline.store.paths import FLOW, video_file
from pipeline.training.kept_images import KeptImages
from pipeline.training.read_ahead import ReadAhead
from pipeline.training_set import training_set

log = logging.getLogger("backdrop")
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
        self.cached: KeptImages | None = None
        size_mib = len(self.places) * self.height * self.width * 3 / 2**20
        if size_mib <= compute.cache_mib:
            self.cached = KeptImages(self._read_all())
        else:
            log.info("%s frames take %.0f MiB: read from disk as needed", kind, size_mib)
        self.ahead = ReadAhead(self._read_many)

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: Sequence[int], device: torch.device) -> Tensor:
        """The frames of `indices`: (B, 3, H, W) in [0, 1], channels last in memory."""
        if self.cached is None:
            return as_batch(self.ahead.take(indices), device)
        return self.cached.batch(indices, device)

    def expect(self, indices: Sequence[int]) -> None:
        """Say which batch comes next, so that a thread reads it where it is not in memory."""
        if self.cached is None:
            self.ahead.expect(indices)

    def flow_ok(self) -> Tensor:
        """(N,) 1 where the frame's pair has a homography, else 0."""
        flags = []
        for video in self.videos:
            with open_artifact(video_file(FLOW, video), FLOW_SCHEMA) as file:
                flags.append(file["ok"][:].astype(np.float32))
        return torch.from_numpy(np.concatenate(flags))

    def _read_all(self) -> NDArray[np.uint8]:
        images = np.empty((len(self.places), self.height, self.width, 3), np.uint8)
        with Progress(f"read {self.kind} frames", len(self.places), "frames") as progress:
            for place, (video, frame) in enumerate(self.places):
                images[place] = self._read(video, frame)
                progress.advance()
        return images

    def _read_many(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        return np.stack([self._read(*self.places[i]) for i in indices])

    def _read(self, video: str, frame: int) -> NDArray[np.uint8]:
        """One image at the network's size, uint8 (H, W, 3)."""
        image: NDArray[np.uint8]
        if self.kind == "rgb":
            with open_frames(video) as reader:
                image = reader.read(frame)
        else:
            with open_artifact(video_file(FLOW, video), FLOW_SCHEMA) as file:
                image = read_flow_image(file, frame)
        return fit(image, self.height, self.width)


def read_flow_image(file: h5py.File, frame: int) -> NDArray[np.uint8]:
    """A frame's encoded flow, uint8 (H, W, 3)."""
    encoded = encode_flow(file["flow"][frame], float(file.attrs["scale_px"]))
    return np.round(encoded * 255).astype(np.uint8)
