"""The videos table tells what is there; what cannot be used is named before anything is made."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers_video import numbered, write_pictures, write_video

from pipeline.errors import BackdropError
from pipeline.store.paths import VIDEOS_TABLE
from pipeline.store.tables import VIDEOS, read_table
from stages import prepare_data

RECIPE = {
    "seed": 3,
    "width": 96,
    "height": 64,
    "fps": 15,
    "clips": [
        {"video": f"v{n}", "split": split, "location": place, "subject": n, "camera": n}
        | {"frames": 2}
        for n, (split, place) in enumerate([("train", "slope"), ("test", "yard")])
    ],
}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    Path("data").mkdir()


def prepare(**params):
    section = {"prepare_data": {"root": "data", **params}}
    Path("params.yaml").write_text(yaml.safe_dump(section))
    prepare_data.main()
    return read_table(VIDEOS_TABLE, VIDEOS).set_index("video")


def test_files_and_folders_with_masks():
    video = write_video(Path("data/my clip.mp4"), numbered(6))
    write_pictures(Path("data/walk"), numbered(4))
    write_pictures(Path("data/masks/walk"), [np.zeros((48, 64, 3), np.uint8)] * 4)
    table = prepare()
    assert list(table.index) == ["my_clip", "walk"]
    clip, walk = table.loc["my_clip"], table.loc["walk"]
    assert (clip.path, clip.masks, clip.frames, clip.fps) == ("data/my clip.mp4", "", 6, 25.0)
    assert (walk.path, walk.masks, walk.width, walk.height) == (
        "data/walk",
        "data/masks/walk",
        64,
        48,
    )
    assert clip.sha256 == hashlib.sha256(video.read_bytes()).hexdigest()
    assert set(table["split"]) == {"train_test"}


def test_masks_of_some_frames_only_are_taken_and_told(caplog):
    write_video(Path("data/clip.mp4"), numbered(6))
    empty = np.zeros((48, 64, 3), np.uint8)
    write_pictures(Path("data/masks/clip"), [empty])
    write_pictures(Path("data/walk"), numbered(5))
    write_pictures(Path("data/masks/walk"), [empty] * 3)
    Path("data/masks/walk/0.png").unlink()
    with caplog.at_level("INFO"):
        table = prepare()
    assert dict(table["masks"]) == {"clip": "data/masks/clip", "walk": "data/masks/walk"}
    assert "'clip': masks for 1 of 6 frames, by the numbers in their names: 0.png" in caplog.text
    assert "'walk': masks for 2 of 5 frames, by the names of the frames' pictures" in caplog.text


def test_with_a_video_added_the_others_are_not_decoded_again_but_their_masks_are_read(caplog):
    write_video(Path("data/a.mp4"), numbered(6))
    write_pictures(Path("data/b"), numbered(4))
    write_pictures(Path("data/masks/b"), [np.zeros((48, 64, 3), np.uint8)] * 4)
    prepare()
    write_video(Path("data/c.mp4"), numbered(5))
    with caplog.at_level("INFO"):
        grown = prepare()
    assert "2 of 3 videos are as they were" in caplog.text
    shutil.rmtree(".backdrop")
    assert prepare().equals(grown)
    write_video(Path("data/d.mp4"), numbered(5))
    write_pictures(Path("data/masks/b"), [np.full((48, 64, 3), 7, np.uint8)] * 4)
    with pytest.raises(BackdropError, match=r"masks/b/.*holds the values 7"):
        prepare()


def test_a_picture_that_is_not_there_is_named():
    write_pictures(Path("data/walk"), numbered(4))
    Path("data/walk/9.png").symlink_to("nowhere.png")
    with pytest.raises(BackdropError, match=r"walk/9\.png: cannot be read"):
        prepare()


def test_another_video_of_the_same_name_is_decoded(caplog):
    for name in ("a", "b"):
        write_video(Path(f"data/{name}.mp4"), numbered(6))
    prepare()
    write_video(Path("data/a.mp4"), numbered(8))
    with caplog.at_level("INFO"):
        assert dict(prepare()["frames"]) == {"a": 8, "b": 6}
    assert "1 of 2 videos are as they were" in caplog.text


def test_a_changed_picture_changes_the_folders_hash():
    write_pictures(Path("data/walk"), numbered(4))
    before = prepare().loc["walk"].sha256
    write_pictures(Path("data/walk"), numbered(5)[1:])
    assert prepare().loc["walk"].sha256 != before


def test_splits_by_name_before_pattern():
    for name in ("a1", "a2", "b1"):
        write_pictures(Path("data", name), numbered(2))
    table = prepare(splits={"a2": "test", "a*": "train"}, default_split="val")
    assert dict(table["split"]) == {"a1": "train", "a2": "test", "b1": "val"}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_patterns_the_one_of_more_letters_counts_in_any_order(order):
    """DVC does not see the order of a mapping change."""
    for name in ("new_1", "old"):
        write_pictures(Path("data", name), numbered(2))
    given = [("*", "train"), ("new_*", "test"), ("?????", "val")]
    table = prepare(splits=dict(given[::order]))
    assert dict(table["split"]) == {"new_1": "test", "old": "train"}


@pytest.mark.parametrize("split", ["val", "test", "test_unseen"])
def test_nothing_to_train_on_is_told_before_anything_is_decoded(split):
    not_a_video()
    with pytest.raises(BackdropError, match=r"no video is in split 'train' or .*default_split"):
        prepare(default_split=split)
    Path("data/recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    with pytest.raises(BackdropError, match=r"prepare_data\.splits: no video is in split 'train'"):
        prepare(source="recipe", splits={"v*": split})
    assert not Path("artifacts").exists()


def test_a_folders_hash_is_over_names_sizes_and_bytes_and_a_name_may_be_no_utf8():
    pictures = write_pictures(Path("data/walk"), numbered(3))
    (pictures / "2.png").rename(pictures / "2é.png")
    (pictures / "0.png").rename(pictures / os.fsdecode(b"\xe90.png"))
    sha256 = prepare().loc["walk"].sha256
    digest = hashlib.sha256()
    for name in (b"1.png", "2é.png".encode(), b"\xe90.png"):
        data = Path(os.fsdecode(bytes(pictures) + b"/" + name)).read_bytes()
        digest.update(name + f" {len(data)}\n".encode() + data)
    assert sha256 == digest.hexdigest()


def test_a_split_of_an_unknown_video_is_an_error_with_a_suggestion():
    write_pictures(Path("data/walking"), numbered(2))
    with pytest.raises(BackdropError, match=r"'walkin' is no video .* did you mean 'walking'"):
        prepare(splits={"walkin": "test"})
    with pytest.raises(BackdropError, match=r"'7' is no video.*put such names in quotes"):
        prepare(splits={7: "test"})


def one_frame():
    write_video(Path("data/a.mp4"), numbered(1))


def twice():
    for name in ("a.mp4", "a.avi"):
        write_video(Path("data", name), numbered(3))


def not_a_video():
    Path("data/a.mp4").write_text("words")


def wrong_mask():
    write_pictures(Path("data/a"), numbered(3))
    write_pictures(Path("data/masks/a"), [np.full((48, 64, 3), 7, np.uint8)] * 3)


def mask_of_no_frame():
    write_video(Path("data/a.mp4"), numbered(3))
    write_pictures(Path("data/masks/a"), [np.zeros((48, 64, 3), np.uint8)])
    Path("data/masks/a/0.png").rename("data/masks/a/3.png")


def lost_masks():
    write_pictures(Path("data/walk"), numbered(3))
    write_pictures(Path("data/masks/wlak"), numbered(3))


def long_name():
    write_pictures(Path("data", "x" * 231), numbered(3))


def nothing():
    Path("data/readme.txt").touch()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (one_frame, r"a\.mp4: has one frame, and motion needs two"),
        (twice, "two videos of the same name 'a'"),
        (not_a_video, r"a\.mp4: is not a video"),
        (wrong_mask, r"masks/a/0\.png: holds the values 7"),
        (mask_of_no_frame, r"masks/a/3\.png: is of no frame of 'data/a\.mp4', which has frames 0"),
        (lost_masks, "wlak: holds masks of a video that is not there — did you mean 'walk'"),
        (long_name, "x: has a name of 231 bytes; 230 is the most, .* — give it a shorter name"),
        (nothing, "data: holds no video"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(make, words):
    make()
    with pytest.raises(BackdropError, match=words):
        prepare()
    assert not VIDEOS_TABLE.exists()


def test_a_missing_root():
    with pytest.raises(BackdropError, match=r"prepare_data\.root: 'nowhere' is not a folder"):
        prepare(root="nowhere")


@pytest.mark.parametrize("moves", [1, 2, 3, 4, 5])
def test_stopped_while_clips_are_moved_it_ends_as_if_it_had_not_been(monkeypatch, moves):
    Path("data/recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    prepare(source="recipe")
    files = {path: path.read_bytes() for path in Path("artifacts").rglob("*.*")}
    left, move = [moves], prepare_data.move

    def stops(source, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_data, "move", stops)
        with pytest.raises(KeyboardInterrupt):
            prepare(source="recipe")
    shutil.rmtree("artifacts")  # as DVC does before it runs a stage again
    prepare(source="recipe")
    assert {path: path.read_bytes() for path in Path("artifacts").rglob("*.*")} == files


def test_a_recipe_is_rendered_checked_and_listed():
    Path("data/recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    table = prepare(source="recipe")
    assert dict(table["split"]) == {"v0": "train", "v1": "test"}
    assert list(table["path"]) == ["artifacts/raw/v0.mp4", "artifacts/raw/v1.mp4"]
    assert sorted(path.name for path in Path("artifacts/raw/masks/v1").iterdir()) == [
        "00000.png",
        "00001.png",
    ]
    files = {path: path.read_bytes() for path in Path("artifacts").rglob("*.*")}
    prepare(source="recipe")
    assert {path: path.read_bytes() for path in Path("artifacts").rglob("*.*")} == files


@pytest.mark.parametrize(
    ("change", "named"),
    [("added", "c.mp4"), ("replaced", "a.mp4"), ("gone", "a.mp4"), ("mask", "masks/b/00002.png")],
)
def test_what_changes_while_videos_are_read_is_told(monkeypatch, change, named):
    """DVC reads the folder when the stage has ended, and would never read the new one."""
    path = write_video(Path("data/a.mp4"), numbered(4))
    write_video(Path("data/b.mp4"), numbered(4))
    masks = write_pictures(Path("data/masks/b"), [np.zeros((48, 64, 3), np.uint8)] * 4)
    check = prepare_data.check_videos

    def meanwhile(*arguments):
        rows = check(*arguments)
        if change == "added":
            os.link(path, "data/c.mp4")
        elif change == "replaced":
            write_video(path, numbered(6))
        elif change == "mask":
            shutil.copy(masks / "0.png", masks / "00002.png")
        else:
            path.rename("elsewhere.mp4")
        return rows

    monkeypatch.setattr(prepare_data, "check_videos", meanwhile)
    with pytest.raises(BackdropError, match=f"data/{named}: was changed, added or taken away"):
        prepare()
    assert not VIDEOS_TABLE.exists()
