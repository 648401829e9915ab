import cv2
import numpy as np
import pytest
from helpers_motion import texture

from models.tracks import CELLS, corners, follow

SIZE = (72, 96)


def grey(seed=0, size=SIZE):
    return cv2.cvtColor(texture(*size, seed), cv2.COLOR_RGB2GRAY)


def shifted(image, dx, dy):
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    return cv2.warpAffine(image, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC)


def test_every_cell_gives_its_best_corner():
    image, side = grey(), SIZE[1] // CELLS
    strength = cv2.cornerMinEigenVal(image, 5)
    points = corners(image).astype(int)
    assert len(points) == (SIZE[0] // side) * CELLS
    assert len({(x // side, y // side) for x, y in points}) == len(points)
    for x, y in points:
        cell = strength[y // side * side :, x // side * side :][:side, :side]
        assert strength[y, x] == cell.max()


@pytest.mark.parametrize(
    "plain", [np.full(SIZE, 90, np.uint8), np.tile(np.arange(96, dtype=np.uint8) * 2, (72, 1))]
)
def test_neither_a_plain_frame_nor_a_gradient_has_corners(plain):
    assert len(corners(plain)) == 0


@pytest.mark.parametrize("shift", [(0.3, -0.4), (3.25, 1.5), (-6.0, 4.0)])
def test_a_known_shift_is_found_to_a_tenth_of_a_px(shift):
    target = grey()
    source = shifted(target, *shift)
    points = corners(target)
    tracks = follow(target, source, points, points)
    assert len(tracks) > 0.4 * tracks.tried
    error = np.linalg.norm(tracks.ends - tracks.points - shift, axis=1)
    assert np.median(error) < 0.1


def test_a_guess_bridges_a_large_shift():
    target = grey()
    source, points = shifted(target, 30.0, 0.0), corners(target)
    tracks = follow(target, source, points, points + np.float32([29, 0.5]))
    assert np.median(np.linalg.norm(tracks.ends - tracks.points - [30, 0], axis=1)) < 0.1
    assert tracks.tried < len(points), "what the guess sees beyond the edge is left out"


def test_what_is_not_in_the_other_frame_is_lost():
    target, points = grey(), corners(grey())
    assert len(follow(target, grey(seed=1), points, points)) < 0.1 * len(points)
    assert len(follow(target, target, points[:0], points[:0])) == 0


@pytest.mark.parametrize("size", [(16, 512), (512, 16), (8, 256), (2, 512), (1, 64), (1, 1)])
def test_a_strip_has_a_row_of_cells_with_a_corner_each(size):
    points = corners(grey(size=size))
    side = max(1, min(max(size) // CELLS, *size))
    assert points.shape[1] == 2
    assert (points >= 0).all()
    assert (points < size[::-1]).all()
    cells = {tuple(cell) for cell in (points // side).astype(int).tolist()}
    assert len(points) == len(cells)
    assert len(points) > 0.8 * max(size) // side or min(size) < 8, "texture has corners everywhere"


def test_the_shift_of_a_strip_is_found():
    wall = grey(size=(24, 520))
    target, source = wall[:, 3:515], wall[:, :512]
    points = corners(target)
    tracks = follow(target, source, points, points)
    assert len(tracks) > 0.8 * tracks.tried > 10
    assert np.median(np.linalg.norm(tracks.ends - tracks.points - [3, 0], axis=1)) < 0.1


@pytest.mark.parametrize("transposed", [False, True])
def test_tracks_on_one_line_are_none(transposed):
    """They would leave a homography free to turn the frame about that line."""
    frame = grey(size=(9, 400))  # within the margin lies a single row of px
    frame = np.ascontiguousarray(frame.T) if transposed else frame
    along = np.float32([[x, 4] for x in range(8, 392, 12)])
    points = along[:, ::-1].copy() if transposed else along
    tracks = follow(frame, frame, points, points)
    assert len(tracks) == 0
    assert tracks.tried == len(points)
