from __future__ import annotations

from functools import cache

import pytest
import torch

from models.flownet2 import VARIANTS, identify, load, unwrap


@cache
def weights(variant, width=0.125):
    torch.manual_seed(0)
    return VARIANTS[variant](width).state_dict()


def changed(variant, **values):
    """Its state dict with some entries replaced (`_` for the dots), or left out where None."""
    state = dict(weights(variant))
    for key in list(state):
        name = key.replace(".", "_")
        if name in values:
            del state[key]
            if values[name] is not None:
                state[key] = values[name]
    return state


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_and_width_are_identified(variant, width):
    with torch.device("meta"):
        found = identify(VARIANTS[variant](width).state_dict())
    assert found is not None
    assert found[0] == variant
    assert found[1] == pytest.approx(width, abs=1 / 256)  # as far as widths differ at all


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"weight": torch.zeros(2, 2)},
        {"conv6.0.weight": torch.zeros(())},
        {"conv6.0.weight": torch.zeros(0, 3)},
        changed("flownet2_s", conv4_0_bias=None),
        changed("flownet2_s", conv4_0_bias=torch.zeros(3)),
        weights("flownet2_s") | {"more": torch.zeros(1)},
    ],
)
def test_what_is_no_flownet2_is_none(state):
    assert identify(state) is None
    with pytest.raises(ValueError, match="not the weights of a FlowNet2"):
        load(state)


@pytest.mark.parametrize("variant", VARIANTS)
def test_loaded_weights_are_those_given(variant):
    network, found = load(weights(variant))
    assert found == variant
    assert not network.training
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights(variant).items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_half_precision_is_converted():
    network, _ = load({key: value.half() for key, value in weights("flownet2_sd").items()})
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_published_wrappings_come_off(prefix, wrapped):
    state = {prefix + key: value for key, value in weights("flownet2_c").items()}
    checkpoint = {"epoch": 0, "best_EPE": 1e10, "state_dict": state} if wrapped else state
    assert identify(unwrap(checkpoint)) == ("flownet2_c", 0.125)


@pytest.mark.parametrize("checkpoint", [{}, {"state_dict": {}}, {"state_dict": 3}])
def test_a_checkpoint_without_weights_is_refused(checkpoint):
    with pytest.raises(ValueError, match=r"holds no state dict$"):
        unwrap(checkpoint)


def test_entries_that_are_no_tensors_are_named():
    with pytest.raises(ValueError, match=r"holds no state dict: a, b, c and 1 more no tensors$"):
        unwrap(dict.fromkeys("abcd", 1) | {"e": torch.zeros(1)})


def test_missing_unexpected_and_misshapen_keys_are_named():
    state = changed("flownet2_s", conv1_0_bias=None, predict_flow2_bias=torch.zeros(3))
    with pytest.raises(ValueError, match=r"flownet2_s at width 0\.125") as raised:
        load(state | {"more": torch.zeros(1)})
    message = str(raised.value)
    assert "missing: conv1.0.bias;" in message
    assert "unexpected: more;" in message
    assert message.endswith("of other shape: predict_flow2.bias (3,) not (2,)")
    assert "\n" not in message


def test_at_most_three_keys_of_a_kind_are_named():
    state = {key: value for key, value in weights("flownet2_s").items() if "conv" not in key}
    with pytest.raises(ValueError, match=r"1\.0\.bias, conv2\.0\.weight and 25 more;"):
        load(state)
