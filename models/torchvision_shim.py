"""torchvision, imported also where its build does not match torch's.

A CUDA build of torchvision beside a CPU build of torch cannot load its C++ operators, and its
import fails at `operator torchvision::nms does not exist`. Nothing of ours calls these operators:
their declarations, without an implementation, are enough. Import torchvision from here.
"""

from __future__ import annotations

import importlib

import torch

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
