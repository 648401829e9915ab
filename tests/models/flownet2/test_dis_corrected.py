"""DIS, corrected by a FlowNetS."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers_motion import texture

from models.flow.dis import DisFlow
from models.flownet2.after_dis import DisCorrected


def pair(height=64, width=128):
    """A texture that moves by (3, -2) px; uint8 (1, H, W, 3)."""
    target = texture(height, width, seed=1)
    return target[None], np.roll(target, (-2, 3), axis=(0, 1))[None]


def images(height=64, width=128):
    return [torch.from_numpy(image).permute(0, 3, 1, 2) / 255 for image in pair(height, width)]


def network(std=0.1):
    """With random flow heads, as those of a new network say nothing yet."""
    torch.manual_seed(0)
    new = DisCorrected(0.0625).eval()
    for name, parameter in new.named_parameters():
        if "predict_flow" in name:
            torch.nn.init.normal_(parameter, std=std)
    return new


@torch.inference_mode()
@pytest.mark.parametrize("size", [(64, 128), (50, 66)])
def test_untrained_it_is_dis(size):
    flow = DisCorrected(0.0625)(*images(*size))
    assert np.array_equal(flow.permute(0, 2, 3, 1).numpy(), DisFlow().estimate(*pair(*size)))


@torch.inference_mode()
def test_any_size_is_padded_by_its_border_and_cropped():
    target, source = images(50, 66)
    flow = network()(target, source)
    dis = torch.from_numpy(DisFlow().estimate(*pair(50, 66))).permute(0, 3, 1, 2)
    mean = torch.stack([target, source]).mean(dim=(0, 3, 4), keepdim=True)[0]
    padded = F.pad(torch.cat([target - mean, source - mean, dis / 20], 1), (0, 62, 0, 14))
    padded[..., 66:] = padded[..., 65:66]
    padded[..., 50:, :] = padded[..., 49:50, :]
    missing = 5 * F.interpolate(
        network().levels(padded)[0], scale_factor=4, mode="bilinear", align_corners=False
    )
    assert missing.std() > 0.01
    assert torch.allclose(flow, dis + missing[..., :50, :66], atol=1e-4)


@torch.inference_mode()
def test_the_pyramid_starts_with_the_flow_and_its_levels_correct_the_mean_of_dis():
    levels = network().pyramid(*images())
    assert [level.shape[2] for level in levels] == [64, 16, 8, 4, 2, 1]
    assert torch.equal(levels[0], network()(*images()))
    dis = torch.from_numpy(DisFlow().estimate(*pair())).permute(0, 3, 1, 2)
    silent = DisCorrected(0.0625).pyramid(*images())
    for level in silent:
        means = dis.unflatten(2, (level.shape[2], -1)).unflatten(4, (level.shape[3], -1))
        assert torch.allclose(level, means.mean(dim=(3, 5)), atol=1e-5)


@torch.inference_mode()
def test_a_flow_that_is_known_already_is_not_found_again(monkeypatch):
    dis = torch.from_numpy(DisFlow().estimate(*pair())).permute(0, 3, 1, 2)
    expected = network().pyramid(*images())
    monkeypatch.setattr(DisFlow, "estimate", lambda *_: pytest.fail("it was found again"))
    found = network().pyramid(*images(), dis)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("which", ["target", "source"])
def test_an_image_that_is_not_finite_is_named(which):
    given = dict(zip(("target", "source"), images(), strict=True))
    given[which][0, 1, 3, 5] = float("nan")
    with pytest.raises(ValueError, match=f"^the {which} image"):
        network()(**given)


def test_it_learns_to_correct_an_error_that_dis_always_makes():
    """Of three px to the right; a few steps halve it."""
    target, source = images()
    true = torch.from_numpy(DisFlow().estimate(*pair())).permute(0, 3, 1, 2)
    wrong = true + torch.tensor([3.0, 0.0])[:, None, None]
    learner = network(std=0.0)
    optimiser = torch.optim.Adam(learner.parameters(), 1e-3)
    for _ in range(30):
        error = (learner.pyramid(target, source, wrong)[0] - true).abs().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert error < 0.75
