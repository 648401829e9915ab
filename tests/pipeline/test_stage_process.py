"""Stages in subprocesses: what ran, what was cached, what failed, and that stopping stops all."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_dvc import make_fan, make_project, runs

from pipeline.stage_process import StageProcesses


def _alive(pid: int) -> bool:
    """Running, not merely waiting to be reaped."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_stage_runs_once_and_is_cached_then(tmp_path: Path) -> None:
    processes, lines = StageProcesses(make_fan(tmp_path)), list[str]()
    assert processes.repro("first", lines.append).ok
    outcome = processes.repro("left", lines.append)
    assert (outcome.ok, outcome.cached, outcome.message) == (True, False, "")
    assert "a line of left" in lines
    assert "Updating lock file 'dvc.lock'" in lines
    hints = [line for line in lines if re.search(r"\bgit\b|auto ?stag|dvc push", line)]
    assert not hints
    outcome = processes.repro("left", lines.append)
    assert (outcome.ok, outcome.cached) == (True, True)
    # The run cache counts as well: the stage's output is brought back, not made.
    (tmp_path / "out/left").unlink()
    assert processes.repro("left", lines.append).cached
    assert (tmp_path / "out/left").read_text() == "data"
    assert runs(tmp_path) == ["first", "left"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo noise; echo error: left: x.mp4 is empty >&2; exit 1", "left: x.mp4 is empty"),
        ("exit 3", "failed to reproduce 'left': failed to run: exit 3, exited with 3"),
    ],
)
def test_a_failure_gives_its_reason(tmp_path: Path, command: str, message: str) -> None:
    processes = StageProcesses(make_fan(tmp_path, left=command))
    assert processes.repro("first", print).ok
    outcome = processes.repro("left", print)
    assert not outcome.ok
    assert outcome.message == message


def test_another_process_at_work_is_named(tmp_path: Path) -> None:
    """DVC tells of its lock in several lines, the process in the second."""
    fan = make_fan(tmp_path, left="touch begun; while ! test -e done; do sleep 0.1; done")
    assert StageProcesses(fan).repro("first", print).ok
    other, outcomes = StageProcesses(fan, grace_s=0.0), []
    thread = threading.Thread(target=lambda: outcomes.append(other.repro("left", print)))
    thread.start()
    _wait_for((tmp_path / "begun").exists)
    try:
        outcome = StageProcesses(fan).repro("left", print)
    finally:
        other.stop()
        thread.join(timeout=20)
    assert not outcome.ok
    assert re.fullmatch(
        r"another `dvc` or `backdrop run` is at work in this project \(PID \d+\) — "
        "wait for it, then run again",
        outcome.message,
    )


def test_stopping_ends_the_stage_and_what_it_started(tmp_path: Path) -> None:
    """A stage has time to clean up; a child that ignores SIGTERM is killed."""
    stage = (
        "import os, signal, subprocess, time; "
        "child = subprocess.Popen(['sleep', '600'],"
        " preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)); "
        "signal.signal(signal.SIGTERM, lambda *_: (open('cleaned', 'w').close(), exit(1))); "
        "open('pids.tmp', 'w').write(f'{os.getpid()} {child.pid}'); "
        "os.rename('pids.tmp', 'pids'); "
        # A signal that comes just before a sleep waits for its end.
        "[time.sleep(0.05) for _ in range(12000)]"
    )
    (tmp_path / "stage.py").write_text(stage.replace("; ", "\n"))
    stages = "stages: {slow: {cmd: exec python stage.py, deps: [stage.py], outs: [never]}}"
    processes = StageProcesses(make_project(tmp_path, stages), grace_s=1.0)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(processes.repro("slow", print)))
    thread.start()
    _wait_for((tmp_path / "pids").exists)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(map(_alive, pids))
    processes.stop()
    thread.join(timeout=20)
    assert not thread.is_alive()
    _wait_for(lambda: not any(map(_alive, pids)))
    assert (tmp_path / "cleaned").exists()
    assert [outcome.ok for outcome in outcomes] == [False]
    assert processes.repro("slow", print).message == "the run was stopped"


def test_a_second_ctrl_c_does_not_wait_for_the_stage(tmp_path: Path) -> None:
    left = "trap '' TERM; echo $$ > pid; exec sleep 600"
    processes = StageProcesses(make_fan(tmp_path, left=left), grace_s=600.0)
    assert processes.repro("first", print).ok
    thread = threading.Thread(target=processes.repro, args=["left", print])
    thread.start()
    _wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        processes.stop()
    thread.join(timeout=20)
    assert not thread.is_alive()
    _wait_for(lambda: not _alive(pid))


def test_two_stages_at_once_wait_for_dvcs_lock(tmp_path: Path) -> None:
    processes = StageProcesses(make_fan(tmp_path))
    assert processes.repro("first", print).ok
    outcomes = {}

    def run(stage: str) -> None:
        outcomes[stage] = processes.repro(stage, print)

    threads = [threading.Thread(target=run, args=[stage]) for stage in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {stage: outcome.message for stage, outcome in outcomes.items()} == {
        "left": "",
        "right": "",
    }
    assert all((tmp_path / "out" / name).exists() for name in ("left", "right"))
