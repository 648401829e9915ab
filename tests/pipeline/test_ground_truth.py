"""Masks are read as they are meant, and refused in words."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from pipeline.errors import BackdropError
from pipeline.ground_truth import GroundTruth, open_truth
from pipeline.truth_files import TruthFiles


def write(folder, name, mask):
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), mask if mask.dtype == np.uint16 else mask.astype(np.uint8))


def truth_of(folder, frames, size=None):
    return GroundTruth(TruthFiles(str(folder), "clip.mp4", frames).by_frame(), size)


@pytest.fixture
def marked():
    """6x8, the subject in rows 1-2 and columns 3-5."""
    mask = np.zeros((6, 8), np.uint8)
    mask[1:3, 3:6] = 255
    return mask


def test_order_is_that_of_the_frames_and_natural(tmp_path, marked):
    for number in (2, 10, 1):
        write(tmp_path, f"{number}.png", marked * (number == 10))
    truth = truth_of(tmp_path, 3)
    assert [bool(truth.load(frame).any()) for frame in range(3)] == [False, False, True]
    assert truth.load(3) is None
    np.testing.assert_array_equal(truth.load(2), marked > 0)


@pytest.mark.parametrize("value", [255, 1])
@pytest.mark.parametrize("channels", [1, 3])
def test_off_is_zero_and_on_is_the_other_value(tmp_path, marked, value, channels):
    picture = np.where(marked > 0, value, 0)
    write(tmp_path, "0.png", picture if channels == 1 else np.stack([picture] * 3, axis=-1))
    np.testing.assert_array_equal(truth_of(tmp_path, 1).load(0), marked > 0)


def test_a_frame_without_a_mask_has_no_truth_instead_of_an_empty_one(tmp_path, marked):
    write(tmp_path, "00002.png", marked)
    truth = truth_of(tmp_path, 4)
    assert [truth.load(frame) is None for frame in range(4)] == [True, True, False, True]


def test_a_crop_of_the_frames_is_a_crop_of_the_truth(tmp_path, marked):
    write(tmp_path, "0.png", marked)
    attributes = {"source_width": 8, "source_height": 6, "crop": np.array([4, 2, 3, 4])}
    truth = open_truth(TruthFiles(str(tmp_path), "clip.mp4", 1), attributes)
    np.testing.assert_array_equal(truth.load(0), marked[2:6, 4:7] > 0)


def test_no_folder_in_the_table_is_no_ground_truth():
    attributes = {"source_width": 8, "source_height": 6, "crop": np.array([0, 0, 8, 6])}
    assert open_truth(TruthFiles("", "clip.mp4", 1), attributes).load(0) is None


@pytest.mark.parametrize(
    ("name", "picture", "told"),
    [
        ("0.png", np.full((6, 9), 255), r"0\.png: is 9x6, but the video is 8x6"),
        ("0.png", np.arange(48).reshape(6, 8), r"0\.png: holds more than two values"),
        ("0.png", np.full((6, 8), 255, np.uint16), r"0\.png: has 16 bits a value .* has 8 "),
        ("0.png", np.arange(144).reshape(6, 8, 3) % 2, r"0\.png: is coloured"),
    ],
)
def test_wrong_masks_are_named(tmp_path, name, picture, told):
    write(tmp_path, name, picture)
    with pytest.raises(BackdropError, match=told):
        truth_of(tmp_path, 1, (8, 6)).load(0)


def test_a_damaged_mask_is_named(tmp_path):
    (tmp_path / "00000.png").write_bytes(b"\x89PNG not really")
    with pytest.raises(BackdropError, match=r"00000\.png: is not a readable picture"):
        truth_of(tmp_path, 1).load(0)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BackdropError, match=re.escape(str(tmp_path / "gone"))):
        truth_of(tmp_path / "gone", 1)


def test_daviss_own_annotations(test_data):
    folder = test_data / "davis2016_train/Annotations/480p/rollerblade"
    mask = truth_of(folder, len(list(folder.iterdir())), (854, 480)).load(0)
    assert mask.shape == (480, 854)
    assert 0.01 < mask.mean() < 0.5
