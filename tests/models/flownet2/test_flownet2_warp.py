from __future__ import annotations

import math

import numpy as np
import torch

from models.flownet2.warp import channel_norm, warp


def by_loop(image, flow):
    """One channel; indices clamped to the border, as resample2d does."""
    height, width = image.shape
    out = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        right, down = x + flow[0, y, x], y + flow[1, y, x]
        left, top = math.floor(right), math.floor(down)
        out[y, x] = sum(
            (1 - abs(right - i))
            * (1 - abs(down - j))
            * image[_within(j, height), _within(i, width)]
            for j in (top, top + 1)
            for i in (left, left + 1)
        )
    return out


def _within(index, size):
    return min(max(index, 0), size - 1)


def test_as_by_a_loop_inside_and_beyond_the_border():
    rng = np.random.default_rng(0)
    image, flow = rng.random((2, 3, 9, 12)), 8 * rng.standard_normal((2, 2, 9, 12))
    warped = warp(torch.from_numpy(image), torch.from_numpy(flow)).numpy()
    for pair, channel in np.ndindex(2, 3):
        assert np.allclose(warped[pair, channel], by_loop(image[pair, channel], flow[pair]))


def test_no_flow_changes_nothing():
    image = torch.rand(2, 3, 37, 50)
    assert torch.allclose(warp(image, torch.zeros(2, 2, 37, 50)), image, atol=1e-5)


def test_the_flow_leads_into_the_image():
    image = torch.rand(1, 3, 16, 16)
    flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, 16, 16)
    assert torch.allclose(warp(image, flow)[..., 2:, :-3], image[..., :-2, 3:], atol=1e-5)


def test_gradients():
    image = torch.rand(1, 2, 4, 5, dtype=torch.double, requires_grad=True)
    flow = (torch.rand(1, 2, 4, 5, dtype=torch.double) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(warp, [image, flow])


def test_autocast_leaves_coordinates_exact():
    image = torch.arange(1000.0).expand(1, 1, 1, 1000)
    with torch.autocast("cpu", torch.float16):
        warped = warp(image.half(), torch.full((1, 2, 1, 1000), 0.25))
    assert torch.allclose(warped[0, 0, 0, :-1], image[0, 0, 0, :-1] + 0.25, atol=1e-2)


def test_channel_norm_is_the_length_and_smooth_at_zero():
    x = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).view(1, 2, 1, 2).requires_grad_()
    length = channel_norm(x)
    length.sum().backward()
    assert length.tolist() == [[[[5.0, 0.0]]]]
    assert torch.allclose(x.grad[0, :, 0], torch.tensor([[0.6, 0.0], [0.8, 0.0]]))
