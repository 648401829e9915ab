"""Which of several files of weights in a folder is taken: of one network, the first by name."""

from __future__ import annotations

import logging
import shutil

import pytest
import torch

from models.flownet2.variants import FlowNet2SD
from pipeline.optical_flow.choose import choose_estimator
from pipeline.optical_flow.weights import save_own
from pipeline.params.flow import ComputeFlow

BETTER = {"own": 1.0, "dis-medium": 2.0, "zero": 3.0}


def choose(backend, weights):
    return choose_estimator(ComputeFlow(backend=backend, weights=str(weights), device="cpu"))


@pytest.fixture
def published(tmp_path, test_data):
    """A folder with two files of RAFT-small whose weights differ."""
    raft = test_data / "weights" / "raft-small.pth"
    state = torch.load(raft, map_location="cpu", weights_only=True)
    shutil.copy(raft, tmp_path / "raft-b.pth")
    torch.save({name: 2 * value for name, value in state.items()}, tmp_path / "raft-a.pth")
    return tmp_path


@pytest.fixture
def own(tmp_path):
    """A folder with two networks of one's own that both beat DIS."""
    for name in ("own-b", "own-a"):
        save_own(tmp_path / f"{name}.safetensors", FlowNet2SD(width=0.05), BETTER)
    return tmp_path


@pytest.mark.parametrize("backend", ["auto", "raft_small"])
def test_of_published_weights_the_first_by_name(published, caplog, backend):
    with caplog.at_level(logging.WARNING, "backdrop"):
        choice = choose(backend, published)
    assert choice.weights == published / "raft-a.pth"
    assert "raft-a.pth" in choice.reason
    (record,) = caplog.records
    assert "raft-a.pth, raft-b.pth" in record.getMessage()
    assert "raft-a.pth is taken" in record.getMessage()


@pytest.mark.parametrize("backend", ["auto", "flownet2_sd"])
def test_of_ones_own_networks_the_first_by_name(own, caplog, backend):
    with caplog.at_level(logging.WARNING, "backdrop"):
        choice = choose(backend, own)
    assert choice.weights == own / "own-a.safetensors"
    assert "own-a.safetensors" in choice.reason
    assert len(caplog.records) == 1


def test_files_of_different_networks_do_not_compete(published, caplog):
    (published / "raft-a.pth").unlink()
    save_own(published / "a.safetensors", FlowNet2SD(width=0.05), BETTER)
    with caplog.at_level(logging.WARNING, "backdrop"):
        assert choose("auto", published).weights == published / "raft-b.pth"
        assert choose("flownet2_sd", published).weights == published / "a.safetensors"
    assert not caplog.records
