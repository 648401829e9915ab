"""Homographies of pairs, joined: as products that are known, there and back."""

from __future__ import annotations

import numpy as np
import pytest

from models.camera_path import CameraPath


def shift(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def at(H: np.ndarray, x: float, y: float) -> np.ndarray:
    u, v, w = H @ [x, y, 1.0]
    return np.array([u / w, v / w])


def test_shifts_add_up_in_both_directions():
    """The camera goes right by 1, 2, 3 px: what is at x in frame 3 was at x + 6 in frame 0."""
    path = CameraPath({0: shift(1), 1: shift(2), 2: shift(3)})
    np.testing.assert_allclose(at(path.between(3, 0), 10, 5), [16, 5])
    np.testing.assert_allclose(at(path.between(0, 3), 16, 5), [10, 5])
    np.testing.assert_allclose(at(path.between(2, 1), 10, 5), [12, 5])
    np.testing.assert_array_equal(path.between(2, 2), np.eye(3))


def test_turns_and_zooms_are_joined_in_their_order():
    """Each frame's px to a common plane by a matrix of its own; pairs are made from these."""
    rng = np.random.default_rng(0)
    planes = [np.eye(3) + 0.01 * rng.normal(size=(3, 3)) * [1, 1, 0.001] for _ in range(5)]
    steps = {t: np.linalg.inv(planes[t]) @ planes[t + 1] for t in range(4)}
    path = CameraPath(steps)
    for source in range(5):
        for target in range(5):
            expected = np.linalg.inv(planes[target]) @ planes[source]
            found = path.between(source, target)
            np.testing.assert_allclose(at(found, 31, 17), at(expected, 31, 17), atol=1e-9)


@pytest.mark.parametrize(("source", "target", "way"), [(0, 4, True), (1, 3, True), (0, 3, False)])
def test_with_a_gap_only_every_other_frame_can_be_reached(source, target, way):
    path = CameraPath({t: shift(1) for t in range(3)}, gap=2)
    found = path.between(source, target)
    if way:
        np.testing.assert_allclose(found, shift(-(target - source) / 2))
    assert (found is not None) == way


def test_there_is_no_way_over_a_pair_that_is_missing():
    path = CameraPath({0: shift(1), 2: shift(1)})
    assert path.between(0, 2) is None
    assert path.between(3, 1) is None
    assert path.between(3, 2) is not None
