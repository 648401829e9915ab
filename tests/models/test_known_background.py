from __future__ import annotations

import torch

from models.known_background import KnownBackground


def module(count: int = 3) -> KnownBackground:
    torch.manual_seed(0)
    known = KnownBackground(count, 48, 64)
    known.backgrounds.copy_(torch.rand(count, 3, 48, 64) * 0.6 + 0.2)
    return known


def hole() -> torch.Tensor:
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 8:40, 8:56] = 1  # half of the image
    return mask


def test_each_image_takes_its_own_background_whatever_is_in_the_hole_and_whatever_the_light():
    known = module()
    wanted, light = torch.tensor([2, 0, 1, 1]), torch.tensor([[0.1, -0.05, 0.0]])
    lit = known.backgrounds[wanted] + light[..., None, None]
    image = torch.where(hole() > 0, torch.rand_like(lit), lit)
    best, shift = known.match(image, hole().expand(4, -1, -1, -1))
    assert torch.equal(best, wanted)
    assert torch.allclose(shift, light.expand(4, -1), atol=1e-6)
    assert torch.allclose(known(image, hole().expand(4, -1, -1, -1)), lit, atol=1e-6)


def test_backgrounds_nearer_to_each_other_than_the_light_changes_are_told_apart():
    """The image, brighter by 0.1, is nearer to the other one, brighter by 0.08 and a texture."""
    known = module(2)
    known.backgrounds[1] = known.backgrounds[0] + 0.08
    known.backgrounds[1, :, ::2] += 0.01
    image = known.backgrounds[:1] + 0.1
    nearness = (image - known.backgrounds).abs().mean(dim=(1, 2, 3))
    assert nearness[1] < nearness[0]
    best, shift = known.match(image, hole())
    assert best.tolist() == [0]
    assert torch.allclose(shift, torch.full((1, 3), 0.1), atol=1e-6)


def test_a_subject_outside_the_hole_is_background_too_so_that_o_pays_for_leaving_it_out():
    known = module(1)
    image = known.backgrounds.clone()
    image[..., 0:6, 0:10] = 0.0
    assert torch.allclose(known(image, hole()), known.backgrounds, atol=1e-6)


def test_nothing_seen_is_the_first_background_unshifted():
    known = module(2)
    image = torch.rand(1, 3, 48, 64)
    assert torch.equal(known(image, torch.ones(1, 1, 48, 64)), known.backgrounds[:1])
