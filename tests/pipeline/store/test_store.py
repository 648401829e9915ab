"""Files and folders are written whole or not at all; what was there stays."""

from __future__ import annotations

import errno
import os
import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers_files import dead_process

from pipeline.errors import BackdropError
from pipeline.store import atomic
from pipeline.store.atomic import (
    atomic_folder,
    atomic_path,
    read_json,
    require_writable,
    sweep,
    write_bytes,
    write_json,
)
from pipeline.store.hdf5 import FLOW, create
from stages.prepare_data import MAX_NAME_BYTES


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
    for target in (tmp_path / "file" / "inner", tmp_path / "file" / "more" / "inner"):
        with pytest.raises(BackdropError, match=r"cannot be written .* — a file stands where"):
            write_bytes(target, b"")
    with pytest.raises(BackdropError, match="a file stands where a folder should be"):
        atomic_folder(tmp_path / "file" / "inner").__enter__()


def test_a_file_that_is_a_folder_is_told(tmp_path):
    with pytest.raises(BackdropError, match=r"\(Is a directory\) — that is a folder"):
        write_bytes(tmp_path, b"")


def test_a_name_that_is_too_long_is_told(tmp_path):
    words = r"x: cannot be written \(File name too long\) — give what it is named after a shorter"
    with pytest.raises(BackdropError, match=words):
        write_bytes(tmp_path / ("x" * 250), b"")
    with pytest.raises(BackdropError, match=words):
        atomic_folder(tmp_path / ("x" * 250)).__enter__()
    with pytest.raises(BackdropError, match=words.replace("x:", r"x\.h5:")):
        write_flow(tmp_path / ("x" * 250 + ".h5"))
    assert names(tmp_path) == []


def test_the_longest_name_of_a_video_can_be_written(tmp_path):
    write_json(tmp_path / ("x" * MAX_NAME_BYTES + ".json"), {})
    write_flow(tmp_path / ("x" * MAX_NAME_BYTES + ".h5"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_and_a_folder_that_is_read_only_have_their_remedy(tmp_path, number):
    def fail():
        with atomic_path(tmp_path / "file"):
            raise OSError(number, os.strerror(number))

    with pytest.raises(BackdropError, match="free disk space or make the folder writable, then"):
        fail()


@pytest.mark.parametrize("name", ["new", "old", "not/yet/there"])
def test_what_can_be_written_passes_the_check_and_nothing_is_left(tmp_path, name):
    (tmp_path / "old").write_text("old")
    require_writable(tmp_path / name)
    assert names(tmp_path) == ["old"]


@pytest.mark.parametrize("name", ["file/inner", "file/more/inner", "folder", "locked/inner"])
def test_what_cannot_be_written_fails_the_check_as_it_would_fail_then(tmp_path, monkeypatch, name):
    (tmp_path / "file").touch()
    for folder in ("folder", "locked"):
        (tmp_path / folder).mkdir()
    # Nothing is locked to root, who may run this: the system's answer is put in its mouth.
    monkeypatch.setattr(
        atomic.os, "access", lambda path, mode: mode == os.F_OK or path.name != "locked"
    )
    with pytest.raises(BackdropError) as told:
        require_writable(tmp_path / name)
    assert str(told.value).startswith(f"{tmp_path / name}: cannot be written (")
    if name != "locked/inner":
        with pytest.raises(BackdropError) as failed:
            write_bytes(tmp_path / name, b"")
        assert told.value.remedy == failed.value.remedy


def test_folder_appears_as_a_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("old")
    with atomic_folder(target) as temporary:
        (temporary / "new").write_text("new")
        assert (target / "old").exists()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["folder"]


def replace_folder(target):
    with atomic_folder(target) as temporary:
        for number in range(3):
            (temporary / f"new{number}").write_text("new")


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    for number in range(3):
        (target / f"old{number}").write_text("old")
    return target


OLD, NEW = ["old0", "old1", "old2"], ["new0", "new1", "new2"]


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "fails"), KeyboardInterrupt()])
def test_a_removal_of_the_old_folder_that_fails_takes_nothing_of_either(
    folder, monkeypatch, failure
):
    def removes_one_file(path, ignore_errors=False):
        if path.exists():
            next(path.iterdir()).unlink()
            if not ignore_errors or isinstance(failure, KeyboardInterrupt):
                raise failure

    monkeypatch.setattr(atomic.shutil, "rmtree", removes_one_file)
    with suppress(BackdropError, KeyboardInterrupt):
        replace_folder(folder)
    assert names(folder) == NEW


def fail_at(monkeypatch, calls, failure):
    """Let the calls of these numbers to `Path.replace` raise."""
    replace, count = Path.replace, iter(range(10))

    def fails(self, target):
        if next(count) in calls:
            raise failure
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)


@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "fails"), KeyboardInterrupt()])
def test_an_exchange_of_folders_that_fails_leaves_the_old_one(folder, monkeypatch, call, failure):
    fail_at(monkeypatch, {call}, failure)
    with pytest.raises((BackdropError, KeyboardInterrupt)) as told:
        replace_folder(folder)
    if isinstance(failure, OSError):
        assert str(told.value).endswith("; what was there is unchanged")
    assert names(folder) == OLD
    assert names(folder.parent) == ["folder"]


def test_an_exchange_that_cannot_be_undone_keeps_both_and_the_next_run_undoes_it(
    folder, monkeypatch
):
    aside = folder.with_name(".folder.old")
    with monkeypatch.context() as patch:
        fail_at(patch, {1, 2}, OSError(errno.EIO, "fails"))
        with pytest.raises(BackdropError, match=rf"; what was there is now in {aside}, and the"):
            replace_folder(folder)
    assert sorted(map(tuple, map(names, folder.parent.iterdir()))) == [tuple(NEW), tuple(OLD)]
    with pytest.raises(BackdropError, match=r"folder: was being .* back in place — run the same"):
        replace_folder(folder)
    assert names(folder) == OLD
    replace_folder(folder)
    assert names(folder) == NEW
    assert names(folder.parent) == ["folder"]


def test_what_a_killed_run_put_aside_is_not_removed_where_another_folder_stands(folder):
    aside = folder.with_name(".folder.old")
    aside.mkdir()
    with pytest.raises(BackdropError, match=rf"killed; what it held may be in {aside} — move"):
        replace_folder(folder)
    assert names(folder) == OLD
    assert aside.exists()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_not_replaced_by_one(folder, kind):
    target = folder.with_name("target")
    if kind == "link":
        target.symlink_to(folder)
    else:
        target.touch()
    with pytest.raises(BackdropError, match=r"target: cannot be written \(Not a directory\)"):
        replace_folder(target)
    assert names(folder.parent) == ["folder", "target"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_killed_writers_left_of_it_is_swept_and_nothing_else(tmp_path, monkeypatch, kind):
    dead = dead_process()
    mine = [
        f".clip.pt.{dead}.partial",
        f".clip.{dead}.partial.pt",
        f".clip.pt.{os.getpid()}.partial",
    ]
    theirs = [f".clip.pt.{os.getppid()}.partial", f".clip.{os.getppid()}.partial.pt"]
    others = [f".clip.{dead}.partial", f".other.pt.{dead}.partial", f".clip.pt.{dead}.partial.old"]
    for name in (*mine, *theirs, *others):
        if kind == "folder":
            (tmp_path / name / "inner").mkdir(parents=True)
        else:
            (tmp_path / name).touch()
    sweep(tmp_path / "clip.pt")
    assert names(tmp_path) == sorted([*theirs, *others])
    sweep(tmp_path / "not/there")


def test_what_another_user_works_on_is_left_to_them(tmp_path, monkeypatch):
    def refuse(process, number):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (tmp_path / f".clip.{dead_process()}.partial").mkdir()
    monkeypatch.setattr(atomic.os, "kill", refuse)
    sweep(tmp_path / "clip")
    assert len(names(tmp_path)) == 1


def test_json_is_the_same_bytes_whatever_the_order(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1, "y": None})
    write_json(tmp_path / "b.json", {"y": None, "x": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(BackdropError, match=r"a\.json: is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_errors_survive_the_way_between_processes():
    error = BackdropError("is bad", where="file", remedy="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "file: is bad — mend it"
