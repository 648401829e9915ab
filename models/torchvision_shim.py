"""torchvision, imported also where its build does not match torch's.

A CUDA build of torchvision beside a CPU build of torch cannot load its C++ operators, and its
import fails at `operator torchvision::nms does not exist`. Nothing of ours calls these operators:
their declarations, without an implementation, are enough. Import torchvision from here.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in OPERATORS:
        library.define(name + SIGNATURE)  # type: ignore[no-untyped-call]
    return library


try:
    importlib.import_module("torchvision")
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    _library = _declare_operators()  # the declarations last as long as this object

resnet = importlib.import_module("torchvision.models.resnet")
raft = importlib.import_module("torchvision.models.optical_flow.raft")
flow_to_image = importlib.import_module("torchvision.utils").flow_to_image


class WeightsUnavailable(Exception):  # noqa: N818
    """Weights cannot be fetched: no network, or another file at their address."""


def fetch(weights: Any) -> dict[str, Tensor]:
    """A state dict of torchvision's, kept in torch's hub folder (`TORCH_HOME`), its hash checked.

    Args:
        weights: a member of one of torchvision's enumerations of weights.

    Raises:
        WeightsUnavailable: one line with the address.
    """
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: another hash
        raise WeightsUnavailable(f"cannot fetch {weights.url} ({error})") from error
    return state
