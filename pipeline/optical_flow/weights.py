"""Files of flow weights: what is in one, told by its keys and shapes; never by running its code.

    file = read_weights(Path("weights/flow/raft-small.pth"))
    file.backend, file.width, file.state

Published files (PyTorch's, through `weights_only`) and safetensors are read alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.flow import raft
from models.flow.network import NetworkFlow
from models.flownet2 import weights as flownet2
from models.gpu_memory import ran_out
from models.torchvision_shim import WeightsUnavailable
from pipeline.errors import BackdropError
from pipeline.optical_flow.choose import Choice, source_of
from pipeline.store.atomic import write_bytes
from pipeline.store.checkpoint_file import is_safetensors, read_checkpoint
from pipeline.usable_device import repeat_exactly

SCHEMA = "backdrop.flow_network v1"
METADATA = "backdrop"
GIVE_ANOTHER = "give RAFT's or FlowNet2's weights; docs/flow.md says where to get them"


@dataclass(frozen=True)
class Weights:
    """What a file holds.

    Attributes:
        path: of the file. backend: as in `compute_flow.backend`.
        width: of a FlowNet2's layers, 1 for the published.
        state: parameters by name.
        own: whether `backdrop train-flow` trained it.
        beats_dis: whether it then was better than DIS, and than zero flow, on held-out pairs.
    """

    path: Path
    backend: str
    width: float
    state: Mapping[str, Tensor]
    own: bool = False
    beats_dis: bool = False


def read_weights(path: Path) -> Weights:
    """Read a file and find out which network it is of.

    Raises:
        BackdropError: missing, cut short, a pickle with code in it, not finite, or of no network
            known here.
    """
    if not path.is_file():
        raise BackdropError("is missing", where=str(path), remedy=GIVE_ANOTHER)
    state = _parameters(path, read_checkpoint(path))
    _require_finite(path, state)
    raft_kind = raft.identify(state)
    if raft_kind is not None:
        return Weights(path, raft_kind, 1.0, state)
    found = flownet2.identify(state)
    if found is None:
        raise BackdropError(flownet2.difference(state), where=str(path), remedy=GIVE_ANOTHER)
    own = _own(path)
    errors = own.get("held_out_epe", {})
    others = [error for name, error in errors.items() if name != "own"]
    beats_dis = bool(others) and errors["own"] < min(others)
    return Weights(path, *found, state, bool(own), beats_dis)


def _parameters(path: Path, checkpoint: object) -> dict[str, Tensor]:
    try:
        if isinstance(checkpoint, Mapping):
            return flownet2.unwrap(checkpoint)
    except ValueError as error:
        raise BackdropError(str(error), where=str(path), remedy=GIVE_ANOTHER) from error
    raise BackdropError("holds no state dict", where=str(path), remedy=GIVE_ANOTHER)


def _require_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    """One NaN makes all flow NaN, which is found only after hours, and far from the file."""
    for name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise BackdropError(
                f"holds NaN or infinity in '{name}'", where=str(path), remedy=GIVE_ANOTHER
            )


def build(weights: Weights) -> nn.Module:
    """The network with these weights, in eval mode.

    Raises:
        BackdropError: keys are missing, unexpected or of another shape.
    """
    try:
        if weights.backend.startswith("raft"):
            network: nn.Module = raft.load(weights.state)
        else:
            network, _ = flownet2.load(weights.state)
    except ValueError as error:
        raise BackdropError(
            f"does not fit {weights.backend}: {error}", where=str(weights.path), remedy=GIVE_ANOTHER
        ) from error
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def make_network(choice: Choice) -> NetworkFlow:
    """The estimator of a choice that is a network; its weights are downloaded if no file is named.

    Kept by the process: a stage asks again for every video, and FlowNet2's file has 620 MB.

    Raises:
        BackdropError: the weights do not fit or cannot be downloaded; or the network does not fit
            the GPU.
    """
    network = build(read_weights(choice.weights)) if choice.weights else _download(choice.backend)
    device = torch.device(choice.device)
    repeat_exactly(device.type)
    return NetworkFlow(
        choice.name,
        _on_device(network, device, choice.name),
        device,
        batch=choice.settings.batch_size,
        half=choice.settings.half and device.type == "cuda",
        enlarge_to=choice.settings.enlarge_to,
    )


def _on_device(network: nn.Module, device: torch.device, name: str) -> nn.Module:
    try:
        return network.to(device)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        raise BackdropError(
            "the network does not fit the memory of the GPU, or what others leave of it",
            where=name,
            remedy="end what else runs on the GPU, set compute_flow.device: cpu, or take a smaller "
            "network or the backend 'dis'",
        ) from error


def _download(backend: str) -> nn.Module:
    try:
        return raft.load(raft.download(backend)).eval().requires_grad_(False)
    except WeightsUnavailable as error:
        raise BackdropError(
            f"weights of '{backend}' are not there and cannot be downloaded ({error})",
            where="compute_flow.weights",
            remedy=source_of(backend),
        ) from error


def save_own(path: Path, network: nn.Module, errors: Mapping[str, float]) -> None:
    """Write a trained network in half precision.

    Args:
        errors: held-out endpoint errors, px, of `own`, `dis-medium` and `zero`.
    """
    state = {name: value.half().cpu().contiguous() for name, value in network.state_dict().items()}
    told = json.dumps({"schema": SCHEMA, "held_out_epe": errors}, sort_keys=True)
    write_bytes(path, save(state, metadata={METADATA: told}))


def _own(path: Path) -> dict[str, Any]:
    """What `save_own` noted in a file; nothing in anybody else's."""
    if not is_safetensors(path):
        return {}
    with safe_open(path, framework="pt") as file:
        told = (file.metadata() or {}).get(METADATA, "")
    try:
        noted = json.loads(told)
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) and noted.get("schema") == SCHEMA else {}
