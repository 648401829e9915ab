import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, texture

from models.warping import MESH_SIZE, mesh_displacement, read_mesh, source_positions, warp_onto

SIZE = (60, 80)
H = around_centre(SIZE, degrees=5.0, zoom=1.1, shift=(6.0, -3.0), tilt=(3e-4, 1e-4))


def smooth_image():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([2 * x + 20, 3 * y + 10, x + y], -1).astype(np.uint8)


def test_without_a_mesh_the_plane_is_warped():
    source = texture(*SIZE)
    shown, seen = warp_onto(source, H, None, SIZE)
    np.testing.assert_array_equal(shown, cv2.warpPerspective(source, H, SIZE[::-1]))
    place = source_positions(H, None, SIZE)
    depth = np.minimum(place, np.array(SIZE[::-1]) - 1 - place).min(-1)  # px inside the source
    assert seen[depth > 1 / 16].all(), "OpenCV places px to a 32nd"
    assert not seen[depth < -1 / 16].any()
    assert 0.5 < seen.mean() < 0.99


@pytest.mark.parametrize("mesh", [None, np.zeros((4, 5, 2), np.float32)])
def test_the_positions_in_the_source_tell_what_is_shown(mesh):
    source = smooth_image()
    shown, seen = warp_onto(source, H, mesh, SIZE)
    place = source_positions(H, mesh, SIZE)
    expected = np.stack([2 * place[..., 0] + 20, 3 * place[..., 1] + 10, place.sum(-1)], -1)
    assert np.abs(shown - expected)[seen].max() < 1.5
    assert (place[seen] > -0.1).all()
    assert (place[seen] < np.array(SIZE[::-1]) - 0.9).all()


def test_positions_are_by_the_inverse_homography():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    there = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(H).T
    expected = there[..., :2] / there[..., 2:]
    np.testing.assert_allclose(source_positions(H, None, SIZE), expected, atol=1e-3)


def test_a_constant_mesh_shifts_the_plane():
    mesh = np.full((6, 8, 2), (2.0, -1.0), np.float32)
    source = texture(*SIZE)
    shown, seen = warp_onto(source, np.eye(3), mesh, SIZE)
    np.testing.assert_array_equal(shown[1:, :-2], source[:-1, 2:])
    expected = np.zeros(SIZE, bool)
    expected[1:, :-2] = True
    np.testing.assert_array_equal(seen, expected)


def test_a_mesh_is_exact_for_a_linear_displacement():
    rows, cols = np.mgrid[:6, :8].astype(np.float32)
    mesh = np.stack([cols / 7, rows / 5], -1)
    dense = mesh_displacement(mesh, SIZE)
    x, y = np.linspace(0, 1, SIZE[1]), np.linspace(0, 1, SIZE[0])
    np.testing.assert_allclose(dense[..., 0], np.tile(x, (SIZE[0], 1)), atol=1e-5)
    np.testing.assert_allclose(dense[..., 1], np.tile(y[:, None], (1, SIZE[1])), atol=1e-5)


def test_a_mesh_takes_up_what_the_plane_leaves():
    source, mesh = texture(*SIZE), np.zeros((6, 8, 2), np.float32)
    mesh[2:4, 3:6] = (3.0, 1.0)
    shown, _ = warp_onto(source, H, mesh, SIZE)
    plane, _ = warp_onto(source, H, None, SIZE)
    changed = (shown != plane).any(-1)
    assert changed[SIZE[0] // 2, SIZE[1] // 2]
    assert not changed[:11].any(), "a vertex reaches no further than its neighbours"


def test_a_grey_source_is_shown_as_grey():
    shown, seen = warp_onto(texture(*SIZE)[..., 0], H, None, SIZE)
    assert shown.shape == seen.shape == SIZE


def test_a_stored_mesh_is_read_back():
    mesh = np.arange(np.prod(MESH_SIZE) * 2, dtype=np.float32).reshape(*MESH_SIZE, 2)
    np.testing.assert_array_equal(read_mesh(mesh.ravel().tolist()), mesh)
    assert read_mesh([]) is None
