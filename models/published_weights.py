"""Published state dicts: where a file keeps the network, and what of it fits one of ours.

A ResNet comes plain (torchvision, DINO's backbones), or inside a training's checkpoint: DINO's
student and teacher, MoCo's query encoder (v1, v2) or base encoder (v3), instance discrimination
(Wu et al. 2018). Which it is, its keys tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

MOST_NAMED = 3  # keys in an error
CONTAINERS = ("state_dict", "teacher", "student", "model")
# The trained network before its momentum copy; DataParallel's `module.` last, or none.
PREFIXES = (
    "module.encoder_q.",
    "encoder_q.",
    "module.base_encoder.",
    "base_encoder.",
    "module.momentum_encoder.",
    "momentum_encoder.",
    "module.backbone.",
    "backbone.",
    "module.",
    "",
)
FIRST = "conv1.weight"


def resnet_entries(checkpoint: Mapping[str, object]) -> dict[str, object]:
    """The entries of the checkpoint's ResNet under torchvision's names.

    Raises:
        ValueError: no ResNet in it; one line names what there is.
    """
    found = [checkpoint, *(checkpoint[key] for key in CONTAINERS if key in checkpoint)]
    states = [state for state in found if isinstance(state, Mapping)]
    for state in states:
        for prefix in PREFIXES:
            first = state.get(prefix + FIRST)
            if isinstance(first, Tensor) and first.shape[1:] == (3, 7, 7):
                return {
                    name.removeprefix(prefix): value
                    for name, value in state.items()
                    if name.startswith(prefix)
                }
    names = sorted(map(str, states[-1]))[:MOST_NAMED]
    raise ValueError(f"no ResNet: none of its keys is {FIRST}; it begins with {', '.join(names)}")


def fit(
    state: Mapping[str, object], wanted: Mapping[str, Tensor], theirs: Mapping[str, str]
) -> dict[str, Tensor]:
    """The entries of `state` that our layers need; others (deeper layers, heads) are left out.

    Args:
        wanted: our state dict.
        theirs: our name -> the name in `state`.

    Raises:
        ValueError: entries are missing or of another shape; names three at most.
    """
    fitted, faults = {}, []
    for name, tensor in wanted.items():
        entry = state.get(theirs[name])
        if isinstance(entry, Tensor) and entry.shape == tensor.shape:
            fitted[name] = entry
        elif isinstance(entry, Tensor):
            faults.append(f"{theirs[name]} is {list(entry.shape)} instead of {list(tensor.shape)}")
        elif name.endswith("num_batches_tracked"):  # unknown to PyTorch before 0.4.1
            fitted[name] = torch.zeros_like(tensor)
        else:
            faults.append(f"{theirs[name]} is missing")
    if faults:
        raise ValueError(some_of(faults))
    return fitted


def some_of(faults: Sequence[str]) -> str:
    """One line that names three faults at most, and how many more there are."""
    more = [f"{len(faults) - MOST_NAMED} more"] if len(faults) > MOST_NAMED else []
    return ", ".join([*faults[:MOST_NAMED], *more])
