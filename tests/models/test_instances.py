from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.instances import IdKeeper, label


def box(x: float, y: float) -> list[float]:
    return [x, y, 10.0, 20.0]


def test_ids_follow_subjects_when_the_order_of_probability_changes():
    ids = IdKeeper(2)
    assert ids.assign(np.array([box(0, 0), box(50, 0)])) == [0, 1]
    assert ids.assign(np.array([box(48, 0), box(2, 1)])) == [1, 0]
    assert ids.assign(np.array([box(46, 0)])) == [1]  # one is lost ...
    assert ids.assign(np.array([box(44, 0), box(3, 1)])) == [1, 0]  # ... and comes back


def test_the_closest_pair_is_matched_first():
    ids = IdKeeper(3)
    ids.assign(np.array([box(0, 0), box(8, 0)]))
    # The first overlaps both; the second is exactly where id 0 was.
    assert ids.assign(np.array([box(5, 0), box(0, 0)])) == [1, 0]


def test_a_newcomer_leaves_the_id_of_who_is_briefly_away_while_another_is_unused():
    ids = IdKeeper(3)
    ids.assign(np.array([box(0, 0), box(50, 0)]))
    assert ids.assign(np.array([box(50, 0), box(90, 0)])) == [1, 2]
    assert ids.assign(np.array([box(0, 0), box(50, 0), box(90, 0)])) == [0, 1, 2]


@given(st.lists(st.lists(st.integers(0, 5), unique=True, max_size=3), max_size=12))
def test_a_newcomer_takes_an_unused_id_or_else_the_one_unseen_for_longest(frames):
    """Against a record of who had which id when; subjects 0..5 stand far apart."""
    ids, history = IdKeeper(3), []
    for present in frames:
        given_ids = ids.assign(np.array([box(100 * who, 0) for who in present]).reshape(-1, 4))
        holder = {number: who for frame in history for number, who in frame.items()}
        seen = {number: at for at, frame in enumerate(history) for number in frame}
        expected = {who: number for number, who in holder.items() if who in present}
        for who in present:
            if who not in expected:
                free = set(range(3)) - set(expected.values())
                expected[who] = min(free, key=lambda number: (seen.get(number, -1), number))
        assert given_ids == [expected[who] for who in present]
        history.append(dict(zip(given_ids, present, strict=True)))


def test_each_pixel_goes_to_the_highest_soft_value_and_else_to_the_nearer_box():
    soft = np.zeros((2, 4, 8), np.uint8)
    soft[0, 1, :5] = 200
    soft[1, 1, 4:] = 201
    mask = np.zeros((4, 8), bool)
    mask[1:3] = True
    boxes = np.array([[0, 0, 4, 4], [4, 0, 4, 4]], np.float32)
    labels = label(mask, soft, boxes)
    assert labels[1].tolist() == [1] * 4 + [2] * 4
    assert labels[2].tolist() == [1] * 4 + [2] * 4  # the CRF's pixels
    assert not labels[[0, 3]].any()
    boxes[1] = np.nan
    assert set(
        np.unique(label(mask, soft * np.array([1, 0])[:, None, None].astype(np.uint8), boxes))
    ) == {0, 1}


def test_the_nearer_box_is_told_in_its_own_sides_and_only_where_soft_values_are_equal():
    mask, soft = np.ones((12, 4), bool), np.zeros((2, 12, 4), np.uint8)
    boxes = np.array([[0, 0, 4, 8], [0, 10, 4, 2]], np.float32)
    labels = label(mask, soft, boxes)
    # At y = 8.5 and 9.5 the centre of the low box is nearer in px, that of the high one in heights.
    assert labels.tolist() == [[1] * 4] * 10 + [[2] * 4] * 2
    turned = label(mask.T, soft.transpose(0, 2, 1), boxes[:, [1, 0, 3, 2]])
    assert (turned == labels.T).all()
    soft[1] = 1
    assert (label(mask, soft, boxes) == 2).all()


@pytest.mark.parametrize(("away", "expected"), [(8, 0), (9, 1)])
def test_a_box_follows_from_a_tenth_of_overlap_on(away, expected):
    """10 px wide and shifted by 8 or 9 px: an IoU of 2/18 or 1/19."""
    ids = IdKeeper(2)
    ids.assign(np.array([box(0, 0)]))
    assert ids.assign(np.array([box(away, 0)])) == [expected]


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=3), min_size=1, max_size=5))
def test_no_two_boxes_of_a_frame_share_an_id_however_much_they_overlap(frames):
    ids = IdKeeper(3)
    for places in frames:
        given_ids = ids.assign(np.array([box(x, 0) for x in places]))
        assert len(set(given_ids)) == len(places)
        assert set(given_ids) <= {0, 1, 2}
