"""The machine: device, threads, reproducible arithmetic."""

from __future__ import annotations

import logging
from typing import TypeVar

import torch
from torch import nn

from pipeline.params.training import Compute
from pipeline.usable_device import choose_device, repeat_exactly

log = logging.getLogger("backdrop")
ModuleT = TypeVar("ModuleT", bound=nn.Module)
CPU_BFLOAT16 = ("avx512_bf16", "amx_bf16")


def set_up(compute: Compute) -> torch.device:
    """Set threads and determinism, and choose the device.

    The number of threads changes the order of sums and with it the last bits of a result; it is a
    param, not what the machine happens to have.

    Raises:
        BackdropError: `cuda` asked for where there is none.
    """
    torch.set_num_threads(compute.threads)
    torch.manual_seed(compute.seed)
    device = torch.device(choose_device(compute.device, "compute.device"))
    repeat_exactly(device.type)
    name = torch.cuda.get_device_name(0) if device.type == "cuda" else "CPU"
    precision = "bfloat16" if in_bfloat16(compute, device) else "float32"
    log.info("device %s, %d threads, training in %s", name, compute.threads, precision)
    return device


def in_bfloat16(compute: Compute, device: torch.device) -> bool:
    """Whether training's convolutions run in bfloat16.

    `auto` asks the machine: emulated, bfloat16 is slower than float32. Like the number of threads,
    it changes the last bits of a result.
    """
    if compute.precision != "auto":
        return compute.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not in the oldest torch that we allow, where it was called otherwise.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in CPU_BFLOAT16)


def decisive(compute: Compute, device: torch.device) -> dict[str, object]:
    """What of the machine changes a result, and therefore belongs to a checkpoint's fingerprint."""
    return {
        **compute.model_dump(include={"seed", "threads", "compile"}),
        "device": device.type,
        "bfloat16": in_bfloat16(compute, device),
    }


def place(module: ModuleT, device: torch.device) -> ModuleT:
    """Move to the device with channels last in memory: convolutions are up to twice as fast."""
    return module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
