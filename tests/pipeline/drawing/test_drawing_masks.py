"""Masks, flow and text as colour."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.drawing.captions import resize, resize_mask, side_by_side, with_caption
from pipeline.drawing.colours import CYAN, ORANGE
from pipeline.drawing.masks import flow_colours, flow_key, ground_truth, heat, outline, overlay


def test_heat_grows_brighter_with_the_mask() -> None:
    levels = heat(np.arange(256, dtype=np.uint8)[None])[0].astype(int).sum(axis=1)
    smooth = np.convolve(levels, np.ones(9) / 9, mode="valid")
    assert (np.diff(smooth) > 0).all()
    assert levels[0] < 20
    assert levels[-1] > 600


def test_overlay_tints_the_subject_dims_the_rest_and_draws_the_contour() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(60, 200, (60, 80, 3)).astype(np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    drawn = overlay(image, mask)
    inner = drawn[25:35, 35:55].reshape(-1, 3).mean(axis=0)
    expected = 0.55 * image[25:35, 35:55].reshape(-1, 3).mean(axis=0) + 0.45 * np.array(ORANGE)
    assert inner == pytest.approx(expected, abs=1)
    outside = drawn[:10]
    assert (outside.max(axis=2) == outside.min(axis=2)).all()  # grey
    assert outside.mean() < 0.5 * image[:10].mean()
    assert (drawn[20, 30:60] == ORANGE).all()
    assert (drawn[20:40, 30] == ORANGE).all()


def test_outline_changes_the_contour_alone() -> None:
    image = np.random.default_rng(0).integers(0, 200, (60, 80, 3)).astype(np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    drawn = outline(image, mask)
    contour = mask.copy()
    contour[21:39, 31:59] = False
    assert (drawn[contour] == ORANGE).all()
    np.testing.assert_array_equal(drawn[~contour], image[~contour])


def test_ground_truth_has_a_colour_of_its_own() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    image = np.full((40, 40, 3), 90, np.uint8)
    assert tuple(ground_truth(image, mask)[10, 20]) == CYAN
    assert tuple(overlay(image, mask)[10, 20]) == ORANGE


def test_an_empty_and_a_full_mask_can_be_drawn() -> None:
    image = np.full((40, 40, 3), 90, np.uint8)
    empty = overlay(image, np.zeros((40, 40), bool))
    full = overlay(image, np.ones((40, 40), bool))
    assert len(np.unique(empty)) == 1
    assert tuple(full[0, 0]) == ORANGE


def test_flow_has_the_documented_colours() -> None:
    flow = np.array([[[0.0, 0.0], [2.0, 0.0], [0.0, -2.0]]])
    u = np.tanh(1.0)
    expected = [[0.5, 0.5, 0], [0.5 + 0.5 * u, 0.5, u], [0.5, 0.5 - 0.5 * u, u]]
    assert flow_colours(flow, 2.0)[0] == pytest.approx(255 * np.array(expected), abs=0.51)


def test_the_flow_key_shows_right_as_right() -> None:
    key = flow_key(41, 1.0).astype(int)
    assert (key[20, 38, 0], key[20, 2, 0]) == (pytest.approx(250, abs=5), pytest.approx(5, abs=5))
    assert key[38, 20, 1] > 240  # down is +v
    assert tuple(key[0, 0]) == (128, 128, 0)  # outside the disc: no motion


@pytest.mark.parametrize("width", [32, 64, 220])
def test_resize_keeps_the_aspect(width: int) -> None:
    assert resize(np.zeros((48, 64, 3), np.uint8), width).shape == (width * 3 // 4, width, 3)


def test_nearest_invents_no_colours() -> None:
    image = np.array([[0, 255], [255, 0]], np.uint8).repeat(4, 0).repeat(4, 1)
    assert set(np.unique(resize(image, 100, smooth=False))) == {0, 255}


@pytest.mark.parametrize("width", [10, 21, 63])
def test_labels_made_smaller_are_labels_still(width: int) -> None:
    """The mean of 0 and 2 is 1, another subject."""
    labels = np.zeros((48, 64), np.uint8)
    labels[10:30, 20:41], labels[35:, 3:20] = 2, 5
    assert set(np.unique(resize(labels, width, smooth=False))) == {0, 2, 5}


def test_a_mask_keeps_its_share_of_the_picture() -> None:
    y, x = np.mgrid[:48, :64]
    mask = np.hypot(y - 24, x - 30) < 15
    assert resize_mask(mask, 240, 320).mean() == pytest.approx(mask.mean(), rel=0.02)


def test_a_caption_is_dark_text_below_the_untouched_picture() -> None:
    image = np.full((50, 200, 3), 7, np.uint8)
    drawn = with_caption(image, "frame 12")
    strip = drawn[50:]
    assert (drawn[:50] == image).all()
    assert strip.min() < 60
    assert (strip == 255).mean() > 0.7
    assert (with_caption(image, "frame 13") != drawn).any()


def test_a_long_caption_shrinks_to_the_width() -> None:
    image = np.zeros((20, 200, 3), np.uint8)
    right_margin = with_caption(image, "a rather long caption for 200")[20:, -2:]
    assert (right_margin == 255).all()


def test_side_by_side_aligns_at_the_top_on_white() -> None:
    left, right = np.zeros((10, 20, 3), np.uint8), np.full((5, 8, 3), 9, np.uint8)
    row = side_by_side([left, right])
    assert row.shape == (10, 34, 3)
    assert (row[:5, 26:] == 9).all()
    assert (row[5:, 26:] == 255).all()
