"""Who was seen alone at rest is known again where the subject passes in front."""

from __future__ import annotations

import numpy as np
import pytest

from models.camera_path import CameraPath
from models.resting_parts import REACH, RestingParts

SIZE = (40, 60)
NOTHING = np.zeros(SIZE, bool)


def block(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def shifts(count: int, x: int, gap: int = 1) -> CameraPath:
    """A camera that goes right by `x` px a pair."""
    H = np.array([[1.0, 0, x], [0, 1, 0], [0, 0, 1]])
    return CameraPath(dict.fromkeys(range(count), H), gap)


STANDS = block(30, 10, 8, 20)


@pytest.mark.parametrize(("x", "alone", "now"), [(0, 0, 4), (2, 0, 4), (2, 6, 3), (-1, 2, 9)])
def test_what_does_not_move_where_they_stand_is_left_out(x, alone, now):
    """The camera pans; they were alone before or after."""
    stood = np.roll(STANDS, -x * alone, axis=1)
    stands = np.roll(STANDS, -x * now, axis=1)
    walker = np.roll(block(40, 12, 6, 18), -x * now, axis=1)
    places = RestingParts(shifts(10, x), lambda t, way: stood)
    places.add(alone, 0, stood)
    kept = places.select(now, stands | walker, walker)
    np.testing.assert_array_equal(kept, walker)


def test_what_moves_there_stays():
    """The subject stands in front of half of them and moves."""
    in_front = block(30, 10, 4, 20)
    places = RestingParts(shifts(5, 0), lambda t, way: STANDS)
    places.add(0, 0, STANDS)
    kept = places.select(2, STANDS | block(20, 10, 10, 20), in_front | block(20, 10, 10, 20))
    expected = block(20, 10, 15, 20)  # and a px more, for the flow's outline
    np.testing.assert_array_equal(kept, expected)


def test_what_rests_elsewhere_stays():
    """The subject's legs stand still, away from who is known to rest."""
    subject, body = block(45, 12, 8, 18), block(45, 12, 8, 9)
    places = RestingParts(shifts(5, 0), lambda t, way: STANDS)
    places.add(0, 0, STANDS)
    np.testing.assert_array_equal(places.select(2, STANDS | subject, body), subject)


def test_a_mask_that_would_be_nearly_gone_stays_whole():
    """Who rests is all there is: perhaps it is the subject."""
    places = RestingParts(shifts(5, 0), lambda t, way: STANDS)
    places.add(0, 0, STANDS)
    for beside in (NOTHING, block(0, 0, 3, 3)):
        mask = STANDS | beside
        np.testing.assert_array_equal(places.select(2, mask, NOTHING), mask)


def test_where_they_are_alone_themselves_no_place_is_needed():
    """The frame has left them out already."""
    walker = block(40, 12, 6, 18)
    places = RestingParts(shifts(5, 0), lambda t, way: STANDS)
    places.add(2, 0, STANDS)
    np.testing.assert_array_equal(places.select(2, walker, NOTHING), walker)


@pytest.mark.parametrize(
    ("alone", "now", "left_out"),
    [(0, REACH, True), (0, REACH + 1, False), (REACH + 1, REACH - 1, True), (2 * REACH, 0, False)],
)
def test_a_place_is_forgotten(alone, now, left_out):
    walker = block(40, 12, 6, 18)
    places = RestingParts(shifts(2 * REACH, 0), lambda t, way: STANDS)
    places.add(alone, 0, STANDS)
    kept = places.select(now, STANDS | walker, walker)
    np.testing.assert_array_equal(kept, walker if left_out else STANDS | walker)


def test_of_several_frames_the_nearest_on_each_side_are_asked():
    asked = []

    def read(t, way):
        asked.append((t, way))
        return STANDS

    places = RestingParts(shifts(20, 0), read)
    for number in (0, 1, 2, 7, 8):
        places.add(number, 5, STANDS)
    places.select(4, STANDS | block(40, 12, 6, 18), NOTHING)
    assert asked == [(2, 5), (7, 5)]


def test_with_a_gap_frames_of_the_same_phase_are_asked():
    asked = []

    def read(t, way):
        asked.append(t)
        return STANDS

    places = RestingParts(shifts(20, 0, gap=2), read)
    for number in (0, 1, 2, 3):
        places.add(number, 5, STANDS)
    places.select(7, STANDS, NOTHING)
    assert asked == [3]


def test_specks_have_no_place():
    """4 px of 2,400; from 5 on they are remembered."""
    walker = block(40, 12, 6, 18)
    for width, left_out in ((4, False), (5, True)):
        speck = block(38 - width, 12, width, 1)
        places = RestingParts(shifts(5, 0), lambda t, way, speck=speck: speck)
        places.add(0, 0, speck)
        kept = places.select(1, speck | walker, walker)
        np.testing.assert_array_equal(kept, walker if left_out else speck | walker)


def test_what_rests_is_left_out_to_a_px_around_the_place():
    """The mask there may be a px wider than it was, and not more."""
    walker = block(5, 12, 6, 18)
    places = RestingParts(shifts(5, 0), lambda t, way: STANDS)
    places.add(0, 0, STANDS)
    kept = places.select(2, block(28, 8, 12, 24) | walker, walker)
    expected = (block(28, 8, 12, 24) & ~block(29, 9, 10, 22)) | walker
    np.testing.assert_array_equal(kept, expected)


@pytest.mark.parametrize(("x", "by"), [(0.4, 0), (0.6, 1)])
def test_a_place_moves_with_the_camera_to_the_nearest_px(x, by):
    walker = block(5, 12, 6, 18)
    places = RestingParts(shifts(5, -x), lambda t, way: STANDS)
    places.add(0, 0, STANDS)
    kept = places.select(1, block(24, 10, 24, 20) | walker, walker)
    columns = np.flatnonzero((block(24, 10, 24, 20) & ~kept).any(axis=0))
    assert columns.tolist() == list(range(29 + by, 39 + by))


def test_where_they_are_alone_the_place_is_not_asked_though_the_mask_touches_it():
    """The frame has told the two apart: what is left of the mask there is the subject's."""
    beside = block(37, 12, 8, 18)  # shares a column of px with where they stood before
    places = RestingParts(shifts(5, 0), lambda t, way: STANDS)
    for number in (0, 1):
        places.add(number, 0, STANDS)
    np.testing.assert_array_equal(places.select(1, beside, NOTHING), beside)
    assert places.select(2, beside, NOTHING).sum() < beside.sum()
