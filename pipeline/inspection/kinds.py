"""What a path is: told by its form and by the schema it declares, never by where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import BackdropError, unreadable
from pipeline.store import hdf5, tables
from pipeline.store.checkpoint_file import is_safetensors
from pipeline.video.container import NotAVideoError, open_video
from pipeline.video.folder import folder_images
from pipeline.video.sources import VIDEO_SUFFIXES

HDF5_SCHEMAS = (hdf5.FRAMES, hdf5.FLOW, hdf5.PREDICTIONS, hdf5.MASKS, hdf5.LABELS)
MODEL_SCHEMAS = (
    "backdrop.inpainter v2",
    "backdrop.known_background v2",
    "backdrop.model v2",
    "backdrop.student v2",
)
TABLE_SCHEMAS = (tables.VIDEOS, tables.INDEX, tables.HOMOGRAPHIES, tables.PER_FRAME)
MODEL_FILES = ("config.json", "model.safetensors")


class Kind(Enum):
    """Forms that can be told apart by a look at the path."""

    HDF5 = "HDF5"
    TABLE = "Parquet table"
    MODEL = "model folder"
    WEIGHTS = "file of weights"
    JSON = "JSON"
    TEXT = "text"
    VIDEO = "video"


SUFFIXES = {
    ".h5": Kind.HDF5,
    ".parquet": Kind.TABLE,
    ".json": Kind.JSON,
    ".csv": Kind.TEXT,
    ".tsv": Kind.TEXT,
    ".yaml": Kind.TEXT,
    ".md": Kind.TEXT,
    ".html": Kind.TEXT,
    ".txt": Kind.TEXT,
}


def kind_of(path: Path) -> Kind:
    """The form of what lies at `path`; a file of no known suffix is taken for a video.

    Raises:
        BackdropError: nothing is there, it cannot be read, or a folder that is neither a model nor
            frames.
    """
    try:
        return _kind_of(path)
    except OSError as error:
        raise unreadable(path, error) from error


def _kind_of(path: Path) -> Kind:
    if not path.exists():
        remedy = "check the path, or run `dvc repro` to make it"
        raise BackdropError("is missing", where=str(path), remedy=remedy)
    if path.is_file() and (path.suffix == ".safetensors" or is_safetensors(path)):
        return Kind.WEIGHTS
    if not path.is_dir():
        return SUFFIXES.get(path.suffix.lower()) or _video(path)
    if all((path / name).exists() for name in MODEL_FILES):
        return Kind.MODEL
    if folder_images(path):
        return Kind.VIDEO
    held = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) or "nothing"
    raise BackdropError(
        f"is a folder that holds {held}", where=str(path), remedy="name one artifact in it"
    )


def _video(path: Path) -> Kind:
    """What has a video's suffix, or that FFmpeg opens whatever its suffix."""
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        try:
            with open_video(path):
                pass
        except NotAVideoError as error:
            raise BackdropError(
                "is neither an artifact nor a video",
                where=str(path),
                remedy=f"inspect takes {' '.join(SUFFIXES)} .safetensors, folders of a model or of "
                "frames, and videos",
            ) from error
    return Kind.VIDEO


def hdf5_schema(path: Path) -> hdf5.Schema:
    """Which of our HDF5 artifacts this is.

    Raises:
        BackdropError: cut short, or of a schema or version that is not known.
    """
    found = hdf5.identify(path)
    if found not in HDF5_SCHEMAS:
        raise unknown(path, str(found or "no schema"), [str(schema) for schema in HDF5_SCHEMAS])
    return found


def table_schema(path: Path) -> pa.Schema:
    """Which of our tables this is.

    Raises:
        BackdropError: cut short, or of a schema or version that is not known.
    """
    try:
        found = tables.describe(pq.read_schema(path))
    except tables.UNREADABLE as error:
        raise BackdropError(
            "is damaged or cut short (not a readable Parquet file)",
            where=str(path),
            remedy="delete it and run `dvc repro`",
        ) from error
    known = {tables.describe(schema): schema for schema in TABLE_SCHEMAS}
    if found not in known:
        raise unknown(path, found, list(known))
    return known[found]


def unknown(path: Path, found: str, known: Iterable[str]) -> BackdropError:
    """The error for what declares a schema or version that we do not write."""
    return BackdropError(
        f"holds '{found}', which is not known here",
        where=str(path),
        remedy=f"known are: {', '.join(known)}",
    )
