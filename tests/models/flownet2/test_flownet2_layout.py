"""Names and shapes of the published checkpoints, written down from NVIDIA's flownet2-pytorch."""

from __future__ import annotations

import pytest
import torch

from models.flownet2 import VARIANTS, FlowNet2, FlowNet2S
from models.flownet2.networks import FlowNetC, FlowNetFusion, FlowNetSD

# name, inputs, outputs, kernel; those of deconv* and upsampled* are stored inputs first.
TAIL = """
conv4.0 256 512 3, conv4_1.0 512 512 3, conv5.0 512 512 3, conv5_1.0 512 512 3,
conv6.0 512 1024 3, conv6_1.0 1024 1024 3,
deconv5.0 1024 512 4, deconv4.0 1026 256 4, deconv3.0 770 128 4, deconv2.0 386 64 4,
upsampled_flow6_to_5 2 2 4, upsampled_flow5_to_4 2 2 4, upsampled_flow4_to_3 2 2 4,
upsampled_flow3_to_2 2 2 4, predict_flow6 1024 2 3,
"""
PLAIN_HEADS = """
predict_flow5 1026 2 3, predict_flow4 770 2 3, predict_flow3 386 2 3, predict_flow2 194 2 3,
"""
C = f"""
conv1.0 3 64 7, conv2.0 64 128 5, conv3.0 128 256 5, conv_redir.0 256 32 1, conv3_1.0 473 256 3,
{TAIL} {PLAIN_HEADS}
"""
S = """
conv1.0 {} 64 7, conv2.0 64 128 5, conv3.0 128 256 5, conv3_1.0 256 256 3,
""" + (TAIL + PLAIN_HEADS)
SD = f"""
conv0.0 6 64 3, conv1.0 64 64 3, conv1_1.0 64 128 3, conv2.0 128 128 3, conv2_1.0 128 128 3,
conv3.0 128 256 3, conv3_1.0 256 256 3, {TAIL}
inter_conv5.0 1026 512 3, inter_conv4.0 770 256 3, inter_conv3.0 386 128 3, inter_conv2.0 194 64 3,
predict_flow5 512 2 3, predict_flow4 256 2 3, predict_flow3 128 2 3, predict_flow2 64 2 3,
"""
FUSION = """
conv0.0 11 64 3, conv1.0 64 64 3, conv1_1.0 64 128 3, conv2.0 128 128 3, conv2_1.0 128 128 3,
deconv1.0 128 32 4, deconv0.0 162 16 4, inter_conv1.0 162 32 3, inter_conv0.0 82 16 3,
predict_flow2 128 2 3, predict_flow1 32 2 3, predict_flow0 16 2 3,
upsampled_flow2_to_1 2 2 4, upsampled_flow1_to_0 2 2 4
"""


def shapes(table, prefix="", flow_bias=True):
    expected = {}
    for entry in filter(None, map(str.strip, table.split(","))):
        name, *numbers = entry.split()
        inputs, outputs, kernel = map(int, numbers)
        turned = name.startswith(("deconv", "upsampled"))
        channels = (inputs, outputs) if turned else (outputs, inputs)
        expected[f"{prefix}{name}.weight"] = (*channels, kernel, kernel)
        if flow_bias or not name.startswith("upsampled"):
            expected[f"{prefix}{name}.bias"] = (outputs,)
    return expected


def flownet_s(inputs, prefix=""):
    return shapes(S.format(inputs), prefix, flow_bias=False)


CS = shapes(C, "flownetc.") | flownet_s(12, "flownets_1.")
CSS = CS | flownet_s(12, "flownets_2.")
PUBLISHED = {
    "flownet2_c": shapes(C),
    "flownet2_s": flownet_s(6),
    "flownet2_sd": shapes(SD),
    "flownet2_cs": CS,
    "flownet2_css": CSS,
    "flownet2": CSS | shapes(SD, "flownets_d.") | shapes(FUSION, "flownetfusion."),
}


@pytest.mark.parametrize("variant", PUBLISHED)
def test_names_and_shapes_are_the_published_ones(variant):
    with torch.device("meta"):
        state = VARIANTS[variant](1.0).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == PUBLISHED[variant]


# NVIDIA's comments give FlowNetS two fewer; but with those, its total for FlowNet2 does not add up.
@pytest.mark.parametrize(
    ("network", "count"),
    [
        (FlowNetC, 39_175_298),
        (FlowNet2S, 38_676_506),
        (FlowNetSD, 45_371_666),
        (FlowNetFusion, 581_226),
        (FlowNet2, 162_518_834),
    ],
)
def test_as_many_parameters_as_published(network, count):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in network().parameters()) == count


@pytest.mark.parametrize("variant", PUBLISHED)
def test_width_scales_the_layers_but_not_flow_and_costs(variant):
    with torch.device("meta"):
        state = VARIANTS[variant](0.25).state_dict()
    assert state.keys() == PUBLISHED[variant].keys()
    for name, value in state.items():
        if "upsampled" in name:
            assert tuple(value.shape) == PUBLISHED[variant][name]
        if name.endswith("conv3_1.0.weight") and value.shape[1] > 441:
            assert tuple(value.shape) == (64, 441 + 8, 3, 3)
        if name.endswith("conv6_1.0.weight"):
            assert tuple(value.shape) == (256, 256, 3, 3)


@pytest.mark.parametrize("width", [0, -1, float("nan")])
def test_a_width_that_is_none_is_named(width):
    with pytest.raises(ValueError, match="width must be positive, not"):
        FlowNetC(width)
