"""Cached frames are read back as written, in any order, in any process."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers_video import texture

from pipeline.errors import BackdropError
from pipeline.frame_index import videos_in_split
from pipeline.frames import FrameReader, FrameWriter
from pipeline.store.hdf5 import FLOW, FRAMES, create

IMAGES = [texture(48, 64, seed) for seed in range(6)]


def write(path: Path, store="raw") -> Path:
    with create(path, FRAMES) as file:
        writer = FrameWriter(file, len(IMAGES), 48, 64, store, 95)
        for index, image in enumerate(IMAGES):
            writer.write(index, image)
        file.attrs.update({"store": store, "fps": 12.5, "frames": 6, "height": 48, "width": 64})
        file.attrs["cuts"] = np.array([3])
    return path


def read_mean(reader: FrameReader) -> float:
    return float(reader.read(2).mean())


def test_raw_is_exact(tmp_path):
    with FrameReader(write(tmp_path / "a.h5")) as reader:
        assert (reader.count, reader.height, reader.width, reader.fps) == (6, 48, 64, 12.5)
        assert reader.cuts == {3}
        assert (reader.read(4) == IMAGES[4]).all()
        assert (reader.read_many([5, 0, 5]) == np.stack([IMAGES[5], IMAGES[0], IMAGES[5]])).all()


def test_jpeg_is_close_and_keeps_its_colours(tmp_path):
    with FrameReader(write(tmp_path / "a.h5", "jpeg")) as reader:
        assert np.abs(reader.read(1).astype(int) - IMAGES[1]).mean() < 10


def test_an_open_reader_crosses_into_other_processes(tmp_path):
    with FrameReader(write(tmp_path / "a.h5")) as reader:
        assert read_mean(reader) == IMAGES[2].mean()
        assert read_mean(pickle.loads(pickle.dumps(reader))) == IMAGES[2].mean()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context) as pool:
            assert pool.submit(read_mean, reader).result() == IMAGES[2].mean()


def test_reads_again_after_close(tmp_path):
    reader = FrameReader(write(tmp_path / "a.h5"))
    assert read_mean(reader) == read_mean(reader)
    reader.close()
    assert reader.count == 6
    reader.close()


def test_missing_and_foreign_artifacts_are_named(tmp_path):
    with pytest.raises(BackdropError, match=r"no\.h5: is missing"):
        FrameReader(tmp_path / "no.h5").read(0)
    with create(tmp_path / "flow.h5", FLOW):
        pass
    with pytest.raises(BackdropError, match=r"holds 'backdrop\.flow v2', expected"):
        FrameReader(tmp_path / "flow.h5").read(0)


def test_videos_in_split_keep_their_order():
    index = pd.DataFrame(
        {"video": ["b", "b", "a", "c"], "split": ["train", "train", "train_test", "val"]}
    )
    assert videos_in_split(index, {"train", "train_test"}) == ["b", "a"]
