"""The flow of one video's pairs, as an artifact of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from models.flow.estimator import OutOfMemoryError
from models.warping import Mesh
from pipeline.errors import BackdropError
from pipeline.flow_image import MagnitudeHistogram
from pipeline.frames import FrameReader
from pipeline.optical_flow.choose import Choice
from pipeline.optical_flow.stream import FlowStream, ResidualFlow, StabilisedPair
from pipeline.pool import Advance
from pipeline.store import hdf5

LESS_MEMORY = (
    "set compute_flow.device: cpu or the backend 'dis'; or lower extract_frames.longest_side, and "
    "compute_flow.enlarge_to where frames are smaller"
)
FINITE = "on a GPU set compute_flow.half: false; elsewhere take other weights or the backend 'dis'"


@dataclass(frozen=True)
class Pairs:
    """The pairs of one video, by target frame.

    Attributes:
        sources: int64 (N,). H: float64 (N, 3, 3), source px to target px. ok: bool (N,).
        meshes: N, see `models.warping`.
        threads: at work on this video.
    """

    sources: NDArray[np.int64]
    H: NDArray[np.float64]
    ok: NDArray[np.bool_]
    meshes: list[Mesh | None]
    choice: Choice
    threads: int

    def digest(self) -> str:
        """Tells these pairs from others."""
        absent = hashlib.sha256().digest()
        meshes = [
            absent if mesh is None else hashlib.sha256(mesh.tobytes()).digest()
            for mesh in self.meshes
        ]
        parts = [part.tobytes() for part in (self.sources, self.H, self.ok)]
        return hashlib.sha256(b"".join([*parts, *meshes])).hexdigest()

    def stabilised(self) -> list[StabilisedPair]:
        """Those whose homography is trusted."""
        return [
            StabilisedPair(int(t), int(self.sources[t]), self.H[t], self.meshes[t])
            for t in np.flatnonzero(self.ok)
        ]


def write_flow(reader: FrameReader, pairs: Pairs, path: Path, advance: Advance) -> None:
    """Write the flow of a video's pairs to `path`, whole or not at all.

    In memory are at most two runs of pairs a thread (see `FlowStream.flows`): with two threads 32
    pairs, with eight 128.

    Raises:
        BackdropError: out of memory, or the estimator gave a value that is not finite.
    """
    settings = pairs.choice.settings
    with hdf5.create(path, hdf5.FLOW) as file:
        writer = FlowWriter(file, reader, settings.confidence)
        stream = FlowStream(reader, pairs.choice, pairs.threads)
        try:
            for result in stream.flows(pairs.stabilised()):
                writer.write(result)
                advance(1)
        except (OutOfMemoryError, ValueError) as error:
            raise BackdropError(
                f"{pairs.choice.name}: {error}",
                where=str(reader.path),
                remedy=LESS_MEMORY if isinstance(error, OutOfMemoryError) else FINITE,
            ) from error
        advance(int((~pairs.ok).sum()))
        file.create_dataset("ok", data=pairs.ok)
        scale = writer.magnitudes.percentile(settings.scale_percentile)
        file.attrs["backend"] = pairs.choice.name
        file.attrs["reason"] = pairs.choice.reason
        file.attrs["gap"] = int(np.abs(pairs.sources - np.arange(reader.count)).max())
        file.attrs["scale_px"] = max(scale, settings.min_scale_px)


class FlowWriter:
    """Fills the datasets, one chunk per frame; what is not written is zero and takes no space."""

    def __init__(self, file: h5py.File, reader: FrameReader, confidence: bool) -> None:
        shape = (reader.count, reader.height, reader.width)
        self.flow = file.create_dataset("flow", (*shape, 2), np.float16, chunks=(1, *shape[1:], 2))
        self.valid = hdf5.create_packed(file, "valid", shape, bool)
        if confidence:
            self.confidence = hdf5.create_packed(file, "confidence", shape)
        self.magnitudes = MagnitudeHistogram()

    def write(self, result: ResidualFlow) -> None:
        """Store a frame's flow and count its magnitudes."""
        self.flow[result.target], self.valid[result.target] = result.flow, result.valid
        if result.confidence is not None:
            self.confidence[result.target] = result.confidence
        magnitude = np.asarray(cv2.magnitude(*cv2.split(result.flow)), np.float32)
        self.magnitudes.add(magnitude[result.valid])
