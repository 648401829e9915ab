"""HDF5 artifacts: a schema name and version, a `complete` mark written last, stable bytes.

with create(path, FLOW) as file:
    file.create_dataset("flow", ...)
with open_artifact(path, FLOW) as file:
    file["flow"][3]
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike

from pipeline.errors import BackdropError
from pipeline.store.atomic import atomic_path
from pipeline.store.hdf5_reading import HDF5Reader, damaged


@dataclass(frozen=True)
class Schema:
    """Name and version of an artifact's layout; a reader refuses what it does not know, by name."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


FRAMES = Schema("backdrop.frames", 1)
FLOW = Schema("backdrop.flow", 2)
PREDICTIONS = Schema("backdrop.predictions", 1)
MASKS = Schema("backdrop.masks", 1)
LABELS = Schema("backdrop.labels", 1)

PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
"""For masks. Not lzf, as fast and larger: its bytes depend on what its hash table held before."""


@contextmanager
def create(path: Path, schema: Schema) -> Iterator[h5py.File]:
    """Open a new artifact for writing; it appears at `path` only when the block succeeds.

    Raises:
        BackdropError: the folder is read-only or the disk is full.
    """
    with atomic_path(path) as temporary, _new_file(temporary) as file:
        file.attrs["schema"] = schema.name
        file.attrs["schema_version"] = schema.version
        yield file
        file.attrs["complete"] = True


def create_packed(
    file: h5py.File, name: str, shape: tuple[int, ...], kind: DTypeLike = np.uint8
) -> h5py.Dataset:
    """A dataset (N, ...) of masks or the like, packed, one frame a chunk."""
    return file.create_dataset(name, shape, kind, chunks=(1, *shape[1:]), **PACKED)


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """A file without a cache of chunks: on a full disk the write fails, not the process at its end.

    Our writers fill whole chunks, so that a cache gains nothing. What the system said is somewhere
    in h5py's OSError or RuntimeError of several lines; here it becomes the error.
    """
    try:
        file = h5py.File(path, "w", libver="v110", track_order=False, rdcc_nbytes=0)
        try:
            yield file
        except BaseException:
            with suppress(RuntimeError):  # that it cannot be flushed either is no news
                file.close()
            raise
        file.close()
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


@contextmanager
def open_artifact(path: Path, schema: Schema) -> Iterator[h5py.File]:
    """Open an artifact for reading after checking that it is whole and of `schema`.

    Raises:
        BackdropError: missing, cut short, or of another schema; the line names both.
    """
    file = _open(path)
    try:
        found = read_schema(file)
        if found != schema:
            raise BackdropError(
                f"holds '{found}', expected '{schema}'",
                where=str(path),
                remedy="it was written by another version; run `dvc repro --force`",
            )
        if not file.attrs.get("complete", False):
            raise damaged(path, "its writer did not finish")
        yield file
    finally:
        file.close()


def identify(path: Path) -> Schema | None:
    """The schema that a file declares, or None if it is not one of ours.

    Raises:
        BackdropError: missing, or not a readable HDF5 file.
    """
    with _open(path) as file:
        return read_schema(file)


def read_schema(file: h5py.File) -> Schema | None:
    """The schema an open file declares, or None if it is not one of ours."""
    if "schema" not in file.attrs:
        return None
    return Schema(str(file.attrs["schema"]), int(file.attrs["schema_version"]))


def is_complete(path: Path, schema: Schema) -> bool:
    """True if `path` is a whole artifact of `schema`, e.g. left by an interrupted run."""
    if not path.exists():
        return False
    try:
        with open_artifact(path, schema):
            return True
    except BackdropError:
        return False


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise BackdropError("is missing", where=str(path), remedy="run `dvc repro` to make it")
    try:
        return HDF5Reader(path)
    except OSError as error:
        raise damaged(path, "not a readable HDF5 file") from error
