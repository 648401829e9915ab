"""Videos are found and named; two of one name are an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_video import numbered, write_pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BackdropError
from pipeline.video.folder import natural_key
from pipeline.video.sources import find_videos, video_name


def names(*paths: Path) -> list[str]:
    return [source.video for source in find_videos(paths)]


def test_files_folders_of_videos_and_folders_of_frames(tmp_path):
    for name in ("b10.mp4", "b2.MOV", ".hidden.mp4", "readme.txt"):
        (tmp_path / name).touch()
    write_pictures(tmp_path / "walk", numbered(2))
    write_pictures(tmp_path / "masks" / "walk", numbered(2))
    assert names(tmp_path) == ["b2", "b10", "walk"]
    assert names(tmp_path / "walk", tmp_path / "b2.MOV") == ["b2", "walk"]


def test_a_named_file_counts_whatever_its_suffix(tmp_path):
    (tmp_path / "recording.dat").touch()
    assert names(tmp_path / "recording.dat") == ["recording.dat"]


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(BackdropError, match=r"b\.mp4: is a link to .*gone\.mp4, which is missing"):
        find_videos([tmp_path])


def test_the_same_video_given_twice_is_one(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert names(tmp_path, tmp_path / "a.mp4") == ["a"]


def test_two_videos_of_one_name_are_both_named(tmp_path):
    for name in ("a.mp4", "a.mkv"):
        (tmp_path / name).touch()
    with pytest.raises(BackdropError, match="two videos of the same name 'a'") as caught:
        find_videos([tmp_path])
    assert "a.mp4" in str(caught.value)
    assert "a.mkv" in str(caught.value)


def test_nothing_to_find(tmp_path):
    with pytest.raises(BackdropError, match="holds no video"):
        find_videos([tmp_path])
    with pytest.raises(BackdropError, match="is missing"):
        find_videos([tmp_path / "nowhere"])


@settings(deadline=None, max_examples=40)
@given(st.text(min_size=1, max_size=30).filter(lambda name: "/" not in name and "\0" not in name))
def test_names_are_safe_as_file_names(name):
    safe = video_name(Path(name))
    assert safe
    assert all(letter.isalnum() or letter in "_.-" for letter in safe)
    assert Path(safe).name == safe.encode().decode()
    assert not safe.startswith(".")


def test_names_keep_the_letters_of_any_script_composed_alike():
    assert video_name(Path("Лыжник 3.mp4")) == "Лыжник_3"
    assert video_name(Path("滑雪.mov")) == "滑雪"
    assert video_name(Path("Skila\u0308ufer.mp4")) == video_name(Path("Skil\u00e4ufer.mp4"))


def test_a_folder_of_frames_with_another_inside_is_not_guessed_at(tmp_path):
    for folder in (tmp_path, tmp_path / "small"):
        folder.mkdir(exist_ok=True)
        for number in range(2):
            (folder / f"{number}.png").touch()
    with pytest.raises(BackdropError, match="holds 2 pictures and, in 'small', more of them"):
        find_videos([tmp_path])
    (tmp_path / "1.png").unlink()
    assert [source.video for source in find_videos([tmp_path])] == ["small"]  # 0.png: a cover


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_that_of_the_numbers(numbers):
    ordered = sorted((f"f{n}.png" for n in numbers), key=natural_key)
    assert ordered == [f"f{n}.png" for n in sorted(numbers)]
