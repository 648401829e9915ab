"""Which FlowNet2 a state dict is of, and the network with its weights.

network, variant = load(unwrap(checkpoint))  # checkpoint: as torch.load(..., weights_only=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from models.flownet2.after_dis import DisCorrected
from models.flownet2.interface import TwoFrame
from models.flownet2.variants import (
    FlowNet2,
    FlowNet2C,
    FlowNet2CS,
    FlowNet2CSS,
    FlowNet2S,
    FlowNet2SD,
)

VARIANTS: dict[str, Callable[[float], TwoFrame]] = {
    "flownet2": FlowNet2,
    "flownet2_c": FlowNet2C,
    "flownet2_s": FlowNet2S,
    "flownet2_sd": FlowNet2SD,
    "flownet2_cs": FlowNet2CS,
    "flownet2_css": FlowNet2CSS,
    "dis_corrected": DisCorrected,
}
WIDEST = "conv6.0.weight"  # in every variant; 1024 channels at width 1
NAMED = 3  # keys of each kind in an error
PARALLEL = "module."  # what DataParallel puts before every key


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict of a checkpoint.

    Args:
        checkpoint: a state dict, or a mapping that holds one as `state_dict`, as published files
            do; its keys may all start with `module.`.

    Raises:
        ValueError: there is no state dict in it.
    """
    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, Mapping) or not state:
        raise ValueError("the checkpoint holds no state dict")
    if others := [key for key, value in state.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"the checkpoint holds no state dict: {_listed(others)} no tensors")
    if others := [key for key in state if not isinstance(key, str)]:
        raise ValueError(f"the checkpoint holds no state dict: {_listed(others)} no names")
    prefix = PARALLEL if all(key.startswith(PARALLEL) for key in state) else ""
    return {key.removeprefix(prefix): value for key, value in state.items()}


def identify(state: Mapping[str, Tensor]) -> tuple[str, float] | None:
    """Variant and width whose layers a state dict has exactly, by keys and shapes."""
    shapes = {key: value.shape for key, value in state.items()}
    width = _width(state)
    return next(((name, width) for name in VARIANTS if _layout(name, width) == shapes), None)


def difference(state: Mapping[str, Tensor]) -> str:
    """How a state dict that no variant has differs from the nearest one's."""
    width = _width(state)
    layouts = {name: _layout(name, width) for name in VARIANTS}
    nearest = min(layouts, key=lambda name: len(layouts[name].keys() ^ state.keys()))
    layout = layouts[nearest]
    both = layout.keys() & state.keys()
    wrong = [key for key in layout if key in both and state[key].shape != layout[key]]
    kinds = {
        "missing": [key for key in layout if key not in both],
        "unexpected": [key for key in state if key not in both],
        "of other shape": [f"{k} {(*state[k].shape,)} not {(*layout[k],)}" for k in wrong],
    }
    told = "; ".join(f"{kind}: {_listed(keys)}" for kind, keys in kinds.items() if keys)
    return f"not the weights of a FlowNet2; against {nearest} at width {width:g}, {told}"


def load(state: Mapping[str, Tensor]) -> tuple[TwoFrame, str]:
    """The network that a state dict is of, in eval mode on the CPU, and its variant.

    The network takes the tensors over where they are float32; others it converts.

    Raises:
        ValueError: the state dict is of none; the message compares it with the nearest.
    """
    found = identify(state)
    if found is None:
        raise ValueError(difference(state))
    variant, width = found
    with torch.device("meta"):
        network = VARIANTS[variant](width)
    network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return network.eval(), variant


@lru_cache
def _layout(variant: str, width: float) -> dict[str, torch.Size]:
    with torch.device("meta"):
        network = VARIANTS[variant](width)
    return {key: value.shape for key, value in network.state_dict().items()}


def _width(state: Mapping[str, Tensor]) -> float:
    """By the widest layer; 1 where there is none."""
    widest = [value for key, value in state.items() if key.endswith(WIDEST)]
    return max(1, widest[0].shape[0]) / 1024 if widest and widest[0].dim() else 1.0


def _listed(keys: Iterable[object]) -> str:
    names = [str(key) for key in keys]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
