"""A project of its own for one video: a clone of this working tree, `backdrop init`, `dvc repro`.

    make_project(folder, video, "davis2016-cpu", ["train_model.iterations=500"])
    seconds = reproduce(folder)  # by stage

Made once: a project that is there is used as it is, and `dvc repro` does only what is left to do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.params.overrides import parse_overrides, put
from pipeline.params.preset import compose
from pipeline.params.read import PARAMS_FILE
from pipeline.params.schema import read_params
from pipeline.params.write import write_params
from pipeline.store import paths
from pipeline.store.atomic import read_json, write_json
from pipeline.store.hdf5 import MASKS, open_artifact

ROOT = Path(__file__).resolve().parents[1]
LOG = "log.txt"
SECONDS = "seconds.json"  # by stage
UNFINISHED = " (unfinished)"  # after the name of a stage that was interrupted or failed
TRAINING = ("train_", "self_train")  # what the names of stages that train begin with
SCORED_EVEN_COLLAPSED = (
    "train_model.watch.collapse=warn",
    "evaluate.collapse_empty=1",
    "evaluate.collapse_full=1",
    "evaluate.collapse_frozen_px=0",
)
"""Settings with which a collapsed run gets its low score instead of an error."""
RUNNING = re.compile(r"Running stage '(.+)'")


def make_project(
    folder: Path, video: Path, preset: str, settings: Sequence[str], root: Path = ROOT
) -> None:
    """Clone the working tree at `root` into `folder` and set it up for `video`.

    Args:
        folder: must not exist, or hold the project already: then only `settings` are renewed.
        video: a file, or a folder of frames.
        preset: of `backdrop init`.
        settings: `SECTION.KEY=VALUE`, on top of the preset.

    Raises:
        BackdropError: the video cannot be used, or a setting is wrong.
    """
    layer: dict[str, Any] = {}
    for key, value in parse_overrides(settings).items():
        put(layer, key, value)
    if not (folder / "dvc.yaml").exists():
        copy_clone(root, folder)
    # The settings of an earlier call are changes by hand.
    init = ["-m", "pipeline.cli", "init", "--videos", str(video.absolute())]
    done = subprocess.run(
        [sys.executable, *init, "--preset", preset, "--force", "--reset-params"],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stderr.strip() or "failed").splitlines()[-1]
        raise BackdropError(told.removeprefix("error: "), where=f"backdrop init --videos {video}")
    if layer:
        path = folder / PARAMS_FILE
        write_params(compose(read_params(path).model_dump(), layer), path, force=True)


def reproduce(folder: Path) -> dict[str, float]:
    """Run `dvc repro` in the project, with what it prints appended to its `log.txt`.

    Returns:
        Seconds by stage, those of earlier calls where DVC had nothing to do, and with those of
        earlier calls that were interrupted in it; also in the project's `seconds.json`.

    Raises:
        BackdropError: a stage failed; the line names the log.
    """
    clock = _Clock(folder / SECONDS)
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with process, (folder / LOG).open("a") as log:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                started = RUNNING.match(line)
                if started:
                    clock.begin(started[1])
    finally:
        clock.end(whole=process.returncode == 0)
    if process.returncode:
        raise BackdropError("dvc repro failed", where=str(folder / LOG), remedy="see its end")
    return {stage: took for stage, took in clock.seconds.items() if not stage.endswith(UNFINISHED)}


class _Clock:
    """Seconds by stage, of its last run and of what was interrupted before it."""

    def __init__(self, path: Path) -> None:
        self.path, self.stage, self.begun = path, "", 0.0
        self.seconds: dict[str, float] = read_json(path) if path.exists() else {}

    def begin(self, stage: str) -> None:
        """One stage runs after the other."""
        self.end(whole=True)
        self.stage, self.begun = stage, time.monotonic()

    def end(self, *, whole: bool) -> None:
        """The stage that runs has ended, or was interrupted."""
        if not self.stage:
            return
        before = self.seconds.pop(self.stage + UNFINISHED, 0.0)
        name = self.stage if whole else self.stage + UNFINISHED
        self.seconds[name] = round(before + time.monotonic() - self.begun, 1)
        self.stage = ""
        write_json(self.path, self.seconds)


def final_masks(video: str) -> NDArray[np.bool_]:
    """Masks (N, H, W) that the project in the working directory ends with.

    With self-training they are the student's, in `artifacts/student`.

    Raises:
        BackdropError: missing, damaged or of another schema.
    """
    student = paths.video_file(paths.Source.STUDENT.masks_folder, video)
    own = paths.video_file(paths.Source.MODEL.masks_folder, video)
    with open_artifact(student if student.exists() else own, MASKS) as file:
        return np.asarray(file["mask"][:] > 0)


def copy_clone(root: Path, folder: Path) -> None:
    """What git holds or would hold below `root`, as a git repository of its own in `folder`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    # dvclive asks for the last commit: a clone has one.
    author = ["-c", "user.name=ci", "-c", "user.email=ci@localhost"]
    commit = [*author, "commit", "--quiet", "--message", "clone"]
    for command in (["init", "--quiet"], ["add", "--all"], commit):
        subprocess.run(["git", *command], cwd=folder, check=True)


def _environment(folder: Path) -> dict[str, str]:
    """Stages run as `python -m`: this interpreter, with the project's own modules."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PYTHONPATH": str(folder.absolute()), "PATH": path}
