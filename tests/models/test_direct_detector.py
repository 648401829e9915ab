from __future__ import annotations

import torch

from models.backbones import make_stages
from models.direct_detector import DirectDetector


def test_one_box_of_probability_one_at_the_centre_before_training():
    detector = DirectDetector(4, 8, 0.2, 0.8, 0.4)
    proposals = detector(torch.rand(3, 3, 32, 48))
    assert torch.equal(proposals.probability, torch.ones(3, 1))
    assert torch.allclose(proposals.boxes, torch.tensor([0.5, 0.5, 0.4, 0.4]).expand(3, 1, 4))
    assert torch.equal(proposals.box_at(torch.zeros(3, dtype=torch.long)), proposals.boxes[:, 0])


def test_it_learns_where_a_bright_square_is():
    torch.manual_seed(0)
    detector = DirectDetector(4, 8, 0.1, 0.8, 0.4, None)
    optimizer = torch.optim.Adam(detector.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)

    def batch():
        image, wanted = torch.zeros(16, 3, 32, 32), torch.zeros(16, 2)
        for row, (x, y) in enumerate(torch.randint(4, 28, (16, 2), generator=generator).tolist()):
            image[row, :, y - 3 : y + 3, x - 3 : x + 3] = 1
            wanted[row] = torch.tensor([x / 32, y / 32])
        return image, wanted

    for _ in range(60):
        image, wanted = batch()
        loss = (detector(image).boxes[:, 0, :2] - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    image, wanted = batch()
    error = (detector(image).boxes[:, 0, :2] - wanted).square().mean()
    assert error < 0.3 * (wanted - 0.5).square().mean()


def test_any_output_gives_a_box_within_the_limits_and_its_centre_inside():
    detector = DirectDetector(4, 8, 0.2, 0.8, 0.4, make_stages("imagenet"))
    torch.nn.init.normal_(detector.box_head[-1].weight, std=100.0)
    boxes = detector(torch.rand(4, 3, 32, 48)).boxes
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert boxes[..., 2:].min() >= 0.2 - 1e-6
    assert boxes[..., 2:].max() <= 0.8 + 1e-6
