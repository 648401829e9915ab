"""torch.compile where it is asked for and works."""

from __future__ import annotations

import logging

import torch
from torch import nn

log = logging.getLogger("backdrop")


def compile_networks(wanted: bool, *networks: nn.Module) -> bool:
    """Compile the networks' forward in place; weights and their names stay as they are.

    Shapes are never made symbolic: which kernels run must not depend on which shape came first, or
    a resumed training would differ in its last bits.

    Returns:
        Whether they were compiled; if that is impossible here, a warning says why.
    """
    if not wanted:
        return False
    try:
        device = next((p.device for n in networks for p in n.parameters()), torch.device("cpu"))
        torch.compile(_probe)(torch.ones(8, device=device))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        log.warning("torch.compile does not work here (%s): training without it", reason)
        return False
    for network in networks:
        network.compile(dynamic=False)
    return True


def _probe(x: torch.Tensor) -> torch.Tensor:
    return (x + 1).sin()
