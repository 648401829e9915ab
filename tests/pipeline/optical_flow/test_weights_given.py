"""Weights of flow that are not where they are said to be, not finite, or not good enough."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from models.flownet2.variants import FlowNet2SD
from pipeline.errors import BackdropError
from pipeline.optical_flow.choose import available, choose_estimator
from pipeline.optical_flow.weights import read_weights, save_own
from pipeline.params.flow import ComputeFlow


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def given(weights):
    return ComputeFlow(backend="auto", weights=str(weights), device="cpu")


@pytest.mark.parametrize("look", [choose_estimator, available])
@pytest.mark.parametrize("name", ["raft.pth", "weights/flwo", "nowhere/weights/flow"])
def test_a_path_that_is_not_there_is_told_whatever_its_name(look, name):
    with pytest.raises(BackdropError, match=rf"^{name}: is missing — .*docs/flow\.md$"):
        look(given(name))


@pytest.mark.parametrize("backend", ["raft_small", "flownet2"])
def test_it_is_told_for_a_network_asked_for_too(backend):
    with pytest.raises(BackdropError, match="nowhere: is missing"):
        choose_estimator(ComputeFlow(backend=backend, weights="nowhere", device="cpu"))


@pytest.mark.parametrize("name", ["weights/flow", "weights/flow/", "empty"])
def test_the_default_folder_may_be_missing_and_any_may_be_empty(tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert choose_estimator(given(name)).backend == "dis"
    (dis,) = available(given(name))
    assert dis.reason == f"no weights in {name.rstrip('/')}: DIS alone"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("form", ["pth", "safetensors"])
def test_weights_that_are_not_finite_are_refused_by_the_first_key(tmp_path, test_data, form, value):
    published = test_data / "weights" / "raft-small.pth"
    state = torch.load(published, map_location="cpu", weights_only=True)
    first, second = "module.cnet.conv1.bias", "module.update_block.flow_head.conv2.bias"
    assert [key for key in state if key in (first, second)] == [first, second]
    for key in (first, second):
        state[key].view(-1)[-1] = value
    path = tmp_path / f"raft.{form}"
    torch.save(state, path) if form == "pth" else save_file(state, path)
    with pytest.raises(BackdropError) as refused:
        read_weights(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: holds NaN or infinity in '{first.removeprefix('module.')}'")
    with pytest.raises(BackdropError, match="holds NaN or infinity"):
        choose_estimator(given(path))


@pytest.mark.parametrize(
    ("own", "dis", "zero", "taken"),
    [
        (1.0, 2.0, 3.0, True),
        (2.5, 2.0, 3.0, False),
        (1.5, 2.0, 1.0, False),  # where DIS itself is worse than to say that nothing moves
        (1.0, 2.0, 1.0, False),
        (float("nan"), 2.0, 3.0, False),
    ],
)
def test_ones_own_network_must_beat_dis_and_zero_flow(tmp_path, own, dis, zero, taken):
    torch.manual_seed(0)
    errors = {"own": own, "dis-medium": dis, "zero": zero}
    save_own(tmp_path / "own.safetensors", FlowNet2SD(width=0.05), errors)
    assert read_weights(tmp_path / "own.safetensors").beats_dis == taken
    backend = "flownet2_sd" if taken else "dis"
    assert choose_estimator(given(tmp_path)).backend == backend
