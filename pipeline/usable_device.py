"""CPU or GPU, as asked for and as there is."""

from __future__ import annotations

import os

import torch

from pipeline.errors import BackdropError
from pipeline.pool import cores_per_job, worker_count

ON_ONE_GPU = 4  # processes; each takes memory of its own, half a gigabyte and the network


def choose_device(wanted: str, param: str) -> str:
    """`cuda` where it is usable and not excluded by `wanted`, else `cpu`.

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
    return "cuda" if usable and wanted != "cpu" else "cpu"


def repeat_exactly(device: str) -> None:
    """Have PyTorch give the same bytes each time; before it first multiplies on a GPU.

    Ours is deterministic on a GPU too (`models/matrix_forms.py`). An operator that is not, like the
    warping inside a flow stack, shall warn, not end the stage.
    """
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing reads it; filled, it costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def processes_on(device: str) -> int:
    """How many processes may compute on it side by side."""
    return min(ON_ONE_GPU, worker_count()) if device == "cuda" else worker_count()


def processes_of_job_on(device: str) -> int:
    """How many of them the job of this worker may start, beside the other workers' jobs."""
    return max(1, processes_on(device) * cores_per_job() // worker_count())
