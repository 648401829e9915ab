from __future__ import annotations

import errno
import os
import pickle

import h5py
import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import BackdropError
from pipeline.store import atomic, hdf5
from pipeline.store.atomic import atomic_folder, atomic_path, read_json, write_bytes, write_json
from pipeline.store.hdf5 import FLOW, MASKS, create, is_complete, open_artifact
from pipeline.store.tables import read_table, table_schema, write_table

THINGS = table_schema("backdrop.things", 1, {"name": pa.string(), "value": pa.float64()})


def write_flow(path, values=(1.0, 2.0)):
    with create(path, FLOW) as file:
        file.create_dataset("flow", data=np.array(values, np.float16))
        file.attrs["backend"] = "dis"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class PowerCutError(Exception):
    """Stands for whatever ends a writer half-way."""


@pytest.mark.parametrize("existing", [True, False])
def test_half_written_never_appears_and_what_was_there_stays(tmp_path, existing):
    target = tmp_path / "file.bin"
    if existing:
        target.write_bytes(b"old")

    def half_write():
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise PowerCutError

    with pytest.raises(PowerCutError):
        half_write()
    assert names(tmp_path) == (["file.bin"] if existing else [])
    assert not existing or target.read_bytes() == b"old"


def test_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "file.json"
    write_json(target, {"a": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(BackdropError, match=r"file\.json: cannot be written \(No space left"):
        write_json(target, {"a": 2})
    assert read_json(target) == {"a": 1}
    assert names(tmp_path) == ["file.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackdropError, match="cannot be written"):
        write_bytes(tmp_path / "file" / "inner", b"")


def test_folder_appears_as_a_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("old")
    with atomic_folder(target) as temporary:
        (temporary / "new").write_text("new")
        assert (target / "old").exists()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["folder"]


def test_json_is_the_same_bytes_whatever_the_order(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1, "y": None})
    write_json(tmp_path / "b.json", {"y": None, "x": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(BackdropError, match=r"a\.json: is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_hdf5_round_trip_and_bytes_that_repeat(tmp_path):
    write_flow(tmp_path / "a.h5")
    write_flow(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with open_artifact(tmp_path / "a.h5", FLOW) as file:
        assert file["flow"][:].tolist() == [1.0, 2.0]
        assert file.attrs["backend"] == "dis"


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


def test_errors_survive_the_way_between_processes():
    error = BackdropError("is bad", where="file", remedy="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "file: is bad — mend it"
