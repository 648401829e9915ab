"""The forward passes written out plainly from the published ones, over the same weights.

Published weights fit by name alone; what order their inputs come in, and in which unit, is here.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.flow.dis import DisFlow
from models.flownet2 import VARIANTS
from models.flownet2.correlation import correlation
from models.flownet2.warp import warp

BILINEAR = {"scale_factor": 4, "mode": "bilinear", "align_corners": False}
NEAREST = {"scale_factor": 4, "mode": "nearest"}


class Weights:
    """A subnetwork's weights, by the published names."""

    def __init__(self, state, prefix=""):
        self.state, self.prefix = state, prefix

    def get(self, name):
        return self.state[self.prefix + name + ".weight"], self.state.get(
            self.prefix + name + ".bias"
        )

    def conv(self, name, x, stride=1, activate=True):
        weight, bias = self.get(name + ".0")
        x = F.conv2d(x, weight, bias, stride, weight.shape[2] // 2)
        return F.leaky_relu(x, 0.1) if activate else x

    def refine(self, level, x, flow, skip, smooth):
        weight, bias = self.get(f"deconv{level}.0")
        deconv = F.leaky_relu(F.conv_transpose2d(x, weight, bias, 2, 1), 0.1)
        weight, bias = self.get(f"upsampled_flow{level + 1}_to_{level}")
        x = torch.cat([skip, deconv, F.conv_transpose2d(flow, weight, bias, 2, 1)], 1)
        seen = self.conv(f"inter_conv{level}", x, activate=False) if smooth else x
        return x, self.predict(level, seen)

    def predict(self, level, x):
        weight, bias = self.get(f"predict_flow{level}")
        return F.conv2d(x, weight, bias, padding=1)

    def tail(self, conv2, conv3, smooth=False):
        """From conv3_1's output to the finest flow, px / 20 at a quarter of the resolution."""
        conv4 = self.conv("conv4_1", self.conv("conv4", conv3, 2))
        conv5 = self.conv("conv5_1", self.conv("conv5", conv4, 2))
        x = self.conv("conv6_1", self.conv("conv6", conv5, 2))
        flow = self.predict(6, x)
        for level, skip in ((5, conv5), (4, conv4), (3, conv3), (2, conv2)):
            x, flow = self.refine(level, x, flow, skip, smooth)
        return flow

    def flownet_c(self, first, second):
        conv2 = self.conv("conv2", self.conv("conv1", first, 2), 2)
        a = self.conv("conv3", conv2, 2)
        b = self.conv("conv3", self.conv("conv2", self.conv("conv1", second, 2), 2), 2)
        costs = F.leaky_relu(correlation(a, b), 0.1)
        conv3 = self.conv("conv3_1", torch.cat([self.conv("conv_redir", a), costs], 1))
        return self.tail(conv2, conv3)

    def flownet_s(self, x):
        conv2 = self.conv("conv2", self.conv("conv1", x, 2), 2)
        return self.tail(conv2, self.conv("conv3_1", self.conv("conv3", conv2, 2)))

    def flownet_sd(self, x):
        conv1 = self.conv("conv1_1", self.conv("conv1", self.conv("conv0", x), 2))
        conv2 = self.conv("conv2_1", self.conv("conv2", conv1, 2))
        conv3 = self.conv("conv3_1", self.conv("conv3", conv2, 2))
        return self.tail(conv2, conv3, smooth=True)

    def fusion(self, x):
        conv0 = self.conv("conv0", x)
        conv1 = self.conv("conv1_1", self.conv("conv1", conv0, 2))
        conv2 = self.conv("conv2_1", self.conv("conv2", conv1, 2))
        x, flow = self.refine(1, conv2, self.predict(2, conv2), conv1, smooth=True)
        return self.refine(0, x, flow, conv0, smooth=True)[1]


def norm(x):
    return x.square().sum(dim=1, keepdim=True).sqrt()


def next_input(first, second, flow):
    warped = warp(second, flow)
    return torch.cat([first, second, warped, flow / 20, norm(first - warped)], 1)


def reference(variant, state, images):
    """As NVIDIA's: images (B, 3, 2, H, W) in [0, 255]."""
    mean = images.flatten(2).mean(dim=2)[:, :, None, None, None]
    first, second = ((images - mean) / 255).unbind(dim=2)
    both, alone = torch.cat([first, second], 1), Weights(state)
    if variant == "dis_corrected":  # ours, of its layers
        pixels = [images[:, :, n].permute(0, 2, 3, 1).numpy() for n in (0, 1)]
        flows = DisFlow().estimate(*[np.rint(frames).astype(np.uint8) for frames in pixels])
        dis = torch.from_numpy(flows).permute(0, 3, 1, 2)
        seen = next_input(first, second, dis)
        missing = Weights(state, "flownets.").flownet_s(seen) * 5
        return dis + F.interpolate(missing, **BILINEAR)
    if variant == "flownet2_c":
        return F.interpolate(alone.flownet_c(first, second) * 20, **BILINEAR)
    if variant in ("flownet2_s", "flownet2_sd"):
        network = alone.flownet_s if variant == "flownet2_s" else alone.flownet_sd
        return F.interpolate(network(both) * 20, **BILINEAR)
    flow = F.interpolate(Weights(state, "flownetc.").flownet_c(first, second) * 20, **BILINEAR)
    flow = Weights(state, "flownets_1.").flownet_s(next_input(first, second, flow)) * 20
    if variant == "flownet2_cs":
        return F.interpolate(flow, **BILINEAR)
    refined = next_input(first, second, F.interpolate(flow, **BILINEAR))
    css = F.interpolate(Weights(state, "flownets_2.").flownet_s(refined) * 20, **NEAREST)
    if variant == "flownet2_css":
        return css
    sd = F.interpolate(Weights(state, "flownets_d.").flownet_sd(both) / 20, **NEAREST)
    errors = [norm(first - warp(second, flow)) for flow in (sd, css)]
    seen = torch.cat([first, sd, css, norm(sd), norm(css), *errors], 1)
    return Weights(state, "flownetfusion.").fusion(seen)


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS)
def test_flow_is_that_of_the_published_forward_pass(variant):
    torch.manual_seed(0)
    network = VARIANTS[variant](0.0625)
    for name, parameter in network.named_parameters():
        if "predict_flow" in name or name.endswith("bias"):
            small = "flownets_d.predict_flow2" in name  # px times 20: so that it matters too
            torch.nn.init.normal_(parameter, std=4.0 if small else 0.1)
    target, source = torch.rand(2, 2, 3, 64, 128)
    expected = reference(variant, network.state_dict(), 255 * torch.stack([target, source], dim=2))
    flow = network(target, source)
    assert flow.std() > 0.01
    assert (flow - expected).abs().max() < 1e-3 * expected.abs().max()
