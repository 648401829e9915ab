"""The network that comes with Backdrop: when it is taken, and whether it is worth it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers_motion import texture

from models.flow.dis import DisFlow
from models.flow.metrics import endpoint_error
from pipeline.optical_flow.benchmark_pairs import find_pairs, load_pair
from pipeline.optical_flow.choose import choose_estimator
from pipeline.optical_flow.training.pairs import synthesise
from pipeline.optical_flow.weights import read_weights
from pipeline.params.flow import ComputeFlow

SHIPPED = Path(__file__).resolve().parents[3] / "weights" / "flow" / "shipped.safetensors"
MOST_BYTES = 8_000_000


@pytest.fixture
def folder(tmp_path):
    shutil.copy(SHIPPED, tmp_path)
    return tmp_path


def chosen(folder):
    return choose_estimator(ComputeFlow(weights=str(folder), device="cpu"))


def test_auto_takes_it_where_there_is_nothing_else(folder):
    assert SHIPPED.stat().st_size <= MOST_BYTES
    choice = chosen(folder)
    assert choice.backend == "dis_corrected"
    assert "shipped.safetensors beat DIS" in choice.reason


def test_ones_own_comes_first(folder):
    shutil.copy(SHIPPED, folder / "own.safetensors")
    assert chosen(folder).weights == folder / "own.safetensors"


def test_published_weights_come_first(folder, test_data):
    (folder / "z.pth").symlink_to(test_data / "weights" / "raft-small.pth")
    assert chosen(folder).backend == "raft_small"


def errors(pairs, folder):
    """Mean endpoint error, px, of the network and of DIS."""
    network, dis = chosen(folder).make(), DisFlow()
    found = []
    for target, source, flow in pairs:
        given = target[None], source[None]
        found.append([endpoint_error(f.estimate(*given)[0], flow).mean() for f in (network, dis)])
    return np.mean(found, axis=0)


def test_it_beats_dis_on_pairs_of_textures_that_it_was_not_trained_on(folder):
    assert read_weights(SHIPPED).beats_dis
    textures = [texture(192, 256, seed) for seed in range(4)]
    made = [synthesise(textures, np.random.default_rng(n), 128, 192, 24.0) for n in range(24)]
    ours, dis = errors([(pair.target, pair.source, pair.flow) for pair in made], folder)
    assert ours < 0.9 * dis


def test_it_beats_dis_on_flying_chairs(folder, test_data):
    pairs = [load_pair(pair) for pair in find_pairs(test_data / "flow")]
    assert all(pair.known.all() for pair in pairs)
    ours, dis = errors([(pair.target, pair.source, pair.flow) for pair in pairs], folder)
    assert ours < 0.95 * dis
