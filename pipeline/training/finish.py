"""The end of a training: its network is kept only if it is of what DVC is about to record."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import nn

from pipeline.networks import save_network
from pipeline.params.read import require_same_params
from pipeline.training.checkpoint import Checkpoint
from pipeline.training_set import Part, verified


def require_unchanged(*parts: Part) -> None:
    """Refuse inputs or params that are no longer what the stage began with.

    Raises:
        BackdropError: names the file or the param.
    """
    verified(*parts)
    require_same_params()


def finish(
    folder: Path,
    network: nn.Module,
    config: dict[str, Any],
    parts: Collection[Part],
    checkpoint: Checkpoint,
) -> None:
    """Write the network and remove its checkpoint.

    Args:
        folder: of its artifact.
        network: the trained one.
        config: see `save_network`.
        parts: of the training set that it was trained on.
        checkpoint: stays where the network is not kept, for inputs that are put back.

    Raises:
        BackdropError: inputs or params were changed while it was trained.
    """
    require_unchanged(*parts)
    save_network(folder, network, config)
    checkpoint.remove()
