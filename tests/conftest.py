"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import cv2
import pytest

# Read once per process, and some tests use a GPU before any of ours asks for one.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
cv2.setNumThreads(1)  # as in a worker; on a busy machine its threads wait for each other
# A shell without job control starts its background jobs with Ctrl-C ignored, `nohup` its command
# with SIGHUP ignored, and so would be every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, str(Path(__file__).parent))  # the helpers_*.py modules

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real clips; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("BACKDROP_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set BACKDROP_TEST_DATA")
    return folder
