"""RAFT's weights under both namings; what does not fit or cannot be fetched is told in a line."""

from __future__ import annotations

from urllib.error import URLError

import pytest
import torch

from models.flow.raft import RaftNetwork, download, identify, load
from models.flow.raft_names import original_name
from models.torchvision_shim import WeightsUnavailable


@pytest.fixture(scope="module")
def state(test_data):
    path = test_data / "weights" / "raft-small.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


# From princeton-vl's core/extractor.py and core/update.py: entries whose names differ most.
ORIGINAL_LARGE = {
    "fnet.conv1.weight",
    "fnet.conv2.bias",
    "fnet.layer3.1.conv2.weight",
    "cnet.norm1.running_mean",
    "cnet.layer1.0.norm2.weight",
    "cnet.layer2.0.downsample.0.weight",
    "cnet.layer2.0.downsample.1.num_batches_tracked",
    "update_block.encoder.convc2.weight",
    "update_block.encoder.convf1.bias",
    "update_block.encoder.conv.weight",
    "update_block.gru.convz1.weight",
    "update_block.gru.convq2.bias",
    "update_block.flow_head.conv1.weight",
    "update_block.mask.0.weight",
    "update_block.mask.2.bias",
}


def test_raft_large_loads_from_both_namings():
    expected = RaftNetwork("raft_large").raft.state_dict()
    original = {original_name(name, small=False): value for name, value in expected.items()}
    assert original.keys() >= ORIGINAL_LARGE
    assert not any("convnormrelu" in name or "recurrent" in name for name in original)
    twins = {
        name.replace("downsample.1", "norm3"): value
        for name, value in original.items()
        if name.startswith("cnet") and "downsample.1" in name
    }
    original = {f"module.{name}": value for name, value in (original | twins).items()}
    for state in (expected, original):
        assert identify(state) == "raft_large"
        loaded = load(state).raft.state_dict()
        assert all(torch.equal(loaded[name], value) for name, value in expected.items())


def test_weights_that_do_not_fit_are_told_in_a_line(state):
    short = {name: value for name, value in state.items() if "cnet.layer" not in name}
    with pytest.raises(ValueError, match="is missing") as told:
        load(short)
    line = str(told.value)
    assert line.count("cnet.layer") == 3
    assert "cnet.layer1.0.conv1.weight is missing" in line
    assert line.endswith(", 37 more")  # weights and biases of 18 convolutions, 2 shortcuts
    odd = {
        **state,
        "module.more": torch.zeros(1),
        "module.fnet.conv2.bias": torch.zeros(2),
    }
    with pytest.raises(ValueError, match="is unexpected") as told:
        load(odd)
    assert str(told.value) == "more is unexpected, fnet.conv2.bias is 2 instead of 128"


@pytest.mark.parametrize(
    "state",
    [{}, {"conv1.weight": torch.zeros(64, 3, 7, 7)}, {"fnet.conv1.weight": "text"}],
)
def test_something_else_is_no_raft(state):
    assert identify(state) is None
    with pytest.raises(ValueError, match="no RAFT"):
        load(state)


@pytest.mark.parametrize("error", [URLError("no network"), RuntimeError("invalid hash value")])
@pytest.mark.parametrize("kind", ["raft_small", "raft_large"])
def test_a_failed_download_is_one_error(kind, error, monkeypatch):
    def fail(url, *, check_hash, **options):
        assert check_hash
        raise error

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(WeightsUnavailable, match=f"cannot fetch https://.*{kind}_C_T") as told:
        download(kind)
    assert str(told.value).count("\n") == 0


def test_a_download_is_handed_over(state, monkeypatch):
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda url, **options: {"url": url}
    )
    assert "raft_small" in download("raft_small")["url"]
