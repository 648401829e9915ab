"""Networks on a GPU, from several threads at once, against the same on the CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers_motion import texture

from models.flow.network import NetworkFlow
from models.flownet2.variants import FlowNet2

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = FlowNet2(width=0.05).eval().requires_grad_(False)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)  # untrained, its flow would be zero
    return network


def found_on(device, network, half=False):
    """Flow of four threads' pairs, each in two batches."""
    place = torch.device(device)
    estimator = NetworkFlow("tiny", network.to(place), place, batch=2, half=half, enlarge_to=128)
    frames = np.stack([texture(64, 96, seed) for seed in range(4 * 3 + 1)])
    parts = [slice(3 * thread, 3 * thread + 3) for thread in range(4)]
    with ThreadPoolExecutor(4) as pool:
        flows = list(pool.map(lambda p: estimator.estimate(frames[:-1][p], frames[1:][p]), parts))
    return np.concatenate(flows)


def test_every_threads_flow_is_that_of_the_cpu(network):
    on_cpu, on_gpu = found_on("cpu", network), found_on("cuda", network)
    assert on_gpu.shape == (12, 64, 96, 2)
    assert np.allclose(on_gpu, on_cpu, atol=0.02 * np.abs(on_cpu).max())


def test_half_precision_is_near_and_finite(network):
    exact, half = found_on("cuda", network), found_on("cuda", network, half=True)
    assert np.isfinite(half).all()
    assert np.abs(half - exact).mean() < 0.1 * np.abs(exact).mean()
