"""Our RAFT-small gives the flow of the original network, written here a second time.

The reference follows the paper and the published code's semantics on its published weights, with
the weights' own names and without torchvision: convolutions by name, bilinear sampling by hand.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.flow.metrics import endpoint_error
from models.flow.raft import identify, load
from pipeline.optical_flow.benchmark_pairs import find_pairs, load_pair

RADIUS, LEVELS, HIDDEN, CONTEXT = 3, 4, 96, 64


class ReferenceRaftSmall:
    """The original RAFT-small on its own state dict.

    Args:
        state: as published, with the prefix `module.`.
    """

    def __init__(self, state):
        self.state = {name.removeprefix("module."): value for name, value in state.items()}

    def flow(self, first, second, iterations=12):
        """(1, 2, H, W) px; images (1, 3, H, W) in 0..255, their sides divisible by 8."""
        first, second = 2 * (first / 255) - 1, 2 * (second / 255) - 1
        features = [self.encode("fnet", image, F.instance_norm)[0] for image in (first, second)]
        pyramid = correlation_pyramid(*features)
        hidden, context = self.encode("cnet", first, lambda x: x).split([HIDDEN, CONTEXT], dim=1)
        hidden, context = torch.tanh(hidden), torch.relu(context)
        rows, columns = torch.meshgrid(*map(torch.arange, hidden.shape[-2:]), indexing="ij")
        start = torch.stack([columns, rows]).float()  # (2, h, w), x before y
        place = start.clone()
        for _ in range(iterations):
            seen = look_up(pyramid, place)[None]
            moved = (place - start)[None]
            hidden, step = self.update(hidden, context, seen, moved)
            place = place + step[0]
        return 8 * enlarge(place - start, 8)[None]

    def conv(self, name, x, stride=1):
        weight = self.state[f"{name}.weight"]
        padding = weight.shape[-1] // 2
        return F.conv2d(x, weight, self.state[f"{name}.bias"], stride, padding)

    def encode(self, name, x, norm):
        """Features at an eighth of the size: stem, three pairs of bottleneck blocks, 1x1."""
        x = torch.relu(norm(self.conv(f"{name}.conv1", x, stride=2)))
        for layer, first_stride in ((1, 1), (2, 2), (3, 2)):
            for block, stride in ((0, first_stride), (1, 1)):
                prefix = f"{name}.layer{layer}.{block}"
                y = x
                for index, its_stride in ((1, 1), (2, stride), (3, 1)):
                    y = torch.relu(norm(self.conv(f"{prefix}.conv{index}", y, its_stride)))
                if stride == 2:
                    x = norm(self.conv(f"{prefix}.downsample.0", x, stride))
                x = torch.relu(x + y)
        return self.conv(f"{name}.conv2", x)

    def update(self, hidden, context, seen, flow):
        """Motion features, one ConvGRU step, and the step of the flow."""
        block = "update_block"
        matches = torch.relu(self.conv(f"{block}.encoder.convc1", seen))
        moved = torch.relu(self.conv(f"{block}.encoder.convf1", flow))
        moved = torch.relu(self.conv(f"{block}.encoder.convf2", moved))
        motion = torch.cat([matches, moved], dim=1)
        motion = torch.relu(self.conv(f"{block}.encoder.conv", motion))
        x = torch.cat([context, motion, flow], dim=1)
        both = torch.cat([hidden, x], dim=1)
        z, r = (torch.sigmoid(self.conv(f"{block}.gru.conv{gate}", both)) for gate in "zr")
        q = torch.tanh(self.conv(f"{block}.gru.convq", torch.cat([r * hidden, x], dim=1)))
        hidden = (1 - z) * hidden + z * q
        step = torch.relu(self.conv(f"{block}.flow_head.conv1", hidden))
        return hidden, self.conv(f"{block}.flow_head.conv2", step)


def correlation_pyramid(first, second):
    """Scalar products of all pairs of (C, h, w) features: four of (h * w, h / 2^i, w / 2^i)."""
    channels, height, width = first.shape
    products = torch.einsum("cn,cm->nm", first.flatten(1), second.flatten(1)) / channels**0.5
    pyramid = [products.reshape(-1, height, width)]
    for _ in range(LEVELS - 1):
        x = pyramid[-1]
        x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
        corners = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        pyramid.append(torch.stack(corners).mean(0))
    return pyramid


def look_up(pyramid, place):
    """Around `place` (2, h, w), 7x7 samples of each level; (4 * 49, h, w), x the slower index."""
    height, width = place.shape[1:]
    x, y = place.flatten(1)
    offsets = torch.arange(-RADIUS, RADIUS + 1)
    side = len(offsets)
    along_x, along_y = offsets.repeat_interleave(side), offsets.repeat(side)
    levels = []
    for level, volume in enumerate(pyramid):
        xs, ys = (x / 2**level)[:, None] + along_x, (y / 2**level)[:, None] + along_y
        levels.append(bilinear(volume, xs, ys).T.reshape(-1, height, width))
    return torch.cat(levels)


def bilinear(volume, x, y):
    """Samples (N, K) of images (N, h, w) at px (N, K); outside they are zero."""
    height, width = volume.shape[1:]
    total = torch.zeros_like(x)
    for i in (0, 1):
        for j in (0, 1):
            row, column = y.floor() + i, x.floor() + j
            weight = (1 - (y - row).abs()) * (1 - (x - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
            total += torch.where(inside, weight * volume.flatten(1).gather(1, at), 0.0)
    return total


def enlarge(image, factor):
    """Bilinear, corner pixels onto corner pixels: (2, h, w) to (2, factor h, factor w)."""
    for axis in (1, 2):
        length = image.shape[axis]
        at = torch.linspace(0, length - 1, factor * length, dtype=torch.float64)
        low = at.long().clamp(max=length - 2)
        shape = (-1, 1) if axis == 1 else (1, -1)
        share = (at - low).float().reshape(shape)
        image = image.index_select(axis, low) * (1 - share) + (
            image.index_select(axis, low + 1) * share
        )
    return image


@pytest.fixture(scope="module")
def state(test_data):
    path = test_data / "weights" / "raft-small.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def pair(test_data):
    """A crop of a real pair whose sides the network need not pad; (1, 3, 160, 192) in 0..255."""
    images = []
    for name in ("00001_img1.ppm", "00001_img2.ppm"):
        image = cv2.imread(str(test_data / "flow" / name), cv2.IMREAD_COLOR_RGB)
        images.append(torch.from_numpy(image[100:260, 150:342]).permute(2, 0, 1)[None].float())
    return images


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_published_weights_give_the_original_flow(state, pair, prefix):
    renamed = {prefix + name.removeprefix("module."): value for name, value in state.items()}
    assert identify(renamed) == "raft_small"
    with torch.inference_mode():
        expected = ReferenceRaftSmall(state).flow(*pair)
        flow = load(renamed)(*(image / 255 for image in pair))
    assert flow.shape == expected.shape == (1, 2, 160, 192)
    assert expected.abs().max() > 3, "the pair must move"
    # Both are float32 and sum in other orders, and twelve steps of a GRU enlarge what differs:
    # 1e-4 px here. A wrong layer or a swapped channel makes it pixels.
    assert (flow - expected).abs().max() < 0.01


def test_names_of_torchvision_give_the_same_network(state, pair):
    original = load(state)
    named_otherwise = load(original.raft.state_dict())
    images = [image[..., :128, :128] / 255 for image in pair]
    with torch.inference_mode():
        assert torch.equal(original(*images), named_otherwise(*images))


def test_the_reference_samples_as_grid_sample():
    rng = torch.Generator().manual_seed(0)
    volume = torch.rand(3, 5, 7, generator=rng)
    x, y = (torch.rand(3, 20, generator=rng) * 12 - 3 for _ in range(2))
    grid = torch.stack([2 * x / 6 - 1, 2 * y / 4 - 1], dim=-1)[:, None]
    expected = F.grid_sample(volume[:, None], grid, align_corners=True)[:, 0, 0]
    np.testing.assert_allclose(bilinear(volume, x, y), expected, atol=1e-5)


@pytest.mark.slow
def test_endpoint_error_on_whole_pairs_is_the_originals(state, test_data):
    """The issue's bound is 2 %."""
    errors = []
    with torch.inference_mode():
        for pair in find_pairs(test_data / "flow"):
            target, source, truth, _ = load_pair(pair)
            images = [torch.from_numpy(x).permute(2, 0, 1)[None].float() for x in (target, source)]
            flows = ReferenceRaftSmall(state).flow(*images), load(state)(*(x / 255 for x in images))
            found = [flow[0].permute(1, 2, 0).numpy() for flow in flows]
            assert np.abs(found[0] - found[1]).max() < 0.01
            errors.append([endpoint_error(flow, truth).mean() for flow in found])
    original, ours = np.mean(errors, axis=0)
    print(f"original {original:.6f} px, ours {ours:.6f} px")
    assert original == pytest.approx(ours, rel=1e-4)
    assert 1.2 < ours < 1.5
