from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.flow.loss import multi_scale_epe
from models.flownet2 import VARIANTS
from models.flownet2.correlation import correlation
from models.flownet2.networks import STEM
from models.flownet2.warp import warp

SHIFT = torch.tensor([3.0, -2.0])[None, :, None, None]  # px to the right, px downwards


def shifted_pair():
    texture = F.interpolate(torch.rand(2, 3, 20, 20), scale_factor=4, mode="bilinear")
    return texture[..., 8:72, 8:72], texture[..., 10:74, 5:69]


@pytest.mark.parametrize("variant", ["flownet2_cs", "flownet2_sd"])
def test_a_constant_shift_is_learned_in_a_few_dozen_steps(variant):
    torch.manual_seed(0)
    network = VARIANTS[variant](0.125)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    errors = []
    for _ in range(40):
        levels = network.pyramid(*shifted_pair())
        loss = sum((level - SHIFT).norm(dim=1).mean() for level in levels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert sum(errors[-5:]) < 0.25 * sum(errors[:5])
    target, source = shifted_pair()
    with torch.no_grad():
        assert (network(target, source) - SHIFT).norm(dim=1).mean() < 1.0


SIZE, PAD, REACH = 128, 48, 32  # px: crop, texture around it, flow


def textures(count, generator):
    """Clouds with detail at all scales (count, 3, S, S), 0 to 1, std about a sixth."""
    side = SIZE + 2 * PAD
    image = torch.zeros(count, 3, side, side)
    for octave, cell in enumerate((64, 32, 16, 8, 4, 2)):
        grid = torch.rand(count, 3, side // cell + 2, side // cell + 2, generator=generator) - 0.5
        image += 0.8**octave * F.interpolate(grid, (side, side), mode="bilinear")
    return (0.5 * image + 0.5).clamp(0, 1)


def varying_pairs(pool, count, generator):
    """Pairs with a smooth flow of up to about `REACH` px that no constant explains."""
    texture = pool[torch.randint(len(pool), (count,), generator=generator)]
    direction = 2 * torch.pi * torch.rand(count, generator=generator)
    length = 0.7 * REACH * torch.rand(count, generator=generator)
    shift = torch.stack([length * direction.cos(), length * direction.sin()], 1)[..., None, None]
    grid = REACH * (torch.rand(count, 2, 3, 3, generator=generator) - 0.5)
    flow = shift + F.interpolate(grid, (SIZE, SIZE), mode="bilinear", align_corners=True)
    inside = slice(PAD, PAD + SIZE)
    everywhere = F.pad(flow, (PAD,) * 4, mode="replicate")
    target = warp(texture, everywhere)[..., inside, inside]
    return target, texture[..., inside, inside], flow


@pytest.mark.parametrize("width", [0.125, 0.25, 1.0])
def test_costs_start_at_the_scale_of_what_bypasses_them(width):
    torch.manual_seed(0)
    network = VARIANTS["flownet2_c"](width)
    images = textures(2, torch.Generator().manual_seed(0))[..., :SIZE, :SIZE]
    with torch.no_grad():
        features = network.encode(STEM, images - images.mean())[3]
        costs, redirected = correlation(features, features), network.conv_redir(features)
    assert 0.2 < costs[:, 220].std() / redirected.std() < 5.0  # 220: no displacement


@pytest.mark.slow
def test_flownetc_learns_flow_that_varies_over_the_frame():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    pool = textures(64, generator)
    network = VARIANTS["flownet2_c"](0.125)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    errors, floors = [], []
    for iteration in range(250):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (iteration + 1) / 50)
        target, source, flow = varying_pairs(pool, 4, generator)
        pyramid = network.pyramid(target, source)
        optimizer.zero_grad()
        multi_scale_epe(pyramid, flow).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        finest = F.interpolate(pyramid[0].detach(), (SIZE, SIZE), mode="bilinear")
        errors.append((finest - flow).norm(dim=1).mean().item())
        floors.append(flow.norm(dim=1).mean().item())
    assert sum(errors[-50:]) < 0.75 * sum(floors[-50:])
