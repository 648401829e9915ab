"""The trust in a pseudo-mask, in closed form on masks and flows that were made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.label_weights import (
    FLOW_DOUBT,
    area_agreement,
    background_agreement,
    flow_agreement,
    neighbour_agreement,
    pixel_agreement,
)

MASK = np.zeros((20, 30), bool)
MASK[5:15, 10:16] = True
ALL = np.ones_like(MASK)


def speeds(inside: float, outside: float) -> np.ndarray:
    return np.where(MASK, inside, outside).astype(np.float32)


@pytest.mark.parametrize(
    ("inside", "outside", "expected"),
    [(4, 0, 1.0), (3, 1, 0.5), (2, 2, 0.0), (1, 3, 0.0), (0.01, 0.02, 1.0)],
)
def test_flow_contrast_in_closed_form(inside, outside, expected):
    assert flow_agreement(MASK, speeds(inside, outside), ALL, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("inside", "outside", "expected"),
    [(0.4, 0, 1.0), (0.3, 0.1, 0.5), (0.2, 0.2, 0), (0.1, 0.3, 0), (0, 0, 0), (0.003, 0, 0)],
)
def test_contrast_with_the_background_in_closed_form(inside, outside, expected):
    assert background_agreement(MASK, speeds(inside, outside)) == pytest.approx(expected)


def test_without_an_inside_or_an_outside_the_background_says_nothing():
    assert background_agreement(ALL, speeds(1, 3)) == background_agreement(~ALL, speeds(1, 3)) == 1


def test_flow_that_is_not_valid_says_nothing():
    assert flow_agreement(MASK, speeds(1, 3), ~ALL, 0.1) == 1.0
    assert flow_agreement(MASK, speeds(1, 3), MASK, 0.1) == 1.0  # nothing seen around it


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_a_neighbour_that_only_moved_agrees_fully(right, down):
    moved = np.roll(MASK, (down, right), axis=(0, 1))
    assert neighbour_agreement(MASK, moved, most=5) == 1.0


def test_a_neighbour_too_far_is_compared_where_it_is():
    far = np.roll(MASK, 10, axis=1)
    assert neighbour_agreement(MASK, far, most=5) == 0.0


def test_a_neighbour_of_half_the_size_agrees_by_half():
    half = MASK.copy()
    half[:, 13:] = False
    assert neighbour_agreement(MASK, half, most=0.5) == 0.5
    assert neighbour_agreement(MASK, ~ALL, most=5) == 0.0
    assert neighbour_agreement(~ALL, MASK, most=5) == 0.0


@pytest.mark.parametrize(
    ("area", "usual", "expected"),
    [(0.1, 0.1, 1.0), (0.05, 0.1, 0.5), (0.4, 0.1, 0.25), (0, 0.1, 0), (0.7, 0.7, 0), (0.1, 0, 0)],
)
def test_empty_and_near_full_masks_count_nothing(area, usual, expected):
    assert area_agreement(area, usual) == pytest.approx(expected)


def test_pixels_lose_trust_where_the_soft_mask_contradicts():
    soft = np.where(MASK, 0.75, 0.1).astype(np.float32)
    trust = pixel_agreement(soft, MASK, speeds(0, 0), ALL, 0.1)
    np.testing.assert_allclose(trust, np.where(MASK, 0.75, 0.9), rtol=1e-6)


def test_pixels_lose_trust_where_the_flow_contradicts_and_only_where_it_is_valid():
    post = MASK.copy()
    post[:, 16:18] = MASK[:, 14:16]  # stands still beside the subject, in the mask
    speed = speeds(4, 0)
    valid = ALL.copy()
    valid[:10] = False
    trust = pixel_agreement(post.astype(np.float32), post, speed, valid, 0.1)
    assert trust[12, 17] == pytest.approx(1 - FLOW_DOUBT)
    assert trust[7, 17] == 1.0
    assert (trust[MASK] == 1.0).all()
    assert (trust[~post] == 1.0).all()
    other = pixel_agreement(MASK.astype(np.float32), MASK, np.full_like(speed, 3), ALL, 0.1)
    assert other[0, 0] == pytest.approx(1 - FLOW_DOUBT)  # moves like the mask, and outside


def test_a_pixel_counts_as_moving_from_half_of_the_masks_mean_speed():
    speed = speeds(4, 0)
    speed[0, :3] = 1, 2, 3  # outside of the mask: a half of that, all, and more
    trust = pixel_agreement(MASK.astype(np.float32), MASK, speed, ALL, 0.1)
    np.testing.assert_allclose(trust[0, :4], 1 - FLOW_DOUBT * np.array([0.5, 1, 1, 0]))


@pytest.mark.parametrize(("most", "expected"), [(4.2, 0.0), (4.3, 1.0)])
def test_how_far_a_neighbour_went_is_measured_as_the_crow_flies(most, expected):
    """3 px right and 3 down are 4.24 px; a square of 3 px then overlaps with nothing."""
    square = np.zeros_like(MASK)
    square[2:5, 2:5] = True
    moved = np.roll(square, (3, 3), axis=(0, 1))
    assert neighbour_agreement(square, moved, most=most) == expected


@pytest.mark.parametrize(("levels", "expected"), [(0.9, 0.0), (1.1, 1.0), (5.0, 1.0)])
def test_a_grey_level_of_difference_tells_a_mask_from_the_background(levels, expected):
    assert background_agreement(MASK, MASK * np.float32(levels / 255)) == expected


def test_speeds_that_are_not_valid_do_not_tell_how_fast_the_mask_moves():
    speed, valid = speeds(4, 0), ALL.copy()
    speed[:10], valid[:10] = 1000.0, False
    trust = pixel_agreement(MASK.astype(np.float32), MASK, speed, valid, 0.1)
    np.testing.assert_array_equal(trust, np.ones_like(speed))
