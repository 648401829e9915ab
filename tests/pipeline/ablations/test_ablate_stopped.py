"""`backdrop ablate` stopped by a signal: nothing goes on, and nothing of the user's is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from helpers_dvc import REPOSITORY, commit

# Two stages: what stops the first one must not let DVC begin the second, nor the next experiment.
SLOW_STAGES = """
stages:
  slow:
    cmd: python slow.py
    params: [compute, train_model]
    outs: [artifacts/slow]
  evaluate:
    cmd: python evaluate.py
    params: [compute, train_model]
    deps: [artifacts/slow]
    metrics: [artifacts/evaluate/metrics.json]
"""
# DVC starts a stage through one: bash becomes the stage, dash (`sh` of Debian) waits for it.
SHELLS = ["/bin/sh", "/bin/bash"]
SLOW = """
import os, pathlib, time
from pipeline.stage import run_stage
def main():
    with open(os.environ["STARTED"], "a") as started:
        started.write(f"{os.getpid()}\\n")
    for _ in range(6000):  # a signal that comes just before a sleep waits for its end
        time.sleep(0.05)
run_stage("slow", main)
"""


def _start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "ablate", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[str], seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not seen():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _require_interrupted(process: subprocess.Popen[str]) -> str:
    """What it said on stdout."""
    said, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "interrupted; run it again to go on"
    assert "Traceback" not in told
    return said


@pytest.fixture
def started(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first of the project's two stages, which takes minutes, writes its process id."""
    (project / "dvc.yaml").write_text(SLOW_STAGES)
    (project / "slow.py").write_text(SLOW)
    commit(project)
    return tmp_path_factory.mktemp("started") / "pids"


@contextmanager
def _edit_given_back(project: Path) -> Iterator[None]:
    """DVC puts uncommitted changes away, into git's stash, while it begins an experiment."""
    params = project / "params.yaml"
    params.write_text(params.read_text() + "# mine\n")
    before = params.read_text()
    yield
    assert params.read_text() == before
    assert not (project / ".git/refs/stash").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_while_it_queues_it_gives_back_what_was_not_committed(project, how) -> None:
    with _edit_given_back(project):
        process = _start("--table", "4")
        _wait(process, (project / ".git/refs/stash").exists)
        process.send_signal(how)
        assert "queued 54" not in _require_interrupted(process)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("shell", SHELLS)
def test_stopped_before_the_first_stage_it_lets_none_run_on(project, started, how, shell) -> None:
    with _edit_given_back(project):
        process = _run(started, shell)
        _wait(process, (project / ".git/refs/stash").exists)
        process.send_signal(how)
        _require_interrupted(process)
    assert not _alive(started)


@pytest.mark.parametrize(
    ("how", "whom"),
    [
        (signal.SIGINT, "all"),
        (signal.SIGTERM, "ablate"),
        pytest.param(signal.SIGHUP, "ablate", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_stopped_while_a_stage_runs_it_ends_that_and_begins_nothing(
    project, started, how, whom, shell
) -> None:
    """A terminal's Ctrl-C reaches all processes, DVC ignores it; other signals reach us alone."""
    with _edit_given_back(project):
        process = _run(started, shell)
        _wait(process, lambda: started.exists() and started.read_text().endswith("\n"))
        (os.killpg if whom == "all" else os.kill)(process.pid, how)
        _require_interrupted(process)
    assert len(started.read_text().split()) == 1
    assert not _alive(started)


def _run(started: Path, shell: str) -> subprocess.Popen[str]:
    return _start("--table", "ours", "--run", STARTED=str(started), SHELL=shell)


def _alive(started: Path) -> list[str]:
    pids = started.read_text().split() if started.exists() else []
    return [pid for pid in pids if psutil.pid_exists(int(pid))]
