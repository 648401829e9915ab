"""HDF5 and Parquet artifacts: the same bytes again; what is damaged or unknown is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.errors import BackdropError
from pipeline.inspection.kinds import table_schema as table_schema_of
from pipeline.store import hdf5, paths
from pipeline.store.hdf5 import FLOW, MASKS, create, is_complete, open_artifact
from pipeline.store.tables import (
    HOMOGRAPHIES,
    INDEX,
    PER_FRAME,
    VIDEOS,
    read_table,
    table_schema,
    write_table,
)

ROOT = Path(__file__).parents[3]

THINGS = table_schema("backdrop.things", 1, {"name": pa.string(), "value": pa.float64()})


def write_flow(path, values=(1.0, 2.0)):
    with create(path, FLOW) as file:
        file.create_dataset("flow", data=np.array(values, np.float16))
        file.attrs["backend"] = "dis"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_hdf5_round_trip_and_bytes_that_repeat(tmp_path):
    write_flow(tmp_path / "a.h5")
    write_flow(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with open_artifact(tmp_path / "a.h5", FLOW) as file:
        assert file["flow"][:].tolist() == [1.0, 2.0]
        assert file.attrs["backend"] == "dis"


FILL = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from pipeline.errors import BackdropError
from pipeline.store.hdf5 import FLOW, PACKED, create

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
noise = np.random.default_rng(0).integers(0, 255, (40, 100, 120), np.uint8)
try:
    with create(Path("full.h5"), FLOW) as file:
        options = PACKED if sys.argv[2] == "packed" else {}
        flow = file.create_dataset("flow", noise.shape, np.uint8, chunks=(1, 100, 120), **options)
        for number, frame in enumerate(noise):
            flow[number] = frame
except BackdropError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("packing", ["raw", "packed"])
@pytest.mark.parametrize("room", [2_000, 100_000, 480_500])
def test_a_disk_that_fills_up_is_one_line_and_no_crash(tmp_path, packing, room):
    """A limit on the file's size stands for the disk: HDF5 meets it at the same places."""
    run = subprocess.run(
        [sys.executable, "-c", FILL, str(room), packing],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "full.h5: cannot be written (File too large)" in run.stderr
    assert names(tmp_path) == []


def test_hdf5_of_another_schema_cut_short_unfinished_or_missing(tmp_path):
    path = tmp_path / "clip.h5"
    write_flow(path)
    with pytest.raises(BackdropError, match=r"'backdrop\.flow v2', expected 'backdrop\.masks v1'"):
        open_artifact(path, MASKS).__enter__()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not is_complete(path, FLOW)
    with pytest.raises(BackdropError, match=r"clip\.h5: is damaged or cut short"):
        open_artifact(path, FLOW).__enter__()
    write_flow(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["complete"]
    with pytest.raises(BackdropError, match="its writer did not finish"):
        open_artifact(path, FLOW).__enter__()
    path.unlink()
    with pytest.raises(BackdropError, match="is missing"):
        open_artifact(path, FLOW).__enter__()
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(BackdropError, match="holds 'None'"):
        open_artifact(path, hdf5.FRAMES).__enter__()


def test_parquet_round_trip_repeats_and_refuses_what_it_does_not_know(tmp_path):
    rows = [{"name": "a", "value": 1.5}, {"name": "b", "value": None}]
    path = tmp_path / "things.parquet"
    write_table(path, rows, THINGS)
    first = path.read_bytes()
    write_table(path, rows, THINGS)
    assert path.read_bytes() == first
    frame = read_table(path, THINGS)
    assert frame["name"].tolist() == ["a", "b"]
    assert frame["value"].isna().tolist() == [False, True]
    other = table_schema("backdrop.things", 2, {"name": pa.string(), "value": pa.float64()})
    with pytest.raises(
        BackdropError, match=r"'backdrop\.things v1', expected 'backdrop\.things v2'"
    ):
        read_table(path, other)
    path.write_bytes(first[: len(first) // 2])
    with pytest.raises(BackdropError, match=r"things\.parquet: is damaged or cut short"):
        read_table(path, THINGS)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({b"schema": b"backdrop.things", b"schema?version": b"1"}, "unknown"),
        ({b"schema": b"backdrop.things", b"schema_version": b"\xff"}, "backdrop.things v\ufffd"),
        ({b"schema": b"backdrop.\xff", b"schema_version": b"1"}, "backdrop.\ufffd v1"),
    ],
)
def test_a_table_with_a_wrong_byte_in_its_schema_is_not_known(tmp_path, told, found):
    path = tmp_path / "things.parquet"
    table = pa.table({"name": ["a"], "value": [1.5]}, schema=THINGS)
    pq.write_table(table.replace_schema_metadata(told), path)
    with pytest.raises(BackdropError, match=f"holds '{found}', expected 'backdrop.things v1'"):
        read_table(path, THINGS)
    with pytest.raises(BackdropError, match=f"holds '{found}', which is not known here"):
        table_schema_of(path)


def test_a_table_with_a_word_that_is_no_utf8_is_damaged(tmp_path):
    path = tmp_path / "things.parquet"
    name = pa.array([b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"name": name, "value": [1.5]}, schema=THINGS), path)
    with pytest.raises(BackdropError, match="is damaged or cut short"):
        read_table(path, THINGS)


@pytest.mark.parametrize(
    "error",
    [
        pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_a_table_with_a_wrong_byte_in_a_column_is_damaged(tmp_path, monkeypatch, error):
    """In the width of an integer, or in a name: Arrow has an error of its own for each."""

    def refuse(_path):
        raise error

    write_table(tmp_path / "things.parquet", [], THINGS)
    monkeypatch.setattr(pq, "read_table", refuse)
    monkeypatch.setattr(pq, "read_schema", refuse)
    for read in (lambda path: read_table(path, THINGS), table_schema_of):
        with pytest.raises(BackdropError, match="is damaged or cut short"):
            read(tmp_path / "things.parquet")


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (paths.VIDEOS_TABLE, VIDEOS),
        (paths.INDEX_TABLE, INDEX),
        (paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES),
        (paths.PER_FRAME_TABLE, PER_FRAME),
    ],
)
def test_of_a_missing_table_the_stage_is_named_that_writes_it(tmp_path, monkeypatch, path, schema):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackdropError) as told:
        read_table(path, schema)
    named = re.fullmatch(r"run `dvc repro (\w+)` to make it", told.value.remedy)[1]
    written = [next(iter(out)) if isinstance(out, dict) else out for out in stages[named]["outs"]]
    assert any(path.is_relative_to(out) for out in written)


def test_of_any_other_table_that_is_missing_no_stage_is_named(tmp_path):
    with pytest.raises(BackdropError, match="run `dvc repro` to make it"):
        read_table(tmp_path / "things.parquet", THINGS)
