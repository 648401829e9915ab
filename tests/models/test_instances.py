from __future__ import annotations

import numpy as np

from models.instances import IdKeeper, label


def box(x: float, y: float) -> list[float]:
    return [x, y, 10.0, 20.0]


def test_ids_follow_subjects_when_the_order_of_probability_changes():
    ids = IdKeeper(2)
    assert ids.assign(np.array([box(0, 0), box(50, 0)])) == [0, 1]
    assert ids.assign(np.array([box(48, 0), box(2, 1)])) == [1, 0]
    assert ids.assign(np.array([box(46, 0)])) == [1]  # one is lost ...
    assert ids.assign(np.array([box(44, 0), box(3, 1)])) == [1, 0]  # ... and comes back


def test_the_closest_pair_is_matched_first_and_a_newcomer_takes_a_free_id():
    ids = IdKeeper(3)
    ids.assign(np.array([box(0, 0), box(8, 0)]))
    # The first overlaps both; the second is exactly where id 0 was.
    assert ids.assign(np.array([box(5, 0), box(0, 0)])) == [1, 0]
    assert ids.assign(np.array([box(90, 0), box(5, 0)])) == [0, 1]


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
