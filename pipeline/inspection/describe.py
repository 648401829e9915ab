"""An artifact in words: what it is, how large, what is in it, and within which limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pipeline.errors import BackdropError
from pipeline.frames import FrameReader
from pipeline.inspection.kinds import (
    MODEL_SCHEMAS,
    Kind,
    hdf5_schema,
    kind_of,
    table_schema,
    unknown,
)
from pipeline.store import tables
from pipeline.store.atomic import read_json
from pipeline.store.hdf5 import open_artifact
from pipeline.video.probe import probe_video

LOOKED_AT = 64  # rows of a data set whose values are read: enough for a range, quick on any length
HEAD_ROWS = 5
HEAD_LINES = 20


def describe(path: Path) -> str:
    """Describe any artifact of ours, or a video, in a few lines.

    Raises:
        BackdropError: missing, cut short, or of a schema that is not known.
    """
    lines = DESCRIBERS[kind_of(path)](path)
    text = "\n".join([str(path), *lines])
    return text.encode(errors="backslashreplace").decode()  # names may hold bytes that are no UTF-8


def _describe_hdf5(path: Path) -> list[str]:
    schema = hdf5_schema(path)
    with open_artifact(path, schema) as file:
        attributes = {
            key: file.attrs[key]
            for key in sorted(file.attrs)
            if key not in ("schema", "schema_version", "complete")
        }
        datasets = {name: _dataset(path, file[name]) for name in sorted(file)}
    return [
        f"{schema}, {_size(path)}",
        *_block("attributes", attributes),
        *_block("datasets", datasets),
    ]


def _dataset(path: Path, dataset: h5py.Dataset) -> str:
    """Type, shape and the range of up to LOOKED_AT rows, evenly spread."""
    rows = np.unique(np.linspace(0, len(dataset) - 1, LOOKED_AT).astype(int))
    if h5py.check_vlen_dtype(dataset.dtype):
        kind = "JPEG bytes"
        with FrameReader(path) as frames:
            values = np.asarray(frames.read_many(rows.tolist()))
    else:
        kind = str(dataset.dtype)
        values = np.stack([dataset[row] for row in rows])
    looked = "" if len(rows) == len(dataset) else f" in {len(rows)} of {len(dataset)} rows"
    return f"{kind} {dataset.shape}  {_range(values)}{looked}"


def _range(values: NDArray[Any]) -> str:
    if values.dtype == bool:
        return f"{values.mean():.0%} true"
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return "no finite value"
    return f"{finite.min():.4g} .. {finite.max():.4g}, mean {finite.mean():.4g}"


def _describe_table(path: Path) -> list[str]:
    schema = table_schema(path)
    table = tables.read_table(path, schema)
    return [
        f"{tables.describe(schema)}, {_size(path)}, {len(table)} rows",
        *_block("columns", {name: _column(table[name]) for name in table.columns}),
        f"first {min(HEAD_ROWS, len(table))} rows",
        *_indented(table.head(HEAD_ROWS).to_string(index=False, max_cols=12)),
    ]


def _column(column: pd.Series[Any]) -> str:
    """Range of numbers, or the distinct words; how many are null."""
    missing = int(column.isna().sum())
    nulls = f", {missing} null" if missing else ""
    present = column.dropna()
    if not len(present):
        return f"all {missing} null"
    if pd.api.types.is_numeric_dtype(column):
        return _range(present.to_numpy()) + nulls
    words = sorted({str(value) for value in present})
    shown = ", ".join(repr(word) for word in words[:4]) + (", ..." if len(words) > 4 else "")
    return f"{len(words)} distinct: {shown}{nulls}"


def _describe_model(folder: Path) -> list[str]:
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise unknown(folder / "config.json", "no schema", MODEL_SCHEMAS)
    name = f"{config.get('schema', 'no schema')} v{config.get('schema_version', 0)}"
    if name not in MODEL_SCHEMAS:
        raise unknown(folder / "config.json", name, MODEL_SCHEMAS)
    title, *tensors = _describe_weights(folder / "model.safetensors")
    return [
        f"{name}, {title}",
        "config.json",
        *_indented(json.dumps(config, indent=2, sort_keys=True)),
        *tensors,
    ]


def _describe_weights(path: Path) -> list[str]:
    try:
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            shapes = {name: file.get_slice(name).get_shape() for name in sorted(file.keys())}
    except SafetensorError as error:
        raise BackdropError(
            f"is damaged or cut short ({error})",
            where=str(path),
            remedy="delete it and run `dvc repro`; get it again if it is not one of ours",
        ) from error
    parameters = sum(int(np.prod(shape)) for shape in shapes.values())
    return [
        f"safetensors, {_size(path)}, {len(shapes)} tensors, {parameters:,} values",
        *_block("metadata", dict(sorted(notes.items()))),
        *_block("tensors", {name: tuple(shape) for name, shape in shapes.items()}),
    ]


def _describe_json(path: Path) -> list[str]:
    value = read_json(path)
    return [f"JSON, {_size(path)}", *_indented(json.dumps(value, indent=2, sort_keys=True))]


def _describe_text(path: Path) -> list[str]:
    lines = path.read_text(errors="replace").splitlines()
    rest = [f"... {len(lines) - HEAD_LINES} more lines"] if len(lines) > HEAD_LINES else []
    return [
        f"text, {_size(path)}, {len(lines)} lines",
        *_indented("\n".join(lines[:HEAD_LINES] + rest)),
    ]


def _describe_video(path: Path) -> list[str]:
    info = probe_video(path)
    announced = "" if info.announced_frames is None else f" ({info.announced_frames} announced)"
    rate = "constant" if info.constant_rate else "variable"
    mirrored = "mirrored, " if info.mirrored else ""
    facts = {
        "codec": info.codec,
        "size": f"{info.width}x{info.height} px, upright ({mirrored}rotation {info.rotation})",
        "frames": f"{info.frames} decoded{announced}",
        "rate": f"{info.fps:.3f} fps, {rate}",
        "duration": f"{info.duration_s:.2f} s",
        "damage": str(info.damage),
    }
    return [f"video{'' if path.is_dir() else ', ' + _size(path)}", *_block("", facts)]


DESCRIBERS: dict[Kind, Callable[[Path], list[str]]] = {
    Kind.HDF5: _describe_hdf5,
    Kind.TABLE: _describe_table,
    Kind.MODEL: _describe_model,
    Kind.WEIGHTS: _describe_weights,
    Kind.JSON: _describe_json,
    Kind.TEXT: _describe_text,
    Kind.VIDEO: _describe_video,
}


def _block(title: str, values: dict[str, Any]) -> list[str]:
    """A title and aligned `name  value` lines; nothing where there are no values."""
    if not values:
        return []
    width = max(len(name) for name in values)
    lines = [f"  {name:<{width}}  {value}" for name, value in values.items()]
    return [title, *lines] if title else lines


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _size(path: Path) -> str:
    """A file's size, as people read it."""
    size = float(path.stat().st_size)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
