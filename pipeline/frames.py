"""The frames artifact: written once by `extract_frames`, read by every later stage.

with FrameReader(video_file(FRAMES, "clip")) as frames:
    frames.read(3)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.store.hdf5 import FLOW, Schema, open_artifact
from pipeline.store.hdf5 import FRAMES as SCHEMA
from pipeline.store.paths import FRAMES, video_file


class FrameWriter:
    """Fills the `frames` dataset of an open artifact, one frame a chunk.

    Args:
        file: open for writing.
        count, height, width: of the frames; px.
        store: `raw` pixels, or `jpeg` bytes of the given quality.
    """

    def __init__(
        self,
        file: h5py.File,
        count: int,
        height: int,
        width: int,
        store: Literal["raw", "jpeg"],
        quality: int,
    ) -> None:
        self.jpeg, self.quality = store == "jpeg", quality
        if self.jpeg:
            self._frames = file.create_dataset("frames", (count,), h5py.vlen_dtype(np.uint8))
        else:
            shape = (height, width, 3)
            self._frames = file.create_dataset(
                "frames", (count, *shape), np.uint8, chunks=(1, *shape)
            )

    def write(self, index: int, image: NDArray[np.uint8]) -> None:
        """Store one frame, RGB uint8 (H, W, 3)."""
        if self.jpeg:
            self._frames[index] = to_jpeg(image, self.quality)
        else:
            self._frames[index] = image


class FrameReader:
    """One video's cached frames. Opens its file on first use, in each process anew.

    Args:
        path: `artifacts/frames/VIDEO.h5`.

    Raises:
        BackdropError: on first use: missing, cut short, or of another schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        self._stack = ExitStack()

    @property
    def count(self) -> int:
        """Number of frames."""
        return int(self.attributes["frames"])

    @property
    def height(self) -> int:
        """Height in px."""
        return int(self.attributes["height"])

    @property
    def width(self) -> int:
        """Width in px."""
        return int(self.attributes["width"])

    @property
    def fps(self) -> float:
        """Kept frames per second, on average."""
        return float(self.attributes["fps"])

    @property
    def cuts(self) -> frozenset[int]:
        """Frames that begin a new shot; frame 0 is not among them."""
        return frozenset(int(frame) for frame in self.attributes["cuts"])

    @property
    def attributes(self) -> h5py.AttributeManager:
        """All that the file says about itself: source, sizes, crop, sha256."""
        return self._open().attrs

    def read(self, index: int) -> NDArray[np.uint8]:
        """Frame `index` as RGB, uint8 (H, W, 3)."""
        stored = self._open()["frames"][index]
        if self.attributes["store"] == "raw":
            return np.asarray(stored, np.uint8)
        image = from_jpeg(np.asarray(stored, np.uint8))
        if image is None:
            raise BackdropError(
                f"frame {index} is damaged",
                where=str(self.path),
                remedy="delete it and run `dvc repro`",
            )
        return image

    def read_many(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Frames in the order of `indices`, RGB uint8 (B, H, W, 3)."""
        images = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        for place, index in enumerate(indices):
            images[place] = self.read(index)
        return images

    def close(self) -> None:
        """Close the file; reading again reopens it."""
        self._file = None
        self._stack.close()

    def _open(self) -> h5py.File:
        if self._file is None:
            self._file = self._stack.enter_context(open_artifact(self.path, SCHEMA))
        return self._file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]


def to_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """The bytes (n,) that `store: jpeg` keeps of an RGB image (H, W, 3)."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.ravel().astype(np.uint8, copy=False)


def from_jpeg(data: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The RGB image (H, W, 3) in such bytes; None where they are damaged."""
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # of no bytes at all, or a size that cannot be
        return None
    return None if image is None else image.astype(np.uint8, copy=False)


def open_frames(video: str) -> FrameReader:
    """The reader of a video by its name."""
    return FrameReader(video_file(FRAMES, video))


@contextmanager
def open_fitting(path: Path, schema: Schema, reader: FrameReader) -> Iterator[h5py.File]:
    """A flow, predictions or masks artifact, after checking that it fits the reader's frames.

    Raises:
        BackdropError: missing, damaged, of another schema, or of other frames.
    """
    with open_artifact(path, schema) as file:
        check_length(path, file["flow" if schema == FLOW else "mask"], reader)
        yield file


def check_length(path: Path, dataset: h5py.Dataset, reader: FrameReader) -> None:
    """Raise unless `dataset` `(N, H, W, ...)` has the video's number and size of frames."""
    expected = reader.count, reader.height, reader.width
    if dataset.shape[:3] != expected:
        raise BackdropError(
            f"holds {_shape(dataset.shape[:3])}, but the video's frames are {_shape(expected)}",
            where=str(path),
            remedy="it was made from other frames; delete it and run `dvc repro`",
        )


def _shape(shape: tuple[int, ...]) -> str:
    count, height, width = shape
    return f"{count} x {width}x{height} px"
