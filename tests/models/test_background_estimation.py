"""The background behind subjects that walk, rest, or change with the light: known here."""

from __future__ import annotations

import numpy as np
import pytest

from models.background_estimation import TOLERANCE, agrees, coverage, estimate_background, level

RNG = np.random.default_rng(0)
EMPTY = RNG.integers(80, 200, (24, 32, 3)).astype(np.uint8)


def film(places: list[int | None], coats: list[int]) -> np.ndarray:
    """A block 8 px wide, 16 high at column `place`, of one grey `coat`, over noise of a level."""
    frames = []
    for place, coat in zip(places, coats, strict=True):
        frame = EMPTY.astype(int) + RNG.integers(-1, 2, EMPTY.shape)
        if place is not None:
            frame[4:20, place : place + 8] = coat
            frame[4:8, place : place + 8] = 255 - coat  # a head
        frames.append(frame.clip(0, 255))
    return np.array(frames, np.uint8)


def test_behind_one_who_walks_it_is_found_to_a_level():
    frames = film([t % 24 for t in range(48)], [20] * 48)
    found = estimate_background(frames)
    assert np.abs(found.image.astype(int) - EMPTY).max() <= 2
    hidden = np.array([[(np.abs(f.astype(int) - EMPTY) > TOLERANCE).any(axis=2)] for f in frames])
    np.testing.assert_allclose(found.coverage, 1 - hidden[:, 0].mean(axis=0), atol=0.05)


def test_behind_those_who_rest_longer_than_they_are_away_it_is_found_where_a_median_fails():
    # Three people, with jackets and shoes of other colours and all in the same dark trousers, stand
    # at one place for 33 of 48 frames: the trousers are what is seen most there.
    frames = film([None] * 48, [0] * 48)
    for first, jacket in ((0, 10), (16, 40), (32, 240)):
        frames[first : first + 11, 2:14, 10:18] = jacket
        frames[first : first + 11, 14:18, 12:16] = 25
        frames[first : first + 11, 18:22, 10:18] = jacket
    median = np.median(frames, axis=0)
    assert (np.abs(median - EMPTY) > TOLERANCE).any(axis=2).sum() >= 16
    found = estimate_background(frames)
    assert agrees(found.image, EMPTY).all()
    assert found.coverage[15, 14] == pytest.approx(15 / 48, abs=0.01)


def test_light_that_drifts_neither_moves_the_background_nor_counts_as_a_subject():
    frames = film([t % 24 for t in range(48)], [20] * 48).astype(int)
    drift = np.linspace(-25, 25, 48).astype(int)[:, None, None, None]
    lit = (frames + drift).clip(0, 255).astype(np.uint8)
    found = estimate_background(lit)
    assert agrees(found.image, EMPTY).all()
    assert found.coverage.mean() > 0.8
    assert agrees(level(lit, EMPTY)[0], lit[0]).mean() < 0.1  # the shift was taken out


def test_coverage_counts_frames():
    frames = np.stack([EMPTY, EMPTY, EMPTY])
    frames[0, :5, :5] = 0
    expected = np.ones((24, 32), np.float32)
    expected[:5, :5] = 2 / 3
    np.testing.assert_allclose(coverage(frames, EMPTY), expected, atol=1e-6)


@pytest.mark.parametrize("colour", range(3))
def test_pictures_agree_where_no_colour_differs_by_more_than_the_tolerance(colour):
    one, other = np.full((2, 4, 5, 3), 100, np.uint8)
    other[1, 2, colour] += TOLERANCE
    other[3, 4, colour] -= TOLERANCE + 1
    expected = np.ones((4, 5), bool)
    expected[3, 4] = False
    np.testing.assert_array_equal(agrees(one, other), expected)


def test_of_all_frames_that_agree_it_is_the_median():
    """Each pixel is seen at five levels, in another order than its neighbour."""
    order = np.arange(100).reshape(10, 10)
    frames = np.stack([100 + (order + t) % 5 for t in range(5)])[..., None].repeat(3, axis=3)
    assert (estimate_background(frames.astype(np.uint8)).image == 102).all()
