"""Videos are found and named; two of one name are an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_files import refuse_to_enter, refuse_to_list
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


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def pictures(folder: Path, count: int = 2) -> None:
    touch(*(folder / f"{number}.png" for number in range(count)))


def test_frames_beside_a_video_file_are_not_guessed_at(tmp_path):
    pictures(tmp_path / "day1")
    touch(tmp_path / "day1/preview.mp4", tmp_path / "x.mp4")
    for path in (tmp_path / "day1", tmp_path):
        with pytest.raises(BackdropError, match=r"day1: holds 2 pictures and 'preview\.mp4'"):
            find_videos([path])


def test_a_cover_and_thumbnails_beside_video_files_are_no_frames(tmp_path):
    touch(tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "cover.jpg")
    assert names(tmp_path) == ["a", "b"]
    touch(*(tmp_path / name for name in ("a.jpg", "b.mp4.jpg")))
    (tmp_path / "cover.jpg").unlink()
    assert names(tmp_path) == ["a", "b"]


def test_a_bare_stream_beside_its_container_is_not_a_second_video(tmp_path, caplog):
    """Cameras write a.h264, and people put it into a.mp4."""
    touch(tmp_path / "a.h264", tmp_path / "a.mp4", tmp_path / "b.h264")
    assert [source.path.name for source in find_videos([tmp_path])] == ["a.mp4", "b.h264"]
    assert caplog.messages == [f"{tmp_path / 'a.h264'}: left out: a.mp4 has the same name"]


def test_folders_that_are_not_searched_are_named_in_one_line(tmp_path, caplog):
    touch(tmp_path / "x.mp4", tmp_path / "day1/a.mp4", tmp_path / "empty/notes.txt")
    pictures(tmp_path / "clipframes/images")
    pictures(tmp_path / "masks/x")
    assert names(tmp_path) == ["x"]
    (told,) = caplog.messages
    assert told.startswith(f"{tmp_path}: ")
    assert "left out: clipframes, day1 —" in told


def test_what_was_given_too_is_not_told_as_left_out(tmp_path, caplog):
    touch(tmp_path / "x.mp4", tmp_path / "day1/a.mp4")
    assert names(tmp_path, tmp_path / "day1") == ["a", "x"]
    assert not caplog.messages


def test_with_nothing_else_the_error_names_the_folders_that_are_not_searched(tmp_path):
    touch(tmp_path / "day1/a.mp4", tmp_path / "day2/b.mp4")
    with pytest.raises(BackdropError, match="its folders do: day1, day2 — these are not searched"):
        find_videos([tmp_path])


def test_a_folder_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, monkeypatch, caplog):
    touch(tmp_path / "x.mp4")
    (tmp_path / "lost+found").mkdir()
    refuse_to_list(monkeypatch, tmp_path / "lost+found")
    assert names(tmp_path) == ["x"]
    assert caplog.messages == [
        f"{tmp_path / 'lost+found'}: left out, because it cannot be read (Permission denied)"
    ]


def test_a_link_to_where_one_may_not_look_is_left_out_with_a_warning(tmp_path, monkeypatch, caplog):
    touch(tmp_path / "mine/x.mp4", tmp_path / "secret/far/0.png")
    (tmp_path / "mine/link").symlink_to(tmp_path / "secret/far")
    is_dir = Path.is_dir

    def refusing(path: Path) -> bool:
        if path.name == "link":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refusing)
    assert names(tmp_path / "mine") == ["x"]
    assert "link: left out" in caplog.text


def test_a_path_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    touch(tmp_path / "secret/x.mp4")
    refuse_to_enter(monkeypatch, tmp_path / "secret")
    for path in (tmp_path / "secret/x.mp4", tmp_path / "secret"):
        with pytest.raises(BackdropError, match=r"secret.x\.mp4: cannot be read \(Permission"):
            find_videos([path])
    refuse_to_list(monkeypatch, tmp_path / "secret")
    with pytest.raises(
        BackdropError, match=r"secret: cannot be read \(Permission denied\) — check"
    ):
        find_videos([tmp_path / "secret"])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_that_of_the_numbers(numbers):
    ordered = sorted((f"f{n}.png" for n in numbers), key=natural_key)
    assert ordered == [f"f{n}.png" for n in sorted(numbers)]


@pytest.mark.parametrize(
    "frames", ["masks/clip", "Annotations/480p/clip", "masks/Annotations/clip"]
)
def test_pictures_that_by_their_folder_are_masks_are_taken_with_a_warning(tmp_path, caplog, frames):
    pictures(tmp_path / frames)
    for asked in (tmp_path / frames, (tmp_path / frames).parent):
        caplog.clear()
        assert names(asked) == ["clip"]
        (told,) = caplog.messages
        assert told.startswith(f"{asked}: its pictures are taken for videos")
        assert f"'{frames.split('/')[0]}' holds masks" in told


def test_frames_elsewhere_and_video_files_are_taken_without_a_word(tmp_path, caplog):
    pictures(tmp_path / "masks_1" / "clip")
    touch(tmp_path / "masks" / "clip.mp4")
    assert names(tmp_path / "masks_1") == names(tmp_path / "masks") == ["clip"]
    assert not caplog.messages


@pytest.mark.parametrize("given", [".", "walk"])
def test_masks_among_the_frames_are_refused(tmp_path, given):
    write_pictures(tmp_path / "walk", numbered(3))
    for picture in sorted((tmp_path / "walk").iterdir()):
        picture.with_suffix(".bmp").write_bytes(picture.read_bytes())
    with pytest.raises(
        BackdropError, match=r"walk: holds both .*\.bmp' and .*: is one of them a mask"
    ):
        find_videos([tmp_path / given])
