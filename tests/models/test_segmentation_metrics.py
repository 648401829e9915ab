"""J and F against the published definition, written slowly, and against closed forms."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from models.segmentation_metrics import (
    THRESHOLDS,
    boundary_measure,
    contour_map,
    region_similarities,
    region_similarity,
)

masks = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def slow_contour(mask):
    """seg2bmap, pixel by pixel: differs from its east, south or south-east neighbour."""
    height, width = mask.shape
    contour = set()
    for y in range(height):
        for x in range(width):
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            inside = [n for n in neighbours if n[0] < height and n[1] < width]
            if any(mask[n] != mask[y, x] for n in inside):
                contour.add((y, x))
    return contour


def slow_f(mask, truth, tolerance):
    """Dilation by a disk is: some pixel of the other contour lies within the radius."""
    radius = math.ceil(tolerance * math.hypot(*mask.shape))
    ours, theirs = slow_contour(mask), slow_contour(truth)

    def matched(points, others):
        return sum(
            any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others) for y, x in points
        )

    if not ours and not theirs:
        precision = recall = 1.0
    elif not ours:
        precision, recall = 1.0, 0.0
    elif not theirs:
        precision, recall = 0.0, 1.0
    else:
        precision = matched(ours, theirs) / len(ours)
        recall = matched(theirs, ours) / len(theirs)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@given(masks)
def test_j_is_shared_pixels_over_all_pixels(pair):
    ours = {tuple(p) for p in np.argwhere(pair[0])}
    theirs = {tuple(p) for p in np.argwhere(pair[1])}
    expected = len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0
    assert region_similarity(*pair) == expected


@settings(deadline=None)
@given(masks, st.sampled_from([0.008, 0.1, 0.25]))
def test_f_is_daviss(pair, tolerance):
    assert boundary_measure(*pair, tolerance) == pytest.approx(slow_f(*pair, tolerance))


@given(masks)
def test_f_does_not_depend_on_the_order(pair):
    assert boundary_measure(*pair) == pytest.approx(boundary_measure(*pair[::-1]))


@given(masks)
def test_contour_is_that_of_the_published_code(pair):
    assert {tuple(p) for p in np.argwhere(contour_map(pair[0]))} == slow_contour(pair[0])


def test_f_on_random_blobs_of_a_real_size():
    rng = np.random.default_rng(1)
    noise = rng.random((2, 60, 80))
    smooth = sum(np.roll(noise, (i, j), (1, 2)) for i in range(-6, 7) for j in range(-6, 7))
    a, b = smooth > np.median(smooth, axis=(1, 2), keepdims=True)
    assert 0 < slow_f(a, b, 0.02) < 1
    assert boundary_measure(a, b, 0.02) == pytest.approx(slow_f(a, b, 0.02))


def rectangle(x, y, width, height, shape=(100, 100)):
    mask = np.zeros(shape, bool)
    mask[y : y + height, x : x + width] = True
    return mask


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 9 / 11), (5, 1 / 3), (10, 0.0)])
def test_j_of_shifted_squares(shift, expected):
    a, b = rectangle(20, 20, 10, 10), rectangle(20 + shift, 20, 10, 10)
    assert region_similarity(a, b) == pytest.approx(expected)


def test_f_forgives_a_shift_within_the_tolerance_and_no_more():
    square = rectangle(30, 30, 40, 40)  # diagonal 141 px: radius ceil(1.13) = 2
    assert boundary_measure(square, rectangle(32, 30, 40, 40)) == 1.0
    assert boundary_measure(square, rectangle(33, 30, 40, 40)) < 0.6


@pytest.mark.parametrize("measure", [region_similarity, boundary_measure])
def test_empty_masks(measure):
    empty, square = rectangle(0, 0, 0, 0), rectangle(5, 5, 10, 10)
    assert measure(empty, empty) == 1.0
    assert measure(empty, square) == 0.0
    assert measure(square, empty) == 0.0


def test_a_full_frame_has_no_contour():
    full = np.ones((20, 30), bool)
    assert boundary_measure(full, full) == 1.0
    assert boundary_measure(full, ~full) == 1.0
    assert region_similarity(full, ~full) == 0.0


@given(masks, st.integers(0, 2**32 - 1))
def test_every_threshold_at_once(pair, seed):
    truth = pair[0]
    soft = np.random.default_rng(seed).integers(0, 21, truth.shape).astype(np.float32) / 20
    levels = np.asarray(THRESHOLDS, np.float32)
    expected = [region_similarity(soft > level, truth) for level in levels]
    np.testing.assert_allclose(region_similarities(soft, truth), expected)


def test_thresholds_are_daviss_steps():
    assert len(THRESHOLDS) == 19
    np.testing.assert_allclose(np.diff(THRESHOLDS), 0.05)


@pytest.mark.parametrize("measure", [region_similarity, boundary_measure])
def test_sizes_must_agree(measure):
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(4, 3\)"):
        measure(np.zeros((3, 4), bool), np.zeros((4, 3), bool))


def test_f_is_fast_enough_to_score_every_frame():
    y, x = np.mgrid[:480, :854]
    a = (x - 420) ** 2 + (y - 240) ** 2 < 150**2
    b = (x - 430) ** 2 + (y - 245) ** 2 < 150**2
    seconds = []
    for _ in range(5):
        start = time.process_time()
        boundary_measure(a, b)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05  # 5 ms measured; the slow definition takes minutes
