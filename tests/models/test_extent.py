from __future__ import annotations

import pytest
import torch

from models.boxes import rectangle_mask
from models.extent import extent, mask_extent
from models.objectives import MARGIN


def test_extent_of_a_rectangle_is_its_place_and_its_sides_with_a_margin():
    evidence = torch.zeros(1, 120, 160)
    evidence[:, 30:90, 40:80] = 0.8
    cx, cy, sx, sy = extent(evidence, MARGIN)[0].tolist()
    assert (cx, cy) == pytest.approx((60 / 160, 60 / 120), abs=1e-2)
    assert (sx, sy) == pytest.approx((MARGIN * 40 / 160, MARGIN * 60 / 120), rel=0.03)


def test_what_fills_the_hole_asks_for_a_box_larger_than_it_was():
    box = torch.tensor([[0.5, 0.5, 0.4, 0.6]])
    hole = rectangle_mask(box, 100, 100)[:, 0]
    assert (extent(hole, MARGIN)[0, 2:] > 1.15 * box[0, 2:]).all()


def test_extent_of_nothing_is_finite():
    assert torch.isfinite(extent(torch.zeros(2, 8, 8))).all()


def test_box_of_a_mask_is_that_of_its_clear_part():
    mask = torch.full((1, 96, 128), 0.1)
    mask[:, 24:72, 32:96] = 0.9
    box = mask_extent(mask, least=0.1, before=torch.zeros(1, 4))[0]
    assert torch.allclose(box, torch.tensor([0.5, 0.5, 0.5, 0.5]), atol=0.02)


def test_box_of_a_small_mask_keeps_the_least_side_and_its_place():
    mask = torch.zeros(1, 100, 100)
    mask[:, 20:22, 70:72] = 1.0
    box = mask_extent(mask, 0.1, before=torch.zeros(1, 4))[0]
    assert torch.allclose(box, torch.tensor([0.71, 0.21, 0.1, 0.1]), atol=1e-5)


def test_an_empty_mask_leaves_the_box_and_its_neighbour_in_the_batch_does_not():
    before = torch.tensor([[0.3, 0.4, 0.2, 0.3]]).repeat(3, 1)
    mask = torch.zeros(3, 50, 50)
    mask[1] = 1e-12  # S is sure of nothing
    mask[2, 10:20, 30:40] = 1e-3  # faint, but there
    box = mask_extent(mask, 0.1, before)
    assert torch.equal(box[:2], before[:2])
    assert torch.allclose(box[2], torch.tensor([0.7, 0.3, 0.2, 0.2]), atol=0.03)


@pytest.mark.parametrize("peak", [1e-5, 1e-3, 1.0])
def test_a_faint_speck_has_the_box_of_a_clear_one(peak):
    mask = torch.zeros(1, 360, 640)
    mask[:, 100:103, 200:203] = peak
    nowhere = torch.full((1, 4), 0.5)
    expected = torch.tensor([[201.5 / 640, 101.5 / 360, 0.2, 0.2]])
    assert torch.allclose(mask_extent(mask, 0.2, nowhere), expected, atol=1e-3)
