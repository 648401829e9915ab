"""`backdrop init` that is stopped or killed while it takes the videos: nothing hidden stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_dvc import REPOSITORY, make_project
from helpers_video import walker, write_video

SLOW = """
import time
from pipeline import cli, intake

def slow(original, target):
    target.touch()
    for _ in range(2400):  # a signal that comes just before a sleep waits for its end
        time.sleep(0.05)

intake._link_or_copy = slow
cli.main()
"""


def start_init(project: Path, *python: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "BACKDROP_WORKERS": "1"}
    return subprocess.Popen(
        [sys.executable, *python, "init", "--videos", "clip.mp4", "--name", "mine"],
        cwd=project, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_copy_that_is_half_done_goes_at_once_or_with_the_next_init(tmp_path, how):
    project = make_project(tmp_path, "stages: {}\n")
    (project / "params.yaml").unlink()
    write_video(project / "clip.mp4", walker(20))
    process = start_init(project, "-c", SLOW)
    deadline = time.monotonic() + 120
    while not list(project.glob("data/raw/.mine.*.partial/clip.mp4")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, told = process.communicate(timeout=60)
    if how == signal.SIGKILL:
        assert len(list((project / "data/raw").iterdir())) == 1
        again = start_init(project, "-m", "pipeline.cli")
        assert again.wait(timeout=120) == 0, again.communicate()
        assert [path.name for path in (project / "data/raw").iterdir()] == ["mine"]
        return
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "interrupted; run it again"
    assert "Traceback" not in told
    assert list((project / "data/raw").iterdir()) == []
