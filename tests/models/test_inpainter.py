from __future__ import annotations

import torch

from models.inpainter import Inpainter, hole_loss


def network() -> Inpainter:
    torch.manual_seed(0)
    return Inpainter(8).eval()


def test_outside_the_hole_the_image_is_untouched():
    image, hole = torch.rand(2, 3, 24, 32), torch.zeros(2, 1, 24, 32)
    hole[..., 5:15, 8:20] = 1
    filled = network()(image, hole)
    assert torch.equal(filled * (1 - hole), image * (1 - hole))


def test_what_is_hidden_cannot_be_seen():
    image, hole = torch.rand(1, 3, 24, 32), torch.zeros(1, 1, 24, 32)
    hole[..., 5:15, 8:20] = 1
    other = torch.where(hole > 0, torch.rand_like(image), image)
    assert torch.equal(network().fill(image, hole), network().fill(other, hole))


def test_any_pixel_of_the_surroundings_can_matter_to_the_hole():
    image = torch.rand(1, 3, 64, 96, requires_grad=True)
    hole = torch.zeros(1, 1, 64, 96)
    hole[..., 28:36, 44:52] = 1
    (network().fill(image, hole) * hole).sum().backward()
    reach = image.grad.abs().sum(dim=1)[0]
    assert (reach[[0, 0, -1, -1], [0, -1, 0, -1]] > 0).all()


def test_hole_loss_is_the_mean_absolute_error_inside():
    image, hole = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    hole[..., :2, :2] = 1
    filled = torch.full_like(image, 9.0)
    filled[..., :2, :2] = torch.tensor([0.1, 0.2, 0.6])[:, None, None]
    assert torch.isclose(hole_loss(filled, image, hole), torch.tensor(0.3))


def test_which_view_it_is_can_be_seen_from_any_distance():
    """Further away than all convolutions together reach, 18 cells of 8 px and a few px more."""
    image, hole = torch.rand(1, 3, 16, 640), torch.zeros(1, 1, 16, 640)
    hole[..., 4:12, 4:12] = 1
    other = image.clone()
    other[..., 400:] = 0
    far, near = (network().fill(one, hole)[..., 4:12, 4:12] for one in (other, image))
    assert not torch.allclose(far, near, atol=1e-6)
