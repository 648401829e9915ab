"""What is freed stays in the process: counted by the kernel's page faults."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

BLOCK, TIMES = 64 << 20, 10
CHILD = f"""
import resource, sys
import torch
from pipeline.kept_memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range({TIMES}):  # aligned blocks find their places first
    torch.ones({BLOCK}, dtype=torch.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    torch.ones({BLOCK}, dtype=torch.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    run = subprocess.run(
        [sys.executable, "-c", CHILD, how], capture_output=True, text=True, check=True
    )
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is asked")
def test_a_block_used_again_is_not_mapped_again():
    pages = BLOCK // resource.getpagesize()
    kept, handed_back = faults("kept"), faults("handed back")
    assert kept < pages / 512  # the kernel may map 512 at once
    assert handed_back >= TIMES * pages / 512
