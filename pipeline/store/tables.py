"""Parquet tables: an explicit schema with a name and version, no pandas index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.store.atomic import atomic_path


def table_schema(name: str, version: int, columns: Mapping[str, pa.DataType]) -> pa.Schema:
    """A schema that carries its own name and version, e.g. `backdrop.videos`, 1."""
    metadata = {"schema": name, "schema_version": str(version)}
    return pa.schema([pa.field(key, kind) for key, kind in columns.items()], metadata=metadata)


VIDEOS = table_schema(
    "backdrop.videos",
    1,
    {
        "video": pa.string(),
        "path": pa.string(),  # file, or folder of frames; relative to the repository
        "masks": pa.string(),  # folder of ground-truth PNGs, "" where there is none
        "split": pa.string(),  # train | val | test | test_unseen | train_test
        "sha256": pa.string(),
        "frames": pa.int64(),
        "fps": pa.float64(),
        "width": pa.int64(),
        "height": pa.int64(),
    },
)
INDEX = table_schema(
    "backdrop.index",
    2,
    {
        "video": pa.string(),
        "frame": pa.int64(),  # position in the artifact, 0-based
        "source_frame": pa.int64(),  # position in the source video, 0-based
        "time_s": pa.float64(),
        "split": pa.string(),
    },
)
H_ENTRIES = [f"h{row}{column}" for row in range(3) for column in range(3)]
HOMOGRAPHIES = table_schema(
    "backdrop.homographies",
    2,
    {
        "video": pa.string(),
        "source": pa.int64(),  # the frame that is warped
        "target": pa.int64(),  # the frame it is warped onto
        **dict.fromkeys(H_ENTRIES, pa.float64()),
        "keypoints": pa.int64(),
        "matches": pa.int64(),
        "inliers": pa.int64(),
        "inlier_ratio": pa.float64(),
        "error_px": pa.float64(),
        "ok": pa.bool_(),
        "reason": pa.string(),  # why a pair is not ok, "" where it is
        "method": pa.string(),  # keypoints | tracks | chain | static, "" where none was found
        "parallax_px": pa.float64(),  # spread of the background about the homography
        "mesh": pa.list_(pa.float32()),  # see models.warping; empty where there is none
        "camera": pa.string(),  # verdict for the whole video: static | rotating | translating
    },
)
CONTROLS = ("J_blob", "J_blob_no_crf", "J_flow_threshold")
MASK_SCORES = ("J", "F", "J_no_crf", "F_no_crf", "J_moving", "F_moving", "J_oracle")
SCORES = (*MASK_SCORES, *CONTROLS, "box_iou", "hit")
"""What a frame is given where it has ground truth."""
WITHOUT_SELF_TRAIN = {name: f"{name}_without_self_train" for name in SCORES}
"""Where the model's own values stand beside the student's."""
PER_FRAME = table_schema(
    "backdrop.per_frame",
    5,
    {
        "video": pa.string(),
        "frame": pa.int64(),
        "split": pa.string(),
        "confidence": pa.float64(),
        "mask_area": pa.float64(),  # share of the frame, after CRF
        "moving_area": pa.float64(),  # of it, what `keep_moving` left
        "box_jump": pa.float64(),  # px moved by the box centre since the frame before
        "motion_overlap": pa.float64(),  # IoU of the mask after CRF and what moves, null if nothing
        **{
            key: pa.float64()  # null where there is no ground truth
            for key in (*SCORES, *WITHOUT_SELF_TRAIN.values())
        },
    },
)

WRITTEN_BY = {
    "backdrop.videos": "prepare_data",
    "backdrop.index": "extract_frames",
    "backdrop.homographies": "stabilize",
    "backdrop.per_frame": "evaluate",
}
"""The stage of dvc.yaml that writes a table, by the name in its schema."""


UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What Arrow raises of a file that is not whole; the last of a column's name."""


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows (dicts with exactly the schema's keys) atomically, byte for byte repeatable."""
    _write(path, pa.Table.from_pylist([dict(row) for row in rows], schema=schema))


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]], schema: pa.Schema) -> None:
    """As `write_table`, from columns, which take less memory than rows where there are many."""
    _write(path, pa.Table.from_pydict(dict(columns), schema=schema))


def _write(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a table after checking that it is whole and of `schema`.

    Raises:
        BackdropError: missing, cut short, or of another schema; the line names both.
    """
    if not path.exists():
        stage = WRITTEN_BY.get(schema.metadata[b"schema"].decode(), "")
        command = f"dvc repro {stage}".rstrip()
        raise BackdropError("is missing", where=str(path), remedy=f"run `{command}` to make it")
    try:
        table = pq.read_table(path)
        table.validate(full=True)  # words that are no UTF-8 would else be met by who reads them
    except UNREADABLE as error:
        raise BackdropError(
            "is damaged or cut short (not a readable Parquet file)",
            where=str(path),
            remedy="delete it and run `dvc repro`",
        ) from error
    if not table.schema.equals(schema) or describe(table.schema) != describe(schema):
        raise BackdropError(
            f"holds '{describe(table.schema)}', expected '{describe(schema)}'",
            where=str(path),
            remedy="it was written by another version; run `dvc repro --force`",
        )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def matrices(rows: pd.DataFrame) -> NDArray[np.float64]:
    """The homographies (N, 3, 3) of rows of HOMOGRAPHIES."""
    return rows[H_ENTRIES].to_numpy(np.float64).reshape(-1, 3, 3)


def describe(schema: pa.Schema) -> str:
    """`name vN` of a table schema, or `unknown`."""
    told = schema.metadata or {}
    if not {b"schema", b"schema_version"} <= told.keys():
        return "unknown"
    name, version = (told[key].decode(errors="replace") for key in (b"schema", b"schema_version"))
    return f"{name} v{version}"
