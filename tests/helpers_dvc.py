"""Small DVC projects with shell commands for stages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

# `count` grows by a line whenever a stage truly runs; DVC does not know of it.
FAN = """
stages:
  first: {cmd: "echo first >> count; mkdir -p out; cp in out/a", deps: [in], outs: [out/a]}
  left: {cmd: "${left}", deps: [out/a], outs: [out/left]}
  right: {cmd: "echo right >> count; cp out/a out/right", deps: [out/a], outs: [out/right]}
  last: {cmd: "echo last >> count; cp out/a out/last", deps: [out/left, out/right],
         outs: [out/last]}
"""
LEFT_WORKS = "echo left >> count; echo a line of left; cp out/a out/left"


def make_project(folder: Path, stages: str, params: str = "") -> Path:
    """A DVC project in a git repository, with our own DVC settings."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    (folder / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / "dvc.yaml").write_text(stages)
    (folder / "params.yaml").write_text(params)
    return folder


def commit(folder: Path) -> None:
    """All that is there."""
    author = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["add", "--all"], [*author, "commit", "--quiet", "-m", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def make_fan(folder: Path, left: str = LEFT_WORKS) -> Path:
    """first -> left, right -> last; `left` is the command of that stage."""
    make_project(folder, FAN, f'left: "{left}"\n')
    (folder / "in").write_text("data")
    return folder


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dvc` there, with this Python as `python`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def runs(folder: Path) -> list[str]:
    """The stages of a fan that truly ran, in order."""
    count = folder / "count"
    return count.read_text().split() if count.exists() else []
