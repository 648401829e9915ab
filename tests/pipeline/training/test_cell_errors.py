from __future__ import annotations

import pytest
import torch

from models.boxes import initial_boxes, rectangle_mask
from models.inpainter import Inpainter
from models.layers import standardise
from pipeline.training.cell_errors import cell_errors, error_scale, mean_in_hole


def test_mean_in_hole_is_the_loss_over_the_area():
    image, filled = torch.rand(2, 3, 12, 16), torch.rand(2, 3, 12, 16)
    hole = rectangle_mask(torch.tensor([[0.5, 0.5, 0.3, 0.4], [0.1, 0.5, 0.4, 0.4]]), 12, 16)
    filled = torch.where(hole > 0, filled, image)
    loss = (standardise(filled) - standardise(image)).square().mean(dim=(1, 2, 3))
    area = hole.mean(dim=(1, 2, 3))
    assert torch.allclose(mean_in_hole(filled, image, hole), loss / area, rtol=1e-5)


class Mean(Inpainter):
    """Fills with grey: its answer in one hole does not depend on another hole."""

    def __init__(self) -> None:
        super().__init__(4)

    def fill(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        return torch.full_like(image, 0.5)


class JointMean(Inpainter):
    """Fills with a grey that tells how much is missing: two holes in a pass would show."""

    def __init__(self) -> None:
        super().__init__(4)

    def fill(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        return hole.mean(dim=(1, 2, 3), keepdim=True).expand_as(image)


@pytest.mark.parametrize(
    ("grid", "side", "inpainter"),
    [(4, 0.3, Mean()), (4, 0.6, JointMean()), (3, 0.5, JointMean()), (1, 0.3, Mean())],
)
def test_table_equals_one_cell_at_a_time(grid, side, inpainter):
    image = torch.rand(2, 3, 24, 32)
    boxes = initial_boxes(grid, side)
    inpainter = inpainter.eval()
    table = cell_errors(inpainter, image, boxes)
    for cell in range(len(boxes)):
        hole = rectangle_mask(boxes[cell : cell + 1], 24, 32).expand(2, -1, -1, -1)
        single = mean_in_hole(inpainter(image, hole), image, hole)
        assert torch.allclose(table[:, cell], single, rtol=1e-4)


def test_scale_and_contrast_of_a_known_table():
    table = torch.tensor([[1.0, 1.0, 1.0, 9.0], [2.0, 2.0, 2.0, 18.0]])
    scale = error_scale(table)
    assert scale.contrast == pytest.approx(9.0)
    assert scale.spread == pytest.approx(6.0)  # deviations 4 and 8


def test_noise_is_not_brought_to_unit_spread():
    """Deviations 0.004 and 0.008; at least 0.01 was asked for."""
    table = torch.tensor([[1.0, 1.0, 1.0, 9.0], [2.0, 2.0, 2.0, 18.0]]) / 1000
    assert error_scale(table, 0.01).spread == pytest.approx(0.01)
    assert error_scale(table, 0.001).spread == pytest.approx(0.006)


def test_the_scale_of_no_frames_changes_nothing_and_shows_nothing():
    scale = error_scale(torch.zeros(0, 16))
    assert (scale.spread, scale.contrast) == (1.0, 0.0)
