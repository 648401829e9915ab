"""What is taken as an input, by which name, and what is refused before any work."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from helpers_video import number_of, numbered, texture, write_pictures, write_sound, write_video

from pipeline.errors import BackdropError
from pipeline.new_material.inputs import find_inputs
from pipeline.params.data import ExtractFrames

PARAMS = ExtractFrames(longest_side=64)


def test_videos_folders_of_frames_and_pictures_by_name(tmp_path):
    video = write_video(tmp_path / "A clip.mp4", numbered(5))
    frames = write_pictures(tmp_path / "run.1", numbered(12))
    picture = tmp_path / "photo.v2.JPG"
    cv2.imwrite(str(picture), texture(60, 80)[..., ::-1])
    found = {one.name: one for one in find_inputs([picture, frames, video], PARAMS, 1)}
    assert set(found) == {"A_clip", "run.1", "photo.v2"}
    assert [found[name].frames for name in ("A_clip", "run.1", "photo.v2")] == [5, 12, 1]
    assert [one.is_picture for one in found.values()].count(True) == 1
    (alone,) = found["photo.v2"].decode()
    assert (alone.height, alone.width) == (60, 80) == alone.image.shape[:2]
    assert [number_of(frame.image) for frame in found["run.1"].decode()] == list(range(12))


def test_a_folder_gives_all_its_videos(tmp_path):
    for name in ("b", "a"):
        write_video(tmp_path / f"{name}.mp4", numbered(3))
    assert [one.name for one in find_inputs([tmp_path], PARAMS, 1)] == ["a", "b"]


def test_every_nth_frame_with_its_own_number_and_time(tmp_path):
    video = write_video(tmp_path / "a.mp4", numbered(8), fps=10)
    (one,) = find_inputs([video], PARAMS, stride=3)
    taken = list(one.decode())
    assert [frame.index for frame in taken] == [0, 3, 6]
    assert [number_of(frame.image) for frame in taken] == [0, 3, 6]
    assert [frame.time_s for frame in taken] == pytest.approx([0, 0.3, 0.6])


def test_the_size_is_that_of_extract_frames(tmp_path):
    """128x96 px that are twice as wide as high show 256x96: 64x24 px."""
    wide = write_video(tmp_path / "w.mp4", numbered(2, 96, 128), pixel_aspect=Fraction(2))
    (one,) = find_inputs([wide], PARAMS, 1)
    assert (one.framing.height, one.framing.width) == (24, 64)
    assert one.framing.apply(np.zeros((96, 128, 3), np.uint8)).shape == (24, 64, 3)


def test_one_input_given_twice_is_one(tmp_path):
    video = write_video(tmp_path / "a.mp4", numbered(3))
    assert len(find_inputs([video, video, tmp_path], PARAMS, 1)) == 1


def test_two_inputs_of_one_name_are_refused(tmp_path):
    write_video(tmp_path / "a.mp4", numbered(3))
    cv2.imwrite(str(tmp_path / "a.png"), numbered(1)[0])
    with pytest.raises(BackdropError, match=r"a\.png would both be written to 'a'"):
        find_inputs([tmp_path / "a.mp4", tmp_path / "a.png"], PARAMS, 1)
    write_video(tmp_path / "more.mp4", numbered(3)).rename(tmp_path / "a.mkv")
    with pytest.raises(BackdropError, match="same name 'a'"):
        find_inputs([tmp_path / "a.mp4", tmp_path / "a.mkv"], PARAMS, 1)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("text.txt", "is not a video that FFmpeg can read"),
        ("fake.png", "fake.png"),
        ("sound.mp4", "holds only sound"),
        ("empty.mp4", "is empty"),
        ("nowhere.mp4", "is missing"),
        ("nowhere.png", "cannot be read"),
        ("nothing", "holds no video and no pictures"),
    ],
)
def test_what_is_neither_video_nor_picture_is_one_line(tmp_path, name, line):
    (tmp_path / "text.txt").write_text("These are words.\n" * 20)
    (tmp_path / "fake.png").write_text("So are these.")
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BackdropError, match=line) as told:
        find_inputs([tmp_path / name], PARAMS, 1)
    assert name in str(told.value)
