from __future__ import annotations

import pytest
import torch

from models.boxes import rectangle_mask
from models.detector import Detector
from models.extent import mask_extent
from models.inpainter import Inpainter
from models.model import SegmentationModel
from models.reconstruction import ReconstructionLoss, composite
from models.selection import Limits
from models.spatial_transformer import uncrop
from models.synthesis import Synthesis


def model(see_background: bool = True, focal: bool = True) -> SegmentationModel:
    torch.manual_seed(0)
    return SegmentationModel(
        Detector(4, 8, 0.2, 0.8, 1.5, 0.4), Synthesis(8, see_background), 16, focal
    ).eval()


@pytest.mark.parametrize("see_background", [True, False])
def test_the_background_matters_only_where_it_is_seen(see_background):
    synthesis = Synthesis(8, see_background).eval()
    window, one, other = torch.rand(3, 2, 3, 16, 16).unbind(0)
    first, second = synthesis(window, one), synthesis(window, other)
    assert first[0].shape == (2, 3, 16, 16)
    assert first[1].shape == (2, 1, 16, 16)
    assert torch.equal(first[1], second[1]) != see_background


def test_composite_is_equation_1():
    foreground, mask = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 24, 32)
    background = torch.rand(2, 3, 24, 32)
    boxes = torch.tensor([[0.5, 0.5, 0.4, 0.6], [0.3, 0.6, 0.3, 0.3]])
    expected = uncrop(foreground, boxes, 24, 32) * mask + background * (1 - mask)
    assert torch.allclose(composite(foreground, mask, background, boxes), expected)
    assert torch.equal(composite(foreground, mask * 0, background, boxes), background)


def test_prediction_is_the_most_probable_cell_and_its_mask_stays_in_the_box():
    network, inpainter = model(), Inpainter(4).eval()
    image = torch.rand(3, 3, 32, 48)
    result = network.predict(image, inpainter)
    assert torch.equal(result.cell, result.probability.argmax(dim=1))
    assert result.mask.shape == (3, 1, 32, 48)
    assert result.mask.min() >= 0
    assert result.mask.max() <= 1
    for mask, (cx, cy, sx, sy) in zip(result.mask[:, 0], result.box.tolist(), strict=True):
        rows, columns = torch.nonzero(mask > 0, as_tuple=True)
        assert abs(columns.float().mean() + 0.5 - cx * 48) < sx * 48 / 2
        assert (columns + 0.5 - cx * 48).abs().max() <= sx * 48 / 2 + 2
        assert (rows + 0.5 - cy * 32).abs().max() <= sy * 32 / 2 + 2


def test_a_second_look_is_at_the_box_of_the_mask_and_at_the_same_box_after_an_empty_one():
    network, inpainter = model(), Inpainter(4).eval()
    image = torch.rand(2, 3, 32, 48)
    once = network.predict(image, inpainter)
    twice = network.predict(image, inpainter, looks=2)
    assert torch.equal(twice.box, mask_extent(once.mask[:, 0], 0.2, once.box))
    assert not torch.equal(twice.box, once.box)
    torch.nn.init.constant_(network.synthesis.mask[-1].bias, -60.0)
    empty = network.predict(image, inpainter, looks=2)
    assert float(empty.mask.max()) < 1e-6
    assert torch.equal(empty.box, once.box)
    assert torch.equal(empty.probability, once.probability)


def test_subjects_whose_fitted_boxes_coincide_are_one(monkeypatch):
    network, inpainter = model(), Inpainter(4).eval()
    limits = Limits(subjects=3, share=1e-6)
    image = torch.rand(2, 3, 32, 48)
    once = network.predict(image, inpainter, limits)
    first, other, far = (torch.tensor([[x, 0.5, 0.2, 0.4]] * 2) for x in (0.2, 0.22, 0.8))
    fitted = iter([first, other, far])
    monkeypatch.setattr("models.model.mask_extent", lambda *_: next(fitted))
    twice = network.predict(image, inpainter, limits, looks=2)
    assert once.found.tolist() == [[True, True, True]] * 2
    assert twice.found.tolist() == [[True, True, False]] * 2
    assert torch.equal(twice.boxes[:, :2], torch.stack([first, far], dim=1))
    assert torch.equal(twice.cells, once.cells[:, [0, 2, 1]])
    assert twice.masks.amax(dim=(2, 3)).gt(0).tolist() == twice.found.tolist()


class GreyByCall:
    """An inpainter that paints all in another grey each time and keeps the holes."""

    def __init__(self) -> None:
        self.holes: list[torch.Tensor] = []

    def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        self.holes.append(hole)
        return torch.full_like(image, 0.4 * len(self.holes))


def test_each_look_inpaints_all_subjects_and_is_taken_before_what_was_inpainted_then():
    network, inpainter = model(), GreyByCall()
    limits = Limits(subjects=3, share=1e-6)
    image = torch.rand(2, 3, 32, 48)
    once = network.predict(image, GreyByCall(), limits)
    twice = network.predict(image, inpainter, limits, looks=2)
    assert once.found.all()
    for hole, seen in zip(inpainter.holes, (once, twice), strict=True):
        each = [rectangle_mask(box, 32, 48) for box in seen.boxes.unbind(dim=1)]
        assert torch.equal(hole, torch.stack(each).amax(dim=0))
        assert all(hole.sum() > one.sum() for one in each)
    for seen, grey in ((once, 0.4), (twice, 0.8)):
        assert torch.equal(seen.background, torch.full_like(image, grey))
        for place, box in enumerate(seen.boxes.unbind(dim=1)):
            _, mask = network.synthesise(image, box, seen.background)
            found = seen.found[:, place, None, None]
            assert torch.allclose(seen.masks[:, place], mask[:, 0] * found, atol=1e-6)


def test_without_the_focal_bump_the_mask_reaches_the_border():
    image = torch.rand(1, 3, 32, 48)
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    _, focal = model(focal=True).synthesise(image, box, image)
    _, plain = model(focal=False).synthesise(image, box, image)
    edge = (0, 0, 16, 12)  # the first column inside the box
    assert focal[edge] < 0.7 * plain[edge]


def test_reconstruction_loss_in_standardised_units():
    image = torch.rand(2, 3, 8, 8)
    other = image + 0.229 * torch.tensor([1.0, 0.0, 0.0])[:, None, None]  # one deviation of red
    loss = ReconstructionLoss(3.0, 0.0, None)(other, image)
    assert torch.allclose(loss, torch.full((2,), 1.0), atol=1e-4)  # 3 * (1 + 0 + 0) / 3


def test_a_second_look_is_never_at_less_than_the_smallest_box():
    """The mask fills the first box, which is smaller than D may make it by then."""
    network, inpainter = model(), Inpainter(4).eval()
    network.synthesis.mask[-1].bias.data.fill_(60.0)
    image = torch.rand(2, 3, 32, 48)
    once = network.predict(image, inpainter)
    network.detector.scale_min = 0.9
    assert once.box[:, 2:].max() < 0.9
    assert (network.predict(image, inpainter, looks=2).box[:, 2:] >= 0.9 - 1e-6).all()


def test_what_stands_behind_the_subject_is_a_picture_whatever_the_inpainter_says():
    image = torch.rand(1, 3, 32, 48)
    found = model().predict(image, lambda seen, _: 4 * seen - 1.5)
    assert torch.equal(found.background, (4 * image - 1.5).clamp(0, 1))
