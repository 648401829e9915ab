"""Frames are cached in order, at the right size, the same bytes each time; bad videos are named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers_video import (
    cut_file,
    number_of,
    numbered,
    rotate_header,
    texture,
    write_pictures,
    write_video,
)

from pipeline.errors import BackdropError
from pipeline.frame_index import load_index
from pipeline.frames import open_frames
from pipeline.store.paths import FRAMES, INDEX_TABLE, VIDEOS_TABLE
from pipeline.store.tables import VIDEOS, read_table
from stages import extract_frames, prepare_data


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    Path("data").mkdir()


def extract(prepare=True, **params):
    sections = {"prepare_data": {"root": "data"}, "extract_frames": {"longest_side": 64, **params}}
    Path("params.yaml").write_text(yaml.safe_dump(sections))
    if prepare:
        prepare_data.main()
    extract_frames.main()


def test_two_videos_in_order_and_their_index():
    write_video(Path("data/a.mp4"), numbered(10))
    write_pictures(Path("data/b"), numbered(4))
    write_pictures(Path("data/masks/b"), [np.zeros((48, 64, 3), np.uint8)] * 4)
    extract()
    with open_frames("a") as frames:
        assert [number_of(frames.read(n)) for n in range(frames.count)] == list(range(10))
        assert (frames.width, frames.height, frames.fps) == (64, 48, 25.0)
        assert frames.attributes["source"] == "a.mp4"
        assert list(frames.attributes["crop"]) == [0, 0, 64, 48]
    index = load_index()
    assert list(index["video"]) == ["a"] * 10 + ["b"] * 4
    assert list(index["frame"]) == [*range(10), *range(4)]


def test_ground_truth_changes_nothing_that_is_trained_on():
    write_video(Path("data/a.mp4"), numbered(10))
    extract()
    before = {path: path.read_bytes() for path in FRAMES.iterdir()}
    write_pictures(Path("data/masks/a"), [np.zeros((48, 64, 3), np.uint8)] * 10)
    extract()
    assert read_table(VIDEOS_TABLE, VIDEOS)["masks"].tolist() == ["data/masks/a"]
    assert {path: path.read_bytes() for path in FRAMES.iterdir()} == before


@pytest.mark.parametrize(
    ("rest", "decoded", "kept"),
    [({}, 20, 4), ({"max_frames": 2}, 13, 2), ({"max_frames": 9}, 20, 4)],
)
def test_what_was_decoded_and_what_was_kept_is_told(rest, decoded, kept, caplog):
    write_video(Path("data/a.mp4"), numbered(20))
    with caplog.at_level("INFO"):
        extract(stride=6, **rest)
    told = [line for line in caplog.messages if line.startswith("extract_frames: ")]
    assert told[0].startswith(f"extract_frames: {decoded} frames decoded in ")
    assert told[1] == f"extract_frames: {kept} of the videos' 20 frames kept"


def test_stride_and_max_frames():
    write_video(Path("data/a.mp4"), numbered(20))
    extract(stride=3, max_frames=5)
    index = load_index()
    assert list(index["source_frame"]) == [0, 3, 6, 9, 12]
    assert np.allclose(index["time_s"], index["source_frame"] / 25, atol=1e-3)
    with open_frames("a") as frames:
        assert [number_of(frames.read(n)) for n in range(5)] == [0, 3, 6, 9, 12]
        assert frames.fps == pytest.approx(25 / 3)


def test_rotation_pixel_aspect_and_crop_shape_the_frame():
    write_video(Path("data/wide.mp4"), [texture(48, 64)] * 3, pixel_aspect=Fraction(3, 2))
    rotate_header(write_video(Path("data/turned.mp4"), [texture(48, 64)] * 3))
    extract()
    with open_frames("wide") as wide, open_frames("turned") as turned:
        assert (wide.width, wide.height) == (64, 32)
        assert (turned.width, turned.height) == (48, 64)
    extract(crop=[0.0, 0.0, 0.5, 1.0])
    with open_frames("turned") as turned:
        assert (turned.width, turned.height) == (24, 64)


def test_jpeg_store():
    write_pictures(Path("data/a"), numbered(3))
    extract(store="jpeg")
    with open_frames("a") as frames:
        assert [number_of(frames.read(n)) for n in range(3)] == [0, 1, 2]
        assert frames.attributes["store"] == "jpeg"


@pytest.mark.parametrize("store", ["raw", "jpeg"])
def test_the_same_bytes_each_time(store):
    write_video(Path("data/a.mp4"), [texture(48, 64, seed) for seed in range(5)])
    extract(store=store)
    first = {path.name: path.read_bytes() for path in FRAMES.iterdir()}
    extract(store=store)
    assert {path.name: path.read_bytes() for path in FRAMES.iterdir()} == first
    assert str(Path.cwd()).encode() not in b"".join(first.values())


def shots():
    return [texture(48, 64, 1)] * 4 + [255 - texture(48, 64, 2) // 3] * 4


def test_scene_cuts_are_flagged_or_refused():
    write_video(Path("data/a.mp4"), shots())
    extract()
    with open_frames("a") as frames:
        assert frames.cuts == {4}
    with pytest.raises(BackdropError, match=r"a\.mp4: has 1 scene cut\(s\), at frame\(s\) 4"):
        extract(scene_cuts="error")


def test_all_black_is_refused_and_the_other_video_is_kept():
    write_video(Path("data/dark.mp4"), [np.zeros((48, 64, 3), np.uint8)] * 5)
    write_video(Path("data/good.mp4"), numbered(5))
    with pytest.raises(BackdropError, match=r"dark\.mp4: is all black.*1 of 2 videos failed"):
        extract()
    assert not INDEX_TABLE.exists()
    assert list(Path(".backdrop/unfinished/extract_frames").glob("*/good.h5"))


def test_a_video_that_was_damaged_since():
    path = write_video(Path("data/a.mkv"), [texture(48, 64, n) for n in range(40)])
    extract()
    cut_file(path, 0.5)
    with pytest.raises(BackdropError, match=r"a\.mkv: is damaged or cut short"):
        extract(prepare=False)


def test_one_kept_frame_is_refused():
    write_video(Path("data/a.mp4"), numbered(5))
    with pytest.raises(BackdropError, match="keeps one frame of 5"):
        extract(stride=9)


def test_a_video_replaced_after_it_was_read_is_told():
    """Of the same length: its frames must not stand under the other one's sha256."""
    path = write_video(Path("data/a.mp4"), numbered(10))
    extract()
    before = FRAMES / "a.h5"
    kept = before.read_bytes()
    write_video(path, [255 - image for image in numbered(10)])
    before.unlink()
    with pytest.raises(BackdropError, match=r"a\.mp4: is no longer what prepare_data read"):
        extract(prepare=False, stride=2)
    assert not before.exists()
    write_video(path, numbered(10))
    extract(prepare=False)
    assert before.read_bytes() == kept
