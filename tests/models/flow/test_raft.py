"""RAFT takes any size and says what is wrong with an input; autocast and threads do not harm it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers_motion import texture

from models.flow.raft import RaftNetwork, load
from models.torchvision_shim import raft


@pytest.fixture(scope="module")
def state(test_data):
    path = test_data / "weights" / "raft-small.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def network(state):
    return load(state, iterations=6)


def shifted_pair(height, width, right=3, down=-2):
    """The source shows everything `right` and `down` px further; (1, 3, H, W) in [0, 1]."""
    whole = torch.from_numpy(texture(height + 8, width + 8)).permute(2, 0, 1)[None].float() / 255
    target = whole[..., 4 : 4 + height, 4 : 4 + width]
    source = whole[..., 4 - down : 4 - down + height, 4 - right : 4 - right + width]
    return target, source


@pytest.mark.parametrize("size", [(64, 64), (65, 131), (128, 72), (136, 200)])
def test_a_known_shift_is_found_at_any_size(network, size):
    with torch.inference_mode():
        flow = network(*shifted_pair(*size))
    assert flow.shape == (1, 2, *size)
    inner = flow[0, :, 8:-8, 8:-8] - torch.tensor([3.0, -2.0])[:, None, None]
    assert inner.norm(dim=0).mean() < 0.5


def test_pairs_of_a_batch_do_not_mix(network):
    pairs = [shifted_pair(64, 80), shifted_pair(64, 80, -2, 1)]
    with torch.inference_mode():
        together = network(*(torch.cat(images) for images in zip(*pairs, strict=True)))
        alone = torch.cat([network(*pair) for pair in pairs])
    assert (together - alone).abs().max() < 0.01  # sums in another order


@pytest.mark.parametrize("kind", ["raft_small", "raft_large"])
def test_the_flow_is_that_of_torchvisions_forward(kind):
    torch.manual_seed(0)
    network = RaftNetwork(kind, iterations=3).eval()
    target, source = shifted_pair(128, 136)
    with torch.inference_mode():
        expected = network.raft(2 * target - 1, 2 * source - 1, num_flow_updates=3)[-1]
        assert torch.equal(network(target, source), expected)


def test_autocast_keeps_the_correlation_in_float32(state, monkeypatch):
    network, seen = load(state, iterations=2), []
    index = raft.CorrBlock.index_pyramid

    def spy(self, place):
        seen.extend(level.dtype for level in [*self.corr_pyramid, place])
        return index(self, place)

    monkeypatch.setattr(raft.CorrBlock, "index_pyramid", spy)
    pair = shifted_pair(64, 80)
    with torch.inference_mode():
        exact = network(*pair)
        with torch.autocast("cpu", torch.bfloat16):
            flow = network(*pair)
    assert set(seen) == {torch.float32}
    assert (flow - exact).abs().mean() < 0.2


def test_threads_share_a_network(network):
    pairs = [shifted_pair(64, 80, right, 1) for right in (3, -3, 2, -2)]

    def flow(pair):
        with torch.inference_mode():
            return network(*pair)

    expected = [flow(pair) for pair in pairs]
    with ThreadPoolExecutor(2) as threads:
        assert all(map(torch.equal, threads.map(flow, pairs), expected))


@pytest.mark.parametrize("bad", ["target", "source"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_image_that_is_not_finite_is_named(network, bad, value):
    images = dict(zip(("target", "source"), shifted_pair(64, 64), strict=True))
    images[bad] = images[bad].clone()
    images[bad][0, 1, 5, 5] = value
    with pytest.raises(ValueError, match=f"^{bad} holds NaN or infinity$"):
        network(**images)


def test_too_small_an_image_is_told(network):
    with pytest.raises(ValueError, match="80x63 px; RAFT needs sides of 64 px or more"):
        network(*shifted_pair(63, 80))
