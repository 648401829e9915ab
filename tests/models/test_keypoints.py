import cv2
import numpy as np
from helpers_motion import texture
from hypothesis import given, settings
from hypothesis import strategies as st

from models.keypoints import GRID, KeypointDetector, Keypoints, match, spread


def grey(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def test_one_textured_corner_does_not_take_all_keypoints():
    image = texture(256, 256) // 4 + 96
    image[:96, :96] = texture(96, 96, seed=1)
    plain = cv2.SIFT.create(100, contrastThreshold=0.01).detect(grey(image), None)
    corner_by_strength = np.mean([max(point.pt) < 96 for point in plain])
    points = KeypointDetector(100, contrast=0.01).detect(grey(image)).points
    corner = np.mean(points.max(axis=1) < 96)
    assert corner_by_strength > 0.8
    assert corner < 0.4


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(1, 60), st.integers(0, 1000))
def test_spread_takes_the_strongest_of_each_cell_in_turn(count, limit, seed):
    rng = np.random.default_rng(seed)
    size = (60, 80)
    points = rng.uniform(0, 1, (count, 2)).astype(np.float32) * [79, 59]
    response = rng.permutation(count).astype(np.float32)
    kept = spread(points.astype(np.float32), response, size, limit)
    assert len(kept) == min(count, limit)
    assert (np.diff(kept) > 0).all()
    cells = [tuple(cell) for cell in (points.astype(np.float32) // (80 / GRID)).astype(int)]
    taken = {cell: sum(cells[i] == cell for i in kept) for cell in cells}
    for i in set(range(count)) - set(kept):  # left out: its cell gave as many as any, all stronger
        in_cell = [j for j in kept if cells[j] == cells[i]]
        assert all(response[j] > response[i] for j in in_cell)
        assert taken[cells[i]] >= max(taken.values()) - 1


def test_a_point_of_a_small_frame_is_where_it_is_drawn():
    image = np.full((64, 96), 100, np.uint8)
    cv2.circle(image, (40, 24), 5, 220, -1)
    points = KeypointDetector(50).detect(image).points
    assert np.linalg.norm(points - [40, 24], axis=1).min() < 0.5


def test_no_texture_no_keypoints():
    found = KeypointDetector(100).detect(np.full((72, 96), 128, np.uint8))
    assert len(found) == 0
    assert len(match(found, found, 0.8)) == 0


def test_matches_agree_with_brute_force():
    image = texture(120, 160)
    detector = KeypointDetector(150)
    source, target = detector.detect(grey(image)), detector.detect(grey(np.roll(image, 7, axis=1)))
    expected = []
    for i, one in enumerate(source.descriptors):
        distance = np.linalg.norm(target.descriptors - one, axis=1)
        j, second = np.argsort(distance, kind="stable")[:2]
        back = np.linalg.norm(source.descriptors - target.descriptors[j], axis=1).argmin()
        if distance[j] < 0.8 * distance[second] and back == i:
            expected.append((i, j))
    assert len(expected) > 30
    np.testing.assert_array_equal(match(source, target, 0.8), expected)


def test_descriptors_are_whole_numbers_so_that_matching_is_exact():
    found = KeypointDetector(200).detect(grey(texture(96, 128)))
    assert isinstance(found, Keypoints)
    assert (found.descriptors == np.rint(found.descriptors)).all()
    assert np.square(found.descriptors).sum(1).max() < 2**24
