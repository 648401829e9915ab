"""Files of weights that others made: read without ever running code that is in them."""

from __future__ import annotations

import argparse
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.errors import BackdropError, unreadable

LONGEST_HEADER = 100_000_000  # bytes; safetensors refuses longer ones
PICKLED = b"\x80"  # first byte of a bare pickle
HARMLESS: list[Any] = [argparse.Namespace]
"""What published checkpoints hold beside tensors (DINO's their command line), and runs no code."""
DAMAGE = (
    *(RuntimeError, EOFError, OSError, KeyError, ValueError),
    *(struct.error, IndexError, AttributeError, TypeError),  # of an old file that ends early
    *(pickle.UnpicklingError, AssertionError, OverflowError, MemoryError),  # of wrong bytes
)
"""What `torch.load` raises of a file that is not whole."""


def read_checkpoint(path: Path) -> Any:
    """What a file of safetensors (tensors by name, as float32) or of PyTorch's holds.

    Raises:
        BackdropError: cannot be opened, damaged, cut short, or a pickle with code in it.
    """
    return _read_safetensors(path) if is_safetensors(path) else _read_torch(path)


def is_safetensors(path: Path) -> bool:
    """Whether a file is of safetensors, told by its first bytes, whatever it is called.

    These are the header's length and the brace that opens it. Read as a length, the first bytes of
    a zip, a pickle or a tar are longer than any header.

    Raises:
        BackdropError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise unreadable(path, error) from error
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path) from error


def _read_torch(path: Path) -> Any:
    try:
        # Of a path, torch.load believes the suffix .safetensors.
        with path.open("rb") as file, torch.serialization.safe_globals(HARMLESS):
            return load_tensors(file)
    except pickle.UnpicklingError as error:
        certain = "unsupported global" in str(error).lower()
        if not certain and path.read_bytes()[:1] != PICKLED:
            raise _damaged(path) from error
        raise BackdropError(
            f"is {'' if certain else 'damaged, or '}a pickle that would run code when loaded, "
            "and is not opened",
            where=str(path),
            remedy="save its state_dict alone, or get the file from its publisher",
        ) from error
    except DAMAGE as error:
        raise _damaged(path) from error


def load_tensors(file: BinaryIO) -> Any:
    """What a file of PyTorch's holds, on the CPU; no code in it is run.

    Raises:
        DAMAGE: it is not whole.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickle protocols, where bytes are wrong
        return torch.load(file, map_location="cpu", weights_only=True)


def _damaged(path: Path) -> BackdropError:
    return BackdropError(
        "is damaged or cut short (no file of weights that can be read)",
        where=str(path),
        remedy="get it again from where it came from",
    )
