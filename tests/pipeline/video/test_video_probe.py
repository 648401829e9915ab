"""What a video is said to be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from helpers_video import (
    copy_packets,
    cut_file,
    numbered,
    rotate_header,
    texture,
    write_pictures,
    write_video,
)

from pipeline.errors import BackdropError
from pipeline.video.probe import probe_video, read_header


def test_a_plain_video(tmp_path):
    info = probe_video(write_video(tmp_path / "a.mp4", numbered(30)))
    assert (info.codec, info.width, info.height) == ("h264", 64, 48)
    assert (info.frames, info.announced_frames) == (30, 30)
    assert info.fps == pytest.approx(25)
    assert info.duration_s == pytest.approx(1.2)
    assert info.constant_rate
    assert not info.damage.found


def test_variable_rate(tmp_path):
    ticks = [0, 40, 80, 240, 250, 400]
    info = probe_video(write_video(tmp_path / "a.mkv", numbered(6), ticks=ticks))
    assert not info.constant_rate
    assert info.fps == pytest.approx(5 / 0.4, rel=0.01)


def test_millisecond_clock_is_still_constant(tmp_path):
    ticks = [round(n * 1000 / 30) for n in range(30)]
    assert probe_video(write_video(tmp_path / "a.mkv", numbered(30), ticks=ticks)).constant_rate


def test_rotation_turns_size_and_pixels(tmp_path):
    path = write_video(tmp_path / "a.mp4", [texture(48, 64)] * 3, pixel_aspect=Fraction(4, 3))
    assert probe_video(path).pixel_aspect == pytest.approx(4 / 3)
    rotate_header(path)
    info = probe_video(path)
    assert (info.width, info.height) == (48, 64)
    assert info.rotation in (90, 270)
    assert info.pixel_aspect == pytest.approx(3 / 4)


def test_folder(tmp_path):
    info = probe_video(write_pictures(tmp_path / "clip", numbered(5)))
    assert (info.frames, info.announced_frames, info.fps) == (5, 5, 24.0)


def test_truncation_is_told_and_raised_on_demand(tmp_path):
    images = [texture(64, 96, seed) for seed in range(40)]
    path = cut_file(write_video(tmp_path / "a.mkv", images), 0.5)
    info = probe_video(path)
    assert info.frames < 40
    with pytest.raises(BackdropError, match=r"a\.mkv: is damaged or cut short"):
        info.require_whole()


def test_matroska_announces_no_count_but_a_duration(tmp_path):
    header = read_header(write_video(tmp_path / "a.mkv", numbered(30)))
    assert header.announced_frames is None
    assert header.expected_frames == 30


def test_real_clips(test_data: Path):
    info = probe_video(test_data / "clips" / "one_by_one_person.mp4")
    assert (info.frames, info.width, info.height, info.fps) == (921, 768, 432, 10.0)


@pytest.mark.parametrize("suffix", [".h264", ".webm"])
def test_a_video_that_states_no_duration_is_counted(tmp_path, suffix):
    """A raw stream; and a recording of a browser, which cannot go back to state it."""
    images = [texture(48, 64, seed) for seed in range(30)]
    whole = write_video(tmp_path / "a.mkv", images)
    path = tmp_path / f"b{suffix}"
    copy_packets(whole, path, live=suffix == ".webm")
    header = read_header(path)
    assert header.announced_frames is None
    assert header.expected_frames == 30
    assert probe_video(path).frames == 30


def test_a_relative_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    write_video(tmp_path / "12:30.mp4", numbered(30))
    monkeypatch.chdir(tmp_path)
    assert probe_video(Path("12:30.mp4")).frames == 30


def test_a_matroska_tag_that_is_no_duration_states_none(tmp_path):
    """Tags are free text; the frames are counted then."""
    path = write_video(tmp_path / "a.mkv", numbered(30))
    data = path.read_bytes()
    at = data.index(b"00:00:", data.index(b"DURATION"))
    path.write_bytes(data[:at] + b"1.2 s".ljust(18, b"\0") + data[at + 18 :])
    info = probe_video(path)
    info.require_whole()
    assert info.frames == 30
