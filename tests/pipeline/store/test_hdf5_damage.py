"""Wrong bytes in an HDF5 artifact are one line that names it, wherever they are and are met."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.errors import BackdropError
from pipeline.frames import FrameReader, FrameWriter, from_jpeg
from pipeline.inspection import describe, draw_frame
from pipeline.store.hdf5 import FRAMES, MASKS, PACKED, create, open_artifact

SHAPE = (4, 32, 48)
DAMAGE = r"masks\.h5: is damaged or cut short \(some of it cannot be read\) — delete it and run"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    path = tmp_path / "masks.h5"
    with create(path, MASKS) as file:
        mask = file.create_dataset("mask", SHAPE, np.uint8, chunks=(1, *SHAPE[1:]), **PACKED)
        for number in range(SHAPE[0]):
            mask[number] = np.random.default_rng(number).integers(0, 2, SHAPE[1:])
        file.attrs["by"] = "student"
    return path


def spoil(path: Path, what: str) -> None:
    """Write zeros where the file holds a chunk, or a checksum of a data set or of the file."""
    with h5py.File(path, "r") as file:
        if what == "chunk":
            at = file["mask"].id.get_chunk_info(1).byte_offset
        else:
            part = file["mask"] if what == "data set" else file
            at = h5py.h5o.get_info(part.id).addr
    data = bytearray(path.read_bytes())
    data[at + 6 : at + 20] = bytes(14)
    path.write_bytes(data)


@pytest.mark.parametrize("what", ["chunk", "data set", "file"])
def test_it_is_told_by_whoever_reads(masks, what):
    spoil(masks, what)

    def read() -> None:
        with open_artifact(masks, MASKS) as file:
            file["mask"][1]

    with pytest.raises(BackdropError, match=DAMAGE):
        read()
    with pytest.raises(BackdropError, match=DAMAGE):
        describe(masks)
    with pytest.raises(BackdropError, match=DAMAGE):
        draw_frame(masks, 1)


def test_who_writes_and_reads_beside_a_whole_one_is_told_which_it_is(masks, tmp_path):
    """A stage, that is: what it writes takes an OSError for a full disk, and is open inside."""
    whole = tmp_path / "whole.h5"
    whole.write_bytes(masks.read_bytes())
    spoil(masks, "chunk")

    def work() -> None:
        with (
            open_artifact(masks, MASKS) as bad,
            open_artifact(whole, MASKS) as good,
            create(tmp_path / "new.h5", MASKS) as file,
        ):
            file["mask"] = bad["mask"][0] + good["mask"][0] + bad["mask"][1]

    with pytest.raises(BackdropError, match=DAMAGE):
        work()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks.h5", "whole.h5"]


def test_what_a_whole_file_does_not_hold_is_no_damage(masks):
    with open_artifact(masks, MASKS) as file:
        assert file.attrs.get("nothing") is None
        assert "nothing" not in file
        with pytest.raises(KeyError, match="nothing"):
            file["nothing"]
        with pytest.raises(KeyError, match="nothing"):
            file.attrs["nothing"]
        with pytest.raises(IndexError):
            file["mask"][SHAPE[0]]


def test_a_disk_that_fails_is_not_taken_for_damage(masks, monkeypatch):
    def fails(*_asked):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", fails)
    with open_artifact(masks, MASKS) as file, pytest.raises(OSError, match="Input/output error"):
        file["mask"][0]


@pytest.mark.parametrize("size", [0, 40])
def test_a_frame_of_no_or_half_a_jpeg_is_damaged(tmp_path, size):
    path = tmp_path / "clip.h5"
    with create(path, FRAMES) as file:
        writer = FrameWriter(file, 2, 32, 48, "jpeg", 90)
        writer.write(0, np.zeros((32, 48, 3), np.uint8))
        file["frames"][1] = np.full(size, 255, np.uint8)
        file.attrs.update({"store": "jpeg", "frames": 2, "height": 32, "width": 48})
    with FrameReader(path) as reader, pytest.raises(BackdropError, match=r"frame 1 is damaged"):
        reader.read(1)
    assert from_jpeg(np.empty(0, np.uint8)) is None


def test_inspect_prints_a_word_that_is_no_utf8(masks):
    masks.write_bytes(masks.read_bytes().replace(b"student", b"st\xeadent"))
    assert r"st\udceadent" in describe(masks)
