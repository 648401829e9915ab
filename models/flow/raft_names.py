"""RAFT's weights under either of their two namings: princeton-vl's original and torchvision's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from models.published_weights import some_of

RULES = tuple(
    (re.compile(pattern), original)
    for pattern, original in (
        (r"^feature_encoder\.", "fnet."),
        (r"^context_encoder\.", "cnet."),
        (r"^([fc]net)\.conv\.", r"\1.conv2."),
        (r"^([fc]net)\.convnormrelu\.0\.", r"\1.conv1."),
        (r"^([fc]net)\.convnormrelu\.1\.", r"\1.norm1."),
        (r"\.convnormrelu(\d)\.0\.", r".conv\1."),
        (r"\.convnormrelu(\d)\.1\.", r".norm\1."),
        (r"\.motion_encoder\.conv\.0\.", ".encoder.conv."),
        (r"\.motion_encoder\.conv([cf])(?:orr|low)(\d)\.0\.", r".encoder.conv\1\2."),
        (r"\.recurrent_block\.convgru(\d)\.conv(\w)\.", r".gru.conv\2\1."),
        (r"^mask_predictor\.convrelu\.0\.", "update_block.mask.0."),
        (r"^mask_predictor\.conv\.", "update_block.mask.2."),
    )
)
# The original registers the norm of a shortcut twice: here, and as `downsample.1`.
TWIN = re.compile(r"^cnet\.layer\d\.0\.norm3\.")
ONE_GRU = re.compile(r"(\.gru\.conv\w)1\.")  # numbered only where there are two


def without_module(state: Mapping[str, object]) -> dict[str, object]:
    """The entries without the prefix that `nn.DataParallel` gives to all of them."""
    return {name.removeprefix("module."): value for name, value in state.items()}


def original_name(name: str, *, small: bool) -> str:
    """princeton-vl's name of an entry that torchvision calls `name`.

    >>> original_name("feature_encoder.layer1.0.convnormrelu2.0.bias", small=False)
    'fnet.layer1.0.conv2.bias'
    """
    for pattern, original in RULES:
        name = pattern.sub(original, name)
    return ONE_GRU.sub(r"\1.", name) if small else name


def fit(
    state: Mapping[str, object], wanted: Mapping[str, Tensor], *, original: bool, small: bool
) -> dict[str, Tensor]:
    """The entries of `state` under the names of `wanted`.

    Args:
        state: without the prefix `module.`.
        wanted: state dict of torchvision's network.
        original: the names of `state` are princeton-vl's.
        small: of RAFT-small.

    Raises:
        ValueError: entries are missing, not expected, or of another shape; names three at most,
            as `state` calls them.
    """
    theirs = {name: original_name(name, small=small) if original else name for name in wanted}
    unexpected = state.keys() - set(theirs.values())
    faults = [f"{name} is unexpected" for name in sorted(unexpected) if not TWIN.match(name)]
    fitted = {}
    for name, tensor in wanted.items():
        found = state.get(theirs[name])
        if isinstance(found, Tensor) and found.shape == tensor.shape:
            fitted[name] = found
        elif isinstance(found, Tensor):
            shapes = f"{_shape(found.shape)} instead of {_shape(tensor.shape)}"
            faults.append(f"{theirs[name]} is {shapes}")
        else:
            faults.append(f"{theirs[name]} is missing")
    if faults:
        raise ValueError(some_of(faults))
    return fitted


def _shape(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
