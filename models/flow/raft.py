"""RAFT (Teed & Deng 2020) as torchvision has it, with weights of torchvision or princeton-vl.

network = load(torch.load("raft-small.pth", weights_only=True))
flow = network(target, source)  # (B, 2, H, W) px: target(x) ~ source(x + flow(x))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flow.raft_names import fit, without_module
from models.torchvision_shim import fetch, raft

Kind = Literal["raft_small", "raft_large"]
WEIGHTS: dict[str, Any] = {
    "raft_small": raft.Raft_Small_Weights.C_T_V2,
    "raft_large": raft.Raft_Large_Weights.C_T_SKHT_V2,
}
# The first layer tells naming and kind: (its name, whether it is princeton-vl's).
FIRST_LAYERS = (("feature_encoder.convnormrelu.0.weight", False), ("fnet.conv1.weight", True))
KINDS: dict[int, Kind] = {32: "raft_small", 64: "raft_large"}  # by its channels
STRIDE = 8  # px of the image per px of the features
MIN_PADDED = 128  # px; smaller features leave the correlation pyramid's top with a single px


class RaftNetwork(nn.Module):
    """RAFT, a `FlowNetwork` for images of any size from `min_side` px on; for inference.

    Args:
        kind: of network.
        iterations: updates of the flow.
    """

    min_side = 64

    def __init__(self, kind: Kind, iterations: int = 12) -> None:
        super().__init__()
        self.kind, self.iterations = kind, iterations
        self.raft: Any = getattr(raft, kind)()

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Flow (B, 2, H, W), px, such that target(x) ~ source(x + flow(x)).

        Args:
            target, source: (B, 3, H, W) RGB in [0, 1].

        Raises:
            ValueError: a side below `min_side`, or an image that is not finite.
        """
        height, width = target.shape[-2:]
        if min(height, width) < self.min_side:
            raise ValueError(f"{width}x{height} px; RAFT needs sides of {self.min_side} px or more")
        for name, image in (("target", target), ("source", source)):
            if not image.isfinite().all():
                raise ValueError(f"{name} holds NaN or infinity")
        (left, right), (top, bottom) = _padding(width), _padding(height)
        both = torch.cat([target, source]) * 2 - 1
        padded = F.pad(both, (left, right, top, bottom), mode="replicate")
        return self._iterate(padded)[..., top : top + height, left : left + width]

    def _iterate(self, both: Tensor) -> Tensor:
        """Flow (B, 2, H, W) of targets and sources (2B, 3, H, W) in [-1, 1].

        As torchvision's own forward, but enlarges the last flow only, which saves RAFT-large a
        seventh of its time, and shares nothing between threads.
        """
        net, targets = self.raft, both.chunk(2)[0]
        correlation = self._correlate(net.feature_encoder(both))
        context = net.context_encoder(targets)
        channels = net.update_block.hidden_state_size
        hidden, context = context[:, :channels].tanh(), context[:, channels:].relu()
        start = raft.make_coords_grid(*context[:, 0].shape, both.device)  # (B, 2, H/8, W/8)
        place = start
        for _ in range(self.iterations):
            seen = correlation.index_pyramid(place)
            hidden, step = net.update_block(hidden, context, seen, place - start)
            place = place + step
        weights = net.mask_predictor(hidden) if net.mask_predictor else None
        flow: Tensor = raft.upsample_flow(place - start, weights)
        return flow

    def _correlate(self, features: Tensor) -> Any:
        """In float32 also under autocast, as in the original: the products outgrow float16."""
        own = self.raft.corr_block
        correlation = raft.CorrBlock(num_levels=own.num_levels, radius=own.radius)
        with torch.autocast(features.device.type, enabled=False):
            correlation.build_pyramid(*features.float().chunk(2))
        return correlation


def _padding(side: int) -> tuple[int, int]:
    """Px before and after, as the original pads for Sintel."""
    missing = max(MIN_PADDED - side, -side % STRIDE)
    return missing // 2, missing - missing // 2


def identify(state: Mapping[str, object]) -> Kind | None:
    """The kind of RAFT that a state dict is of, or None where it is of something else."""
    entries = without_module(state)
    for name, _ in FIRST_LAYERS:
        weight = entries.get(name)
        if isinstance(weight, Tensor) and weight.ndim == 4:
            return KINDS.get(len(weight))
    return None


def load(state: Mapping[str, object], iterations: int = 12) -> RaftNetwork:
    """The network, in eval mode, with weights named as torchvision's or princeton-vl's.

    Raises:
        ValueError: not of RAFT; or keys are missing, unexpected or of another shape, of which one
            line names three at most.
    """
    kind = identify(state)
    if kind is None:
        raise ValueError("no RAFT: no first layer of its feature encoder")
    entries = without_module(state)
    original = next(original for name, original in FIRST_LAYERS if name in entries)
    network = RaftNetwork(kind, iterations)
    wanted: dict[str, Tensor] = network.raft.state_dict()
    fitted = fit(entries, wanted, original=original, small=kind == "raft_small")
    network.raft.load_state_dict(fitted)
    return network.eval()


def download(kind: str) -> dict[str, Tensor]:
    """torchvision's weights, kept in torch's hub folder (`TORCH_HOME`); their hash is checked.

    Trained on FlyingChairs and FlyingThings3D; the large network's, last on Sintel, KITTI and HD1K.

    Raises:
        WeightsUnavailable: one line with the address.
    """
    return fetch(WEIGHTS[kind])
