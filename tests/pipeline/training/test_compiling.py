from __future__ import annotations

import pytest
import torch
from torch import nn

from models.layers import standardise
from pipeline.training.compiling import compile_networks


def test_without_a_compiler_training_goes_on_and_says_so(monkeypatch, caplog):
    def broken(function):
        def fail(*inputs):
            raise RuntimeError("InvalidCxxCompiler: no working C++ compiler\nmore")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    network = nn.Linear(2, 2)
    with caplog.at_level("WARNING", "backdrop"):
        assert not compile_networks(True, network)
    assert "does not work here (InvalidCxxCompiler: no working C++ compiler)" in caplog.text
    assert network(torch.ones(1, 2)).shape == (1, 2)


def test_nothing_is_compiled_unasked(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *_: pytest.fail("compiled"))
    assert not compile_networks(False, nn.Linear(2, 2))


def test_what_all_networks_begin_with_compiles_without_a_warning():
    image = torch.rand(1, 3, 8, 8)
    expected = standardise(image)  # kept from here on; a compiled network may not look it up
    assert torch.equal(torch.compile(standardise, backend="eager", fullgraph=True)(image), expected)


@pytest.mark.slow
def test_a_compiled_network_computes_the_same_under_the_same_names():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    names = list(network.state_dict())
    image = torch.rand(2, 3, 16, 16)
    expected = network.eval()(image)
    assert compile_networks(True, network)
    assert torch.allclose(network(image), expected, atol=1e-5)
    assert list(network.state_dict()) == names
