from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.flownet2 import VARIANTS, FlowNet2CS, FlowNet2CSS, FlowNet2SD

PUBLISHED = [variant for variant in VARIANTS if variant != "dis_corrected"]


def network(variant, width=0.0625, seed=0):
    """With random flow heads, as those of a new network say nothing yet."""
    torch.manual_seed(seed)
    new = VARIANTS[variant](width).eval()
    for name, parameter in new.named_parameters():
        if "predict_flow" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return new


def pair(height=64, width=128, batch=1):
    generator = torch.Generator().manual_seed(7)
    return [torch.rand(batch, 3, height, width, generator=generator) for _ in range(2)]


def close(flow, expected):
    """Up to rounding, which a stack's warps of noise make much of."""
    return (flow - expected).abs().max() < 1e-3 * expected.abs().max()


@pytest.mark.parametrize("variant", PUBLISHED)
def test_a_new_network_says_that_nothing_moves(variant):
    flow = VARIANTS[variant](0.0625)(*pair())
    assert torch.equal(flow, torch.zeros(1, 2, 64, 128))


@torch.inference_mode()
@pytest.mark.parametrize("variant", PUBLISHED)
def test_any_size_is_padded_by_its_border_and_cropped(variant):
    """A bright border, repeated over 62 px of padding, would else make most of the mean."""
    images = torch.stack(pair(50, 66), dim=2)
    images[..., -1] = 1
    flow = network(variant)(*images.unbind(2))
    assert flow.shape == (1, 2, 50, 66)
    assert flow.std() > 0.01
    centred = images - images.mean(dim=(2, 3, 4), keepdim=True)
    padded = F.pad(centred.flatten(1, 2), (0, 62, 0, 14), mode="replicate").unflatten(1, (3, 2))
    finest = network(variant).levels(padded.transpose(1, 2).flatten(1, 2))[0]
    nearest = variant in ("flownet2", "flownet2_css")
    mode = {"mode": "nearest"} if nearest else {"mode": "bilinear", "align_corners": False}
    whole = F.interpolate(network(variant).unit * finest, size=(64, 128), **mode)
    assert close(flow, whole[..., :50, :66])


@torch.inference_mode()
@pytest.mark.parametrize("variant", PUBLISHED)
def test_pyramid_is_finest_first_and_the_flow_its_first(variant):
    levels = network(variant).pyramid(*pair())
    finest = 1 if variant == "flownet2" else 4
    count = 3 if variant == "flownet2" else 5
    assert [level.shape[2] for level in levels] == [64 // (finest << n) for n in range(count)]
    nearest = variant in ("flownet2", "flownet2_css")
    mode = {"mode": "nearest"} if nearest else {"mode": "bilinear", "align_corners": False}
    flow = F.interpolate(levels[0], scale_factor=finest, **mode)
    assert torch.equal(network(variant)(*pair()), flow)


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
def test_pairs_do_not_see_each_other(variant):
    target, source = pair(batch=2)
    both = network(variant)(target, source)
    alone = network(variant)(target[1:], source[1:])
    assert close(both[1:], alone)


@torch.inference_mode()
def test_the_colour_of_the_light_does_not_matter():
    target, source = pair()
    tint = torch.tensor([0.1, -0.2, 0.3])[:, None, None]
    flow = network("flownet2_cs")(target, source)
    assert close(flow, network("flownet2_cs")(target + tint, source + tint))


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
def test_memory_layout_does_not_matter(variant):
    images = [image.to(memory_format=torch.channels_last) for image in pair()]
    last = network(variant).to(memory_format=torch.channels_last)
    assert close(last(*images), network(variant)(*pair()))


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
def test_autocast_gives_float32_flow_close_to_full_precision(variant):
    exact = network(variant)(*pair())
    with torch.autocast("cpu", torch.float16):
        flow = network(variant)(*pair())
    assert flow.dtype == torch.float32
    assert (flow - exact).abs().mean() < 0.02 * exact.abs().mean()


@pytest.mark.parametrize("cls", [FlowNet2CS, FlowNet2CSS])
def test_gradients_reach_the_first_network_of_a_stack(cls):
    stack = network("flownet2_cs" if cls is FlowNet2CS else "flownet2_css")
    stack.pyramid(*pair())[0].sum().backward()
    assert all(parameter.grad is not None for parameter in stack.flownetc.conv1.parameters())
    assert stack.flownetc.conv1[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", ["target", "source"])
def test_an_image_that_is_not_finite_is_named(which, value):
    images = dict(zip(("target", "source"), pair(), strict=True))
    images[which][0, 1, 3, 5] = value
    with pytest.raises(ValueError, match=f"^the {which} image"):
        FlowNet2SD(0.0625)(**images)
