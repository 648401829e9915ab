"""The derived reference on a square that crosses a noisy room, rests outside it, and comes back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.moving_region import (
    LEVELS,
    compare,
    differing_region,
    median_background,
    moving_region,
)

COUNT, HEIGHT, WIDTH, SIDE = 40, 48, 64, 10
ABSENT = range(15, 25)


def scene(step: int = 2 * LEVELS) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Frames (N, H, W, 3) and true masks; the square differs from its ground by `step` levels."""
    rng = np.random.default_rng(0)
    room = rng.integers(60, 120, (HEIGHT, WIDTH, 3))
    noise = rng.integers(-5, 6, (COUNT, HEIGHT, WIDTH, 3))
    truth = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    for t in set(range(COUNT)) - set(ABSENT):
        truth[t, 20 : 20 + SIDE, t : t + SIDE] = True
    return (room + noise + step * truth[..., None]).astype(np.uint8), truth


def test_the_region_is_the_square_wherever_it_is() -> None:
    frames, truth = scene()
    assert np.array_equal(differing_region(frames, median_background(frames)), truth)


def test_what_differs_less_than_the_threshold_is_no_region() -> None:
    frames, _ = scene(step=LEVELS // 2)
    assert not differing_region(frames, median_background(frames)).any()


def test_specks_and_lines_are_no_subject_and_a_second_subject_is() -> None:
    frames, truth = (
        np.kron(pixels, np.ones((1, 2, 2, 1)[: pixels.ndim], pixels.dtype)) for pixels in scene()
    )
    frames[::4, 10:13, 10:13] = 255  # 9 px of 12288, below LEAST_SHARE
    frames[::5, 90:92, 60:120] = 255  # thinner than the opening
    frames[::4, 70:76, 10:16] = 255  # 36 px
    truth[::4, 70:76, 10:16] = True
    assert np.array_equal(differing_region(frames, median_background(frames)), truth)


def test_what_rests_or_was_always_there_differs_but_does_not_move() -> None:
    frames, truth = scene()
    empty = frames[ABSENT[0]].copy()
    frames[:, 2:8, 50:60] += 2 * LEVELS  # a bench that the background lacks
    frames[30:] = frames[30]  # the square stops
    truth[30:] = truth[30]
    differing = differing_region(frames, empty)
    assert differing[:, 2:8, 50:60].all()
    lag = 4
    moving = truth.copy()  # a px per frame, and the opening takes 1 and 2 px away
    moving[30 + lag - 2 :] = False
    assert np.array_equal(moving_region(frames, differing, lag), moving)


def test_what_has_left_the_place_does_not_move_there() -> None:
    frames, truth = scene()
    differing = differing_region(frames, median_background(frames))
    assert np.array_equal(moving_region(frames, differing, 3), truth)
    assert not truth[ABSENT[0] : ABSENT[-1] + 1].any()


def test_median_of_many_frames_is_that_of_an_even_choice() -> None:
    ramp = np.linspace(0, 200, 1001).round().astype(np.uint8)
    assert abs(int(median_background(ramp.reshape(-1, 1, 1, 1))[0, 0, 0]) - 100) <= 1


def test_agreement_by_construction() -> None:
    region = np.zeros((4, 10, 10), bool)
    region[:3, 2:6, 2:6] = True  # 16 px; nothing moves in frame 3
    masks = np.zeros_like(region)
    masks[0] = region[0]
    masks[1, 2:6, 4:8] = True  # half of it in the region
    found = compare(masks, region)
    assert found.frames == 3
    assert found.overlapping == pytest.approx(2 / 3)
    assert found.covered == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.inside == pytest.approx((1 + 0.5 + 0) / 3)
    assert (found.resting_frames, found.resting_empty) == (1, 1.0)


def test_without_resting_frames_nothing_is_said_of_them() -> None:
    region = np.ones((2, 4, 4), bool)
    assert np.isnan(compare(region, region).resting_empty)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        compare(np.ones((2, 4, 4), bool), np.ones((2, 4, 5), bool))
