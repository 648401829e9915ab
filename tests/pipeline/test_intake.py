"""Finding a user's videos and ground truth, and bringing them into `data/raw`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers_intake import make_davis, touch, tree

from pipeline.errors import BackdropError
from pipeline.intake import collect, data_name, linked, place
from pipeline.mask_intake import ground_truth_folder, warn_of_unused_masks


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "DAVIS")


@pytest.mark.parametrize("below", ["", "JPEGImages", "JPEGImages/480p"])
def test_davis_is_found_from_its_folders(davis: Path, below: str) -> None:
    paths = [davis / below] if below != "JPEGImages" else [davis / "JPEGImages/480p/bear", davis]
    sources = collect(paths)
    assert [source.video for source in sources] == ["bear", "swan"]
    bear, swan = sources
    assert ground_truth_folder(bear) == davis / "Annotations/480p/bear"
    assert ground_truth_folder(swan) is None


def test_davis_is_placed_with_its_masks(davis: Path, tmp_path: Path) -> None:
    root = tmp_path / "data/raw/davis"
    assert place(collect([davis]), root, force=False)
    frames = [f"{video}/{n:05d}.jpg" for video in ("bear", "swan") for n in range(3)]
    assert tree(root) == [*frames[:3], *(f"masks/bear/{n:05d}.png" for n in range(3)), *frames[3:]]
    # What was placed is found again as it is.
    again = collect([root])
    assert [source.video for source in again] == ["bear", "swan"]
    assert ground_truth_folder(again[0]) == root / "masks/bear"


def test_files_are_linked_with_masks_beside_them(tmp_path: Path) -> None:
    clip = touch(tmp_path / "mine/A clip.MP4")
    mask = touch(tmp_path / "mine/masks/A_clip/00001.png", "source")
    root = tmp_path / "raw"
    place(collect([clip]), root, force=False)
    assert tree(root) == ["A_clip.MP4", "masks/A_clip/00001.png"]
    assert clip.samefile(root / "A_clip.MP4")
    assert linked(root)
    (root / "masks/A_clip/00001.png").write_text("edited in place")
    assert mask.read_text() == "source"


def test_masks_that_an_earlier_version_linked_become_copies(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a.mp4")
    mask = touch(tmp_path / "masks/a/0.png", "source")
    copy = tmp_path / "raw/masks/a/0.png"
    place(collect([clip]), tmp_path / "raw", force=False)
    copy.unlink()
    copy.hardlink_to(mask)
    assert place(collect([clip]), tmp_path / "raw", force=False)
    assert copy.read_text() == "source"
    assert not copy.samefile(mask)
    assert not place(collect([clip]), tmp_path / "raw", force=False)


def test_masks_follow_their_source_without_force(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a.mp4")
    mask = touch(tmp_path / "masks/a/0.png", "first")
    root = tmp_path / "raw"
    place(collect([clip]), root, force=False)
    mask.write_text("corrected")
    touch(tmp_path / "masks/a/1.png", "added")
    assert place(collect([clip]), root, force=False)
    assert (root / "masks/a/0.png").read_text() == "corrected"
    assert (root / "masks/a/1.png").read_text() == "added"
    place(collect([root]), root, force=False)  # given itself, it remembers where they came from
    mask.write_text("corrected again")
    assert place(collect([clip]), root, force=False)


def test_masks_whose_originals_are_gone_are_not_lost_unasked(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a.mp4")
    touch(tmp_path / "masks/a/0.png", "first")
    root = tmp_path / "raw"
    place(collect([clip]), root, force=False)
    shutil.rmtree(tmp_path / "masks")
    touch(root / "masks/a/.DS_Store")
    with pytest.raises(BackdropError, match=r"may lie nowhere else \(masks/a/0.png"):
        place(collect([clip]), root, force=False)
    assert (root / "masks/a/0.png").read_text() == "first"
    assert place(collect([clip]), root, force=True)
    assert tree(root) == ["a.mp4"]


def test_renamed_masks_follow_their_source_without_force(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a.mp4")
    masks = [touch(tmp_path / f"masks/a/{number}.png", f"mask {number}") for number in (7, 8)]
    root = tmp_path / "raw"
    place(collect([clip]), root, force=False)
    for mask in masks:
        mask.rename(mask.with_name(f"frame_{mask.name}"))
    assert place(collect([clip]), root, force=False)
    assert tree(root) == ["a.mp4", "masks/a/frame_7.png", "masks/a/frame_8.png"]
    (tmp_path / "masks/a/frame_8.png").rename(tmp_path / "masks/a/9.png")
    (tmp_path / "masks/a/frame_7.png").unlink()  # now nowhere but in the project
    with pytest.raises(BackdropError, match=r"may lie nowhere else \(masks/a/frame_7.png"):
        place(collect([clip]), root, force=False)


def test_an_equal_mask_of_another_frame_or_video_is_no_renamed_one(tmp_path: Path) -> None:
    """Masks of frames without a subject are all alike, but each says so of its own frame."""
    clips = [touch(tmp_path / f"{name}.mp4") for name in "ab"]
    empty = [touch(tmp_path / f"masks/{name}.png", "black") for name in ("a/0", "a/1", "b/0")]
    root = tmp_path / "raw"
    place(collect(clips), root, force=False)
    empty[1].unlink()
    with pytest.raises(BackdropError, match=r"may lie nowhere else \(masks/a/1.png"):
        place(collect(clips), root, force=False)
    empty[0].rename(tmp_path / "masks/a/7.png")  # one new name for two that are gone
    with pytest.raises(BackdropError, match=r"may lie nowhere else \(masks/a/1.png"):
        place(collect(clips), root, force=False)
    touch(tmp_path / "masks/a/8.png", "black")
    assert place(collect(clips), root, force=False)
    assert tree(root / "masks") == ["a/7.png", "a/8.png", "b/0.png"]


def test_a_damaged_record_of_masks_is_named(tmp_path: Path) -> None:
    clip = touch(tmp_path / "a.mp4")
    touch(tmp_path / "masks/a/0.png")
    place(collect([clip]), tmp_path / "raw", force=False)
    (tmp_path / ".raw.masks.json").write_text("{")
    with pytest.raises(BackdropError, match=r"\.raw\.masks\.json: is damaged.* --force"):
        place(collect([clip]), tmp_path / "raw", force=False)


def test_a_folder_of_frames_named_as_that_for_ground_truth_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "masks/0.png")
    with pytest.raises(BackdropError, match="'masks' is the name of the folder for ground truth"):
        place(collect([tmp_path / "masks"]), tmp_path / "raw", force=False)


@pytest.mark.parametrize("how", ["changed", "added"])
def test_masks_made_by_hand_in_the_project_are_not_lost(tmp_path: Path, how: str) -> None:
    clip = touch(tmp_path / "a.mp4")
    mask = touch(tmp_path / "masks/a/0.png", "first")
    root = tmp_path / "raw"
    place(collect([clip]), root, force=False)
    name = {"changed": "masks/a/0.png", "added": "masks/a/1.png"}[how]
    touch(root / name, "an hour of work")
    mask.write_text("second")
    with pytest.raises(
        BackdropError, match=rf"holds masks .* \({name}: put or changed there .* — save those"
    ):
        place(collect([clip]), root, force=False)
    assert (root / name).read_text() == "an hour of work"
    touch(tmp_path / name, "an hour of work")  # as the line says
    place(collect([clip]), root, force=False)
    assert (root / name).read_text() == "an hour of work"


def test_a_folder_of_masks_may_carry_the_videos_suffix(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [touch(tmp_path / f"{name}.mp4") for name in ("a", "b")]
    for name in ("a.mp4/0.png", "b/0.png", "b.mp4/0.png"):
        touch(tmp_path / "masks" / name)
    warn_of_unused_masks(collect(clips))
    masks = tmp_path / "masks"
    assert caplog.messages == [
        f"{masks}/b.mp4: left out, because masks are taken from {masks}/b — remove one"
    ]
    place(collect(clips), tmp_path / "raw", force=False)
    assert tree(tmp_path / "raw") == ["a.mp4", "b.mp4", "masks/a/0.png", "masks/b/0.png"]


def test_where_links_cannot_be_made_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    clip = touch(tmp_path / "clip.mp4", "content")
    place(collect([clip]), tmp_path / "raw", force=False)
    copy = tmp_path / "raw/clip.mp4"
    assert copy.read_text() == "content"
    assert not copy.samefile(clip)


def test_the_same_again_is_nothing_and_others_clash(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "one.mp4", "1"), touch(tmp_path / "two.mp4", "2")
    root = tmp_path / "raw"
    assert place(collect([one]), root, force=False)
    assert not place(collect([one]), root, force=False)
    with pytest.raises(BackdropError, match=r"raw: already holds other videos.*--name"):
        place(collect([two]), root, force=False)
    assert tree(root) == ["one.mp4"]
    assert place(collect([two]), root, force=True)
    assert tree(root) == ["two.mp4"]
    assert one.read_text() == "1"


def test_a_changed_original_is_another_video(tmp_path: Path) -> None:
    clip = touch(tmp_path / "clip.mp4", "first")
    root = tmp_path / "raw"
    place(collect([clip]), root, force=False)
    clip.unlink()
    touch(clip, "other")
    with pytest.raises(BackdropError, match="already holds other videos"):
        place(collect([clip]), root, force=False)


def test_what_lies_beside_the_same_videos_is_named_and_hidden_files_do_not_count(
    tmp_path: Path,
) -> None:
    root = tmp_path / "data/raw/mine"
    clips = [touch(root / f"{name}.mp4", name) for name in "ab"]
    touch(root / ".DS_Store")
    assert not place(collect(clips), root, force=False)
    touch(root / "notes.txt")
    with pytest.raises(BackdropError, match=r"already holds other videos \(notes.txt\)"):
        place(collect(clips), root, force=False)


def test_only_copies_are_not_lost_by_force(tmp_path: Path) -> None:
    root = tmp_path / "data/raw/mine"
    for name in "abc":
        touch(root / f"{name}.mp4", name)
    with pytest.raises(BackdropError, match=r"lose 2 file.*b\.mp4 the first.*move them elsewhere"):
        place(collect([root / "a.mp4"]), root, force=True)
    assert tree(root) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_suffix_that_no_stage_would_find_is_refused(tmp_path: Path) -> None:
    clip = touch(tmp_path / "clip.rec")
    with pytest.raises(BackdropError, match=r"clip\.rec: '\.rec' is not known.*rename it"):
        place(collect([clip]), tmp_path / "raw", force=False)
    assert not (tmp_path / "raw").exists()


def test_masks_are_found_by_the_videos_own_name(tmp_path: Path) -> None:
    clip = touch(tmp_path / "my clip.mp4")
    touch(tmp_path / "masks/my clip/00000.png")
    place(collect([clip]), tmp_path / "raw", force=False)
    assert tree(tmp_path / "raw") == ["masks/my_clip/00000.png", "my_clip.mp4"]


def test_placing_a_part_of_what_is_placed(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    clips = [touch(tmp_path / f"{name}.mp4", name) for name in "ab"]
    place(collect(clips), root, force=False)
    place(collect([root / "a.mp4"]), root, force=True)
    assert tree(root) == ["a.mp4"]
    assert (root / "a.mp4").read_text() == "a"


def test_more_videos_are_added_without_force_and_hidden_files_stay(tmp_path: Path) -> None:
    one = touch(tmp_path / "grow/one.mp4", "1")
    root = tmp_path / "raw"
    place(collect([one.parent]), root, force=False)
    touch(root / ".note")
    touch(tmp_path / "grow/two.mp4", "2")
    touch(tmp_path / "grow/masks/one/0.png")
    assert place(collect([one.parent]), root, force=False)
    assert tree(root) == [".note", "masks/one/0.png", "one.mp4", "two.mp4"]
    assert one.samefile(root / "one.mp4")


def test_where_more_than_videos_to_add_differs_nothing_is_added(tmp_path: Path) -> None:
    one = touch(tmp_path / "grow/one.mp4", "1")
    root = tmp_path / "raw"
    place(collect([one.parent]), root, force=False)
    touch(tmp_path / "grow/two.mp4", "2")
    one.unlink()
    for content in (None, "other"):  # removed, changed
        if content:
            touch(one, content)
        with pytest.raises(BackdropError, match="already holds other videos"):
            place(collect([one.parent]), root, force=False)
    assert tree(root) == ["one.mp4"]
    assert (root / "one.mp4").read_text() == "1"


def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = touch(tmp_path / "clip.mp4")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(BackdropError, match=r"clip\.mp4: cannot be read \(Permission denied\)"):
        place(collect([clip]), tmp_path / "raw", force=False)
    monkeypatch.undo()
    place(collect([clip]), tmp_path / "raw", force=False)
    monkeypatch.setattr("filecmp.cmp", refuse)
    with pytest.raises(BackdropError, match=r"clip\.mp4: cannot be read \(Permission denied\)"):
        place(collect([clip]), tmp_path / "raw", force=False)


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["clips/one by one.mp4"], "one_by_one"),
        (["clips"], "clips"),
        (["clips/a.mp4", "clips/b.mp4"], "clips"),
        (["clips/_.v2"], "v2"),
    ],
)
def test_names_of_data(tmp_path: Path, paths: list[str], name: str) -> None:
    for path in paths:
        if Path(path).suffix == ".mp4":
            touch(tmp_path / path)
        else:
            (tmp_path / path).mkdir(parents=True)
    assert data_name([tmp_path / path for path in paths]) == name
