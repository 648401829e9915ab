"""Puts the stand-in (cuda_standin.cpp) in the place of a GPU, in every Python started with it.

PYTHONPATH=tests/standin BACKDROP_STANDIN=/path/to/cuda_standin.so python ...
"""

from __future__ import annotations

import ctypes
import os
from contextlib import nullcontext

ctypes.CDLL(os.environ["BACKDROP_STANDIN"], ctypes.RTLD_GLOBAL)

import torch  # noqa: E402  (the stand-in has to be there first)


class Stream:
    def __init__(self, *_: object) -> None: ...
    def wait_stream(self, _stream: object) -> None: ...


ANSWERS = {
    "is_available": True,
    "is_initialized": True,
    "device_count": 1,
    "current_device": 0,
    "current_stream": Stream(),
    "get_device_name": "a stand-in",
    "is_bf16_supported": True,
    "_lazy_init": None,
    "empty_cache": None,
    "mem_get_info": (2**34, 2**34),
    "synchronize": None,
    "manual_seed_all": None,
}

for name, answer in ANSWERS.items():
    setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
torch.cuda.Stream = Stream  # type: ignore[misc,assignment]
torch.cuda.stream = lambda _stream: nullcontext()  # type: ignore[assignment,return-value]
torch.Tensor.pin_memory = lambda self, *_: self  # type: ignore[method-assign,assignment,misc]
