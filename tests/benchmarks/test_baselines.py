"""The baselines on a square that walks over a texture under a panning camera: masks are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers_motion import pan
from numpy.typing import NDArray

from benchmarks.baselines import (
    FLOW_SHARE,
    REACH,
    background_subtraction,
    grab_cut,
    moving_pixels,
    neighbours,
    refined_flow,
)
from models.segmentation_metrics import region_similarity

COUNT, HEIGHT, WIDTH = 40, 72, 128
PAN = 3.0  # px per frame, to the right
SIDE = 14


def scene() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Frames (N, H, W, 3) and true masks (N, H, W) of a red square that the camera follows."""
    frames = pan(COUNT, (HEIGHT, WIDTH), PAN)
    truth = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    for t in range(COUNT):
        truth[t, 30 : 30 + SIDE, 40 + t // 4 : 40 + t // 4 + SIDE] = True
    frames[truth] = (250, 10, 10)
    return frames, truth


def shift(dx: float) -> NDArray[np.float64]:
    return np.array([[1, 0, dx], [0, 1, 0], [0, 0, 1.0]])


def test_flow_under_the_crf_is_cut_at_even_odds_and_moves_to_edges_of_colour() -> None:
    """The flow reaches 2 px beyond the square, or nowhere far enough."""
    frames, truth = scene()
    blurred = cv2.dilate(truth[20].astype(np.float32), np.ones((5, 5)))
    found = refined_flow(frames[20], 3 * blurred, 1.0)
    assert region_similarity(found, truth[20]) > 0.9
    assert region_similarity(blurred > 0, truth[20]) < 0.65
    assert not refined_flow(frames[20], 0.3 * blurred, 1.0).any()


def test_flow_threshold_is_a_share_of_the_longest_side_and_of_the_gap() -> None:
    limit = FLOW_SHARE * WIDTH
    speed = np.full((HEIGHT, WIDTH), 0.9 * limit, np.float32)
    speed[:10] = 1.1 * limit
    assert moving_pixels(speed, gap=1).sum() == 10 * WIDTH
    assert not moving_pixels(speed, gap=2).any()
    assert moving_pixels(2 * speed, gap=2).sum() == 10 * WIDTH


@pytest.mark.parametrize("gap", [1, 2])
def test_background_subtraction_finds_the_square_in_every_frame(gap: int) -> None:
    frames, truth = scene()
    # What lies at x in frame t + gap lies PAN * gap further right in frame t.
    motion = {t: shift(PAN * gap) for t in range(COUNT - gap)}
    masks = background_subtraction(frames, motion, gap)
    overlaps = [region_similarity(mask, true) for mask, true in zip(masks, truth, strict=True)]
    assert min(overlaps) > 0.85, overlaps


def test_background_subtraction_needs_the_stabilisation() -> None:
    frames, truth = scene()
    still = dict.fromkeys(range(COUNT - 1), np.eye(3))
    masks = background_subtraction(frames, still, 1)
    assert np.mean([region_similarity(*pair) for pair in zip(masks, truth, strict=True)]) < 0.6


def test_without_a_neighbour_nothing_is_foreground() -> None:
    frames, _ = scene()
    masks = background_subtraction(frames[:3], {1: shift(PAN)}, 1)
    assert not masks[0].any()
    assert masks[1].any()


def test_what_no_neighbour_sees_is_not_foreground() -> None:
    frames, _ = scene()
    far = WIDTH - 8.0  # only 8 columns of the right-hand neighbour are in view
    masks = background_subtraction(frames[:2], {0: shift(far)}, 1)
    assert not masks[0][:, : int(far)].any()


def test_chains_agree_with_the_known_pan_on_both_sides() -> None:
    motion = {t: shift(PAN) for t in range(99)}
    found = neighbours(50, 100, motion, 1)
    assert list(found) == [*range(50 - REACH, 50), *range(51, 51 + REACH)]
    for other, H in found.items():
        np.testing.assert_allclose(H, shift(PAN * (other - 50)), atol=1e-9)


def test_a_bad_pair_ends_the_chain() -> None:
    motion = {t: shift(PAN) for t in range(99) if t not in (47, 52)}
    assert list(neighbours(50, 100, motion, 1)) == [48, 49, 51, 52]


def test_chains_step_by_the_gap() -> None:
    motion = {t: shift(3 * PAN) for t in range(97)}
    assert list(neighbours(3, 13, motion, 3)) == [0, 6, 9, 12]


def test_grab_cut_cuts_the_square_out_of_a_loose_box() -> None:
    frames, truth = scene()
    box = np.array([32, 22, SIDE + 16, SIDE + 16])
    mask = grab_cut(frames[0], box)
    assert region_similarity(mask, truth[0]) > 0.9
    assert np.array_equal(mask, grab_cut(frames[0], box)), "repeats"


@pytest.mark.parametrize(
    "box",
    [(-50, 10, 40, 20), (WIDTH + 5, 0, 10, 10), (10, 10, 0, 20), (10, 10, 0.4, 0.4)],
    ids=["left of it", "right of it", "no width", "less than a pixel"],
)
def test_grab_cut_of_a_box_without_pixels_is_empty(box: tuple[float, ...]) -> None:
    frames, _ = scene()
    assert not grab_cut(frames[0], np.array(box)).any()


def test_grab_cut_of_a_box_without_an_outside_is_the_box() -> None:
    frames, _ = scene()
    assert grab_cut(frames[0], np.array([-5, -5, WIDTH + 10, HEIGHT + 10])).all()


def test_grab_cut_clips_a_box_that_reaches_beyond_the_frame() -> None:
    frames, _ = scene()
    mask = grab_cut(frames[0], np.array([-30, -30, 60, 60]))
    assert not mask[30:].any()
    assert not mask[:, 30:].any()
