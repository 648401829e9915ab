"""CPU or GPU, as asked for and as there is."""

from __future__ import annotations

import os

import torch

from pipeline.errors import BackdropError
from pipeline.pool import worker_count

ON_ONE_GPU = 4  # processes; each takes memory of its own, half a gigabyte and the network


def choose_device(wanted: str, param: str) -> str:
    """`cuda` where it is usable and not excluded by `wanted`, else `cpu`; tells cuBLAS to repeat.

    Raises:
        BackdropError: `cuda` asked for where there is none.
    """
    usable = torch.cuda.is_available()
    if wanted == "cuda" and not usable:
        raise BackdropError(
            "is 'cuda', but no CUDA device is usable",
            where=f"params.yaml: {param}",
            remedy="set it to 'auto' or 'cpu', or install a CUDA build of torch",
        )
    if not usable or wanted == "cpu":
        return "cpu"
    # Without it cuBLAS may add in another order each time; read when a process first multiplies.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return "cuda"


def processes_on(device: str) -> int:
    """How many processes may compute on it side by side."""
    return min(ON_ONE_GPU, worker_count()) if device == "cuda" else worker_count()
