"""Finished videos survive failures, deaths and interruptions, and are not done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import psutil
import pytest

from pipeline.closure import REPOSITORY
from pipeline.errors import BackdropError
from pipeline.fanout import Unfinished, fan_out
from pipeline.job import Job
from pipeline.pool import worker_count
from pipeline.store.hdf5 import MASKS, create, is_complete, open_artifact
from pipeline.store.paths import UNFINISHED

STAGE = "extract_frames"  # the stage whose code is part of the fingerprint
OUT = Path("out")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # what a worker must not take over


def jobs(*names: str, identity: str = "1", kind: str = "good") -> list[Job[str]]:
    return [Job(name, 3, identity, kind) for name in names]


def work(job: Job[str], path: Path, advance) -> dict[str, object]:
    """A toy stage; leaves a mark in `done/` whenever it is called."""
    Path("done").mkdir(exist_ok=True)
    Path("done", f"{job.video}.{time.monotonic_ns()}").touch()
    if job.data == "bad":
        raise BackdropError("is broken", where=f"{job.video}.mp4", remedy="mend it")
    if job.data == "killed":
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)
    if job.data == "crashed":
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGSEGV)
    with create(path, MASKS) as file:
        file.attrs["video"] = job.video
        advance(3)
        if job.data == "slow":
            Path("pids").mkdir(exist_ok=True)
            Path("pids", str(os.getpid())).touch()
            time.sleep(60)
    return {"rows": [job.video], "threads": [os.environ["OMP_NUM_THREADS"], cv2.getNumThreads()]}


def run(todo: list[Job[str]], params: int = 1, occasion: str = "") -> dict[str, dict[str, object]]:
    given = {"params": params}
    return fan_out(STAGE, todo, work, out=OUT, schema=MASKS, fingerprint=given, occasion=occasion)


def calls(video: str) -> int:
    return len(list(Path("done").glob(f"{video}.*")))


def made() -> list[str]:
    return sorted(path.name for path in OUT.iterdir()) if OUT.exists() else []


def test_all_videos_are_made_in_single_threaded_workers():
    results = run(jobs("a", "b", "c"))
    assert {video: result["rows"] for video, result in results.items()} == {
        "a": ["a"],
        "b": ["b"],
        "c": ["c"],
    }
    assert results["a"]["threads"] == ["1", 1]
    assert made() == ["a.h5", "b.h5", "c.h5"]
    with open_artifact(OUT / "b.h5", MASKS) as file:
        assert file.attrs["video"] == "b"
    assert not (UNFINISHED / STAGE).exists()


def test_a_failing_video_lets_the_others_finish_and_they_are_kept():
    OUT.mkdir()
    (OUT / "old.h5").touch()
    todo = [*jobs("a"), *jobs("b", kind="bad"), *jobs("c", "d")]
    with pytest.raises(BackdropError, match=r"b\.mp4: is broken \(1 of 4 videos failed; .* kept"):
        run(todo)
    assert made() == ["old.h5"], "nothing is moved before all are there"
    results = run(jobs("a", "b", "c", "d"))
    assert made() == ["a.h5", "b.h5", "c.h5", "d.h5"]
    assert results["a"]["rows"] == ["a"], "results of earlier runs are given too"
    assert (calls("a"), calls("b"), calls("c")) == (1, 2, 1)


def test_a_mended_video_is_done_again_and_only_it():
    with pytest.raises(BackdropError):
        run([*jobs("a"), *jobs("b"), *jobs("c", kind="bad")])
    run([*jobs("a"), *jobs("b", identity="2"), *jobs("c")])
    assert (calls("a"), calls("b"), calls("c")) == (1, 2, 2)


def test_other_params_start_over_and_remove_the_old_folder():
    for params in (1, 2):
        with pytest.raises(BackdropError):
            run([*jobs("a"), *jobs("b", kind="bad")], params)
    assert calls("a") == 2
    assert len(list((UNFINISHED / STAGE).iterdir())) == 1


def test_two_stages_of_one_module_leave_each_other_alone():
    """As `backdrop run` has them: both have begun before the first one ends."""
    one, other = (Unfinished(STAGE, {"part": part}, part) for part in ("one", "other"))
    for unfinished in (one, other):
        unfinished.open()
        unfinished.mark(jobs("a")[0], unfinished.part)
    one.keep(jobs("a"), Path("out_of_one"))
    assert other.result(jobs("a")[0]) == "other"
    other.keep(jobs("a"), OUT)
    assert not list(UNFINISHED.iterdir())


def test_a_file_cut_short_is_done_again():
    with pytest.raises(BackdropError):
        run([*jobs("a"), *jobs("b", kind="bad")])
    (left,) = (UNFINISHED / STAGE).glob("*/a.h5")
    left.write_bytes(left.read_bytes()[:-100])
    run(jobs("a", "b"))
    assert calls("a") == 2
    assert is_complete(OUT / "a.h5", MASKS)


@pytest.mark.parametrize(
    ("kind", "told"), [("killed", "ran out of memory"), ("crashed", r"it crashed \(SIGSEGV\)")]
)
def test_a_worker_that_dies_is_told_in_words(kind, told):
    with pytest.raises(BackdropError, match=rf"a worker process died while .* on .*b.*{told}"):
        run([*jobs("a"), *jobs("b", kind=kind)])
    run(jobs("a", "b"))
    assert calls("a") == 1
    assert made() == ["a.h5", "b.h5"]


def test_worker_count_must_be_a_number(monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", "many")
    with pytest.raises(BackdropError, match="BACKDROP_WORKERS: must be a whole number"):
        run(jobs("a"))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be assigned here")
def test_workers_are_as_many_as_the_cores_assigned(monkeypatch):
    monkeypatch.delenv("BACKDROP_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 9})
    assert worker_count() == 3


def test_full_or_read_only_out_is_one_line():
    OUT.write_text("a file where the folder should be")
    with pytest.raises(BackdropError, match="cannot be written"):
        run(jobs("a"))


def alive(pid: int) -> bool:
    """Whether a process runs; an orphan that nobody collects yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


SCRIPT = """
from pipeline.stage import run_stage
from test_fanout import jobs, run
def main():
    run([*jobs("a"), *jobs("b", "c", kind="slow")])
if __name__ == "__main__":
    run_stage("extract_frames", main)
"""


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGTERM, 130), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_interrupted_from_outside(how, code):
    """No worker outlives the stage, nothing half-written is taken, the finished video is kept."""
    Path("script.py").write_text(SCRIPT)
    search = os.pathsep.join([str(REPOSITORY), str(Path(__file__).parent)])
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        env={**os.environ, "PYTHONPATH": search},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(list(Path("pids").glob("*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    pids = [int(path.name) for path in Path("pids").glob("*")]
    assert len(pids) == 2
    process.send_signal(how)
    _, told = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in told
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]
    run(jobs("a", "b", "c"))
    assert (calls("a"), calls("b")) == (1, 2)
    assert made() == ["a.h5", "b.h5", "c.h5"]
