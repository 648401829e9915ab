"""CPU or GPU, as asked for and as there is."""

from __future__ import annotations

import torch

from pipeline.errors import BackdropError


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
