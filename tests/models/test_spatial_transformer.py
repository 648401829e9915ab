from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.spatial_transformer import crop, focal_bump, uncrop


def gradient_image(height: int, width: int) -> torch.Tensor:
    """Channel 0 holds x, channel 1 holds y, as shares of the image: bilinear sampling is exact."""
    x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    y = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.35, 0.65), st.floats(0.35, 0.65), st.floats(0.2, 0.5), st.floats(0.2, 0.5))
def test_crop_samples_where_the_box_says(cx, cy, sx, sy):
    box = torch.tensor([[cx, cy, sx, sy]], dtype=torch.float64)
    window = crop(gradient_image(60, 80), box, 10, 12)[0]
    x = cx + sx * ((torch.arange(12, dtype=torch.float64) + 0.5) / 12 - 0.5)
    y = cy + sy * ((torch.arange(10, dtype=torch.float64) + 0.5) / 10 - 0.5)
    assert torch.allclose(window[0], x.expand(10, 12), atol=1e-6)
    assert torch.allclose(window[1], y[:, None].expand(10, 12), atol=1e-6)


def test_uncrop_is_the_inverse_inside_and_zero_outside():
    image = gradient_image(64, 64)
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5]], dtype=torch.float64)
    back = uncrop(crop(image, box, 32, 32), box, 64, 64)
    assert torch.allclose(back[..., 18:46, 18:46], image[..., 18:46, 18:46], atol=1e-6)
    assert torch.equal(back[..., :15, :], torch.zeros(1, 2, 15, 64, dtype=torch.float64))


def test_crop_pads_with_the_border():
    box = torch.tensor([[0.0, 0.5, 0.5, 0.5]], dtype=torch.float64)  # half of it is outside
    window = crop(gradient_image(32, 32), box, 8, 8)
    assert torch.allclose(window[0, 0, :, 0], torch.full((8,), 0.5 / 32, dtype=torch.float64))


def test_gradient_reaches_the_box_through_both():
    image = torch.rand(2, 3, 24, 24, dtype=torch.float64)
    box = torch.tensor([[0.5, 0.4, 0.43, 0.37]] * 2, dtype=torch.float64, requires_grad=True)

    def there_and_back(b: torch.Tensor) -> torch.Tensor:
        return uncrop(crop(image, b, 8, 8), b, 24, 24).square().mean()

    analytic = torch.autograd.grad(there_and_back(box), box)[0]
    step = 1e-6
    for entry in range(4):
        shift = torch.zeros_like(box)
        shift[0, entry] = step
        numeric = (there_and_back(box + shift) - there_and_back(box - shift)) / (2 * step)
        assert torch.allclose(analytic[0, entry], numeric, rtol=1e-3, atol=1e-7)


def test_bump_is_one_in_the_middle_small_at_the_border_and_symmetric():
    bump = focal_bump(48, 32)[0, 0]
    assert bump.shape == (48, 32)
    assert bump[16:32, 12:20].min() > 0.98
    assert bump[0].max() < 0.2
    assert torch.allclose(bump, bump.flip(0))
    assert torch.allclose(bump, bump.flip(1))


def test_the_bump_falls_with_the_eighth_power():
    bump = focal_bump(48, 32)[0, 0]
    for row, column in ((0, 16), (3, 4), (10, 2), (24, 31)):
        y, x = (2 * row + 1) / 48 - 1, (2 * column + 1) / 32 - 1
        assert float(bump[row, column]) == pytest.approx((1 - y**8) * (1 - x**8), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 0.7), st.floats(0.3, 0.7), st.floats(0.2, 0.5), st.floats(0.2, 0.5))
def test_uncrop_puts_the_window_where_the_box_says(cx, cy, sx, sy):
    """Inside the box each px shows its own place in it, outside of the box nothing."""
    box = torch.tensor([[cx, cy, sx, sy]], dtype=torch.float64)
    image = uncrop(gradient_image(50, 40), box, 60, 80)[0]
    x = (torch.arange(80, dtype=torch.float64) + 0.5) / 80
    y = (torch.arange(60, dtype=torch.float64) + 0.5)[:, None] / 60
    across, down = (x - cx) / sx + 0.5, (y - cy) / sy + 0.5  # 0 to 1 from side to side of the box
    inside = (((across - 0.5).abs() < 0.48) & ((down - 0.5).abs() < 0.48)).expand(60, 80)
    outside = (((across - 0.5).abs() > 0.52) | ((down - 0.5).abs() > 0.52)).expand(60, 80)
    assert torch.allclose(image[0][inside], across.expand(60, 80)[inside], atol=1e-6)
    assert torch.allclose(image[1][inside], down.expand(60, 80)[inside], atol=1e-6)
    assert not image[:, outside].any()
