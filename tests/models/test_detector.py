from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.boxes import cell_centres, initial_boxes
from models.detector import Detector, Proposals


def detector(offset_limit: float = 1.5) -> Detector:
    torch.manual_seed(0)
    return Detector(4, 8, 0.2, 0.8, offset_limit, 0.4)


def test_before_training_every_box_sits_on_its_cell_with_the_initial_size():
    network = detector()
    boxes = network(torch.rand(2, 3, 32, 48)).boxes
    assert boxes.shape == (2, 16, 4)
    assert torch.allclose(boxes[0, :, :2], cell_centres(4), atol=1e-6)
    assert torch.allclose(boxes[..., 2:], torch.full((2, 16, 2), 0.4), atol=1e-6)
    assert torch.allclose(initial_boxes(4, 0.4), boxes[0], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 3.0))
def test_any_output_gives_boxes_within_the_limits(seed, limit):
    raw = torch.randn(3, 16, 4, generator=torch.Generator().manual_seed(seed)) * 20
    boxes = detector(limit).decode(raw)
    size, offset = boxes[..., 2:], boxes[..., :2] - cell_centres(4)
    assert size.min() >= 0.2 - 1e-6
    assert size.max() <= 0.8 + 1e-6
    assert (offset.abs() <= limit * size + 1e-6).all()


def test_boxes_whose_centre_left_the_image_have_no_probability():
    network = detector()
    last = network.box_head[-1]
    last.bias.data[0] = 10.0  # every box moves 1.5 widths = 0.6 to the right
    proposals = network(torch.rand(1, 3, 32, 48))
    outside = proposals.boxes[0, :, 0] > 1
    assert outside.any()
    assert not outside.all()
    assert torch.equal(proposals.probability[0] == 0, outside)
    assert torch.isclose(proposals.probability.sum(), torch.tensor(1.0))


def test_where_all_centres_left_the_image_a_cell_can_still_be_drawn():
    network = Detector(4, 8, 0.2, 2.0, 3.0, 1.0)
    network.box_head[-1].bias.data[:2] = 10.0  # 3 widths away
    proposals = network(torch.rand(1, 3, 32, 48))
    assert (proposals.boxes[0, :, 0] > 1).all()
    assert torch.isclose(proposals.probability.sum(), torch.tensor(1.0))


def test_box_at_picks_each_images_own_cell():
    boxes = torch.arange(2 * 3 * 4, dtype=torch.float32).view(2, 3, 4)
    proposals = Proposals(torch.zeros(2, 3), boxes)
    expected = torch.stack([boxes[0, 2], boxes[1, 0]])
    assert torch.equal(proposals.box_at(torch.tensor([2, 0])), expected)


def test_a_tenth_of_the_boxes_gradient_reaches_the_trunk():
    network = detector().eval()
    nn.init.normal_(network.box_head[-1].weight)
    image = torch.rand(2, 3, 32, 48)
    boxes = network(image).boxes
    whole = network.decode(network.box_head(network.trunk(image)).flatten(2).transpose(1, 2))
    assert torch.allclose(boxes, whole, atol=1e-6)
    for part, share in ((network.trunk, 0.1), (network.box_head, 1.0)):
        weight = next(part.parameters())
        ours, full = (
            torch.autograd.grad(found.square().sum(), weight, retain_graph=True)[0]
            for found in (boxes, whole)
        )
        assert full.abs().max() > 0
        assert torch.allclose(ours, share * full, rtol=1e-3, atol=1e-6)
