"""Boxes of soft masks: tight, without specks, and sensible where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection_metrics import mask_box
from models.mask_box import mask_to_box


def rectangle(value=0.9, size=(24, 32)):
    soft = np.zeros(size, np.float32)
    soft[5:15, 8:14] = value
    return soft


@given(st.integers(0, 20), st.integers(0, 28), st.integers(1, 4), st.integers(1, 4))
def test_the_box_is_tight(top, left, height, width):
    soft = np.zeros((24, 32), np.float32)
    soft[top : top + height, left : left + width] = 0.8
    box, confidence = mask_to_box(soft)
    assert box.tolist() == [left, top, width, height]
    assert box.tolist() == list(mask_box(soft > 0.5))
    assert confidence == pytest.approx(0.8)


def test_specks_do_not_count_but_a_subject_in_two_parts_does():
    soft = rectangle()
    soft[1, 30] = 1.0
    assert mask_to_box(soft)[0].tolist() == [8, 5, 6, 10]
    soft[18:22, 8:14] = 0.7  # two fifths of the first: legs behind a fence
    box, confidence = mask_to_box(soft)
    assert box.tolist() == [8, 5, 6, 17]
    assert confidence == pytest.approx((60 * 0.9 + 24 * 0.7) / 84)


def test_a_halo_around_a_sure_subject_is_no_part_of_it():
    """With a clear part, a half decides: 0.48 is above half of the largest, and still unlikely."""
    soft = rectangle(0.48)
    soft[7:13, 9:13] = 0.9
    box, confidence = mask_to_box(soft)
    assert box.tolist() == list(mask_box(soft > 0.5)) == [9, 7, 4, 6]
    assert confidence == pytest.approx(0.9)


def test_a_faint_mask_gives_a_box_of_low_confidence():
    box, confidence = mask_to_box(rectangle(0.2))
    assert box.tolist() == [8, 5, 6, 10]
    assert confidence == pytest.approx(0.2)


def test_nothing_at_all_gives_the_frame_without_confidence():
    box, confidence = mask_to_box(np.zeros((24, 32), np.float32))
    assert box.tolist() == [0, 0, 32, 24]
    assert confidence == 0.0


def test_what_touches_by_a_corner_belongs_to_the_part():
    soft = np.zeros((24, 32), np.float32)
    soft[5:8, 8:11] = 0.9
    soft[8, 11] = 0.9  # alone it would be a speck
    assert mask_to_box(soft)[0].tolist() == [8, 5, 4, 4]


def test_a_mask_that_is_even_everywhere_has_a_box():
    """Nothing is above a half then, and the pixels above half of the largest value count."""
    box, confidence = mask_to_box(rectangle(0.5))
    assert box.tolist() == [8, 5, 6, 10]
    assert confidence == 0.5
