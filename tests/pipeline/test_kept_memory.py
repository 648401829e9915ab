"""What is freed stays in the process, and leaves it at the end: counted by the kernel."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

BLOCK, TIMES = 64 << 20, 10
CHILD = f"""
import json, resource
import torch
from pathlib import Path
from pipeline.kept_memory import keeping_freed_memory

torch.set_num_threads(1)

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

def faults():
    for _ in range({TIMES}):  # aligned blocks find their places first
        torch.ones({BLOCK}, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({TIMES}):
        torch.ones({BLOCK}, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

told = {{"by default": faults()}}
small = resident()
with keeping_freed_memory():
    told["kept"] = faults()
    told["held"] = resident() - small
told["left"] = resident() - small
print(json.dumps(told))
"""
OTHERS = ("LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_")  # choose or tune another malloc


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is asked")
def test_a_block_used_again_is_not_mapped_again_and_all_are_handed_back():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(OTHERS)}
    command = [sys.executable, "-c", CHILD]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told = json.loads(run.stdout)
    assert told["kept"] < told["by default"] / 10
    assert told["held"] >= BLOCK
    assert told["left"] < BLOCK / 4
