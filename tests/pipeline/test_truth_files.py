"""Every mask finds its frame, or is named with what to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BackdropError
from pipeline.truth_files import TruthFiles

NUMBERED = [f"{number:05d}.jpg" for number in range(0, 70, 5)]  # every fifth, as in YouTube-VOS


def touch(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def of_file(tmp_path, names, frames=14):
    """The masks of a video file that is not there: no more than their names is looked at."""
    return TruthFiles(str(touch(tmp_path / "masks/clip", names)), "clip.mp4", frames)


def of_folder(tmp_path, names, pictures):
    video = touch(tmp_path / "clip", pictures)
    return TruthFiles(str(touch(tmp_path / "masks/clip", names)), str(video), len(pictures))


def names_by_frame(truth):
    return {frame: mask.name for frame, mask in truth.by_frame().items()}


def test_numbers_are_those_of_the_frames_the_first_being_0(tmp_path):
    truth = of_file(tmp_path, ["00000.png", "5.png", "frame_00012.png"])
    assert names_by_frame(truth) == {0: "00000.png", 5: "5.png", 12: "frame_00012.png"}
    assert truth.rule() == (
        "masks for 3 of 14 frames, by the numbers in their names: 00000.png is frame 0's, and the "
        "first frame is 0"
    )


@given(
    labelled=st.sets(st.integers(0, 39), min_size=1),
    beyond=st.integers(0, 5),
    prefix=st.sampled_from(["", "frame_", "take 2 - "]),
    digits=st.integers(1, 6),
    data=st.data(),
)
def test_some_masks_of_a_file_lie_where_their_names_say(
    tmp_path_factory, labelled, beyond, prefix, digits, data
):
    frames = max(labelled) + 1 + beyond
    names = {frame: f"{prefix}{frame:0{digits}d}.png" for frame in labelled}
    folder = tmp_path_factory.mktemp("file")
    truth = of_file(folder, names.values(), frames)
    assert names_by_frame(truth) == names
    kept = data.draw(st.lists(st.integers(0, frames - 1), unique=True).map(sorted))
    places = [place for place, frame in enumerate(kept) if frame in labelled]
    assert truth.places(kept) == tuple(places)


@given(
    numbers=st.sets(st.integers(0, 300), min_size=2, max_size=30).map(sorted),
    picked=st.data(),
    prefixes=st.tuples(*2 * [st.sampled_from(["", "img", "a_"])]),
)
def test_some_masks_of_a_folder_go_with_the_picture_of_their_number(
    tmp_path_factory, numbers, picked, prefixes
):
    """Of whatever numbers, and with or without leading zeros."""
    of_picture, of_mask = prefixes
    places = picked.draw(st.sets(st.sampled_from(range(len(numbers))), min_size=1))
    masks = {place: f"{of_mask}{numbers[place]}.png" for place in places}
    pictures = [f"{of_picture}{number:05d}.jpg" for number in numbers]
    assert names_by_frame(of_folder(tmp_path_factory.mktemp("of"), masks.values(), pictures)) == (
        masks
    )


def test_a_picture_of_the_same_name_comes_before_one_of_the_same_number(tmp_path):
    truth = of_folder(
        tmp_path, ["left_1.png", "right_1.png"], ["left_1.jpg", "right_1.jpg", "x.jpg"]
    )
    assert names_by_frame(truth) == {0: "left_1.png", 1: "right_1.png"}
    assert truth.rule() == "masks for 2 of 3 frames, by the names of the frames' pictures"


@pytest.mark.parametrize("names", [["a.png", "b.png", "c.png"], ["1.png", "2.png", "10.png"]])
def test_as_many_as_frames_are_taken_in_order_which_is_said(tmp_path, names):
    truth = of_file(tmp_path, names, 3)
    assert names_by_frame(truth) == dict(enumerate(names))
    told = f"as many masks as frames, taken in order: {names[0]} is the first frame's"
    assert truth.rule() == told


def test_where_order_and_names_agree_nothing_is_said(tmp_path):
    assert of_file(tmp_path / "file", ["00000.png", "00001.png"], 2).rule() == ""
    masks = [name.replace("jpg", "png") for name in NUMBERED]
    assert of_folder(tmp_path / "davis", masks, NUMBERED).rule() == ""
    assert TruthFiles("", "clip.mp4", 3).rule() == ""


FROM_ONE = "if these names count from 1, lower each by 1"
WRONG = {
    "a number too high": (["1.png", "99.png"], "99.png: is of no frame of 'clip.mp4', which has"),
    "counted from 1": (["1.png", "14.png"], f"of which the first is 0: {FROM_ONE}"),
    "no number": (["5.png", "first.png"], "first.png: has a name that does not end in a number"),
    "twice": (
        ["00005.png", "5.png"],
        "5.png: and 00005.png are two masks of frame 5 of 'clip.mp4'",
    ),
    "too many": (
        [f"{number}.png" for number in range(15)],
        "holds 15 masks (0.png to 14.png), but",
    ),
    "none": ([], "clip: holds no masks of 'clip.mp4' — put them into it, or remove it"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_matched_is_named_with_its_video(tmp_path, case):
    names, told = WRONG[case]
    with pytest.raises(BackdropError, match=re.escape(told)) as caught:
        of_file(tmp_path, names).by_frame()
    for word in (str(tmp_path / "masks/clip"), "'clip.mp4'", " — "):
        assert word in str(caught.value)
    assert (FROM_ONE in str(caught.value)) == (case == "counted from 1")


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("00001.png", NUMBERED),
        ("1.png", ["a.jpg", "b.jpg"]),
        ("1.png", ["left_1.jpg", "right_1.jpg"]),  # the number does not tell
        ("1.png", ["1.jpg", "1.bmp", "2.jpg"]),  # nor does the name
    ],
)
def test_a_mask_of_no_picture_is_named_with_its_folder(tmp_path, name, pictures):
    truth = of_folder(tmp_path, [name], pictures)
    with pytest.raises(BackdropError) as caught:
        truth.by_frame()
    count = f"with 1 masks for the {len(pictures)} frames of '{tmp_path / 'clip'}', names decide"
    assert f"{name}: has the name of none of the pictures: {count}" in str(caught.value)
    assert "name it as its frame's picture is named" in str(caught.value)
