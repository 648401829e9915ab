"""The experiments as DVC knows them: queue them, run them, and read how they stand.

Every one ends at `evaluate`: the page of `report` is not needed, and it fails a collapsed run,
which here is a result.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError
from pydantic import ValidationError

from pipeline.ablations.experiments import Experiment
from pipeline.encoder_files import given_files
from pipeline.errors import BackdropError
from pipeline.params.read import PARAMS_FILE
from pipeline.params.schema import Params
from pipeline.store.paths import METRICS

TARGET = "evaluate"
DONE, FAILED, QUEUED, RUNNING = "done", "failed", "queued", "running"
_STATES = {"failed": FAILED, "queued": QUEUED, "running": RUNNING, "preparing": RUNNING}


@dataclass(frozen=True)
class Known:
    """An experiment that DVC knows.

    Attributes:
        state: DONE, FAILED, QUEUED or RUNNING.
        params: the content of its params.yaml; empty where DVC cannot read it.
        metrics: the content of its metrics file; empty unless done.
    """

    name: str
    state: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]


def require_commit(root: Path) -> None:
    """Raise `BackdropError` unless `root` lies in a git repository that holds a commit."""
    if _git(root, "rev-parse", "--git-dir") is None:
        what = "is not in a git repository; DVC's experiments are git commits"
        raise BackdropError(what, where=str(root.resolve()), remedy="run this in a git clone")
    if _git(root, "rev-parse", "--verify", "HEAD") is None:
        what = "the git repository holds no commit for experiments to start from"
        raise BackdropError(what, where=str(root.resolve()), remedy="`git commit` first")


def read_known(root: Path, rev: str | None = None) -> dict[str, Known]:
    """The experiments that start from the commit `rev` (by default the current one), by name.

    Where one was tried several times, the time that came furthest.

    Raises:
        BackdropError: there is no such commit, or DVC cannot read the project.
    """
    try:
        with Repo(str(root)) as repo:
            shown = [state.dumpd() for state in repo.experiments.show(revs=rev)]
    except (DvcException, SCMError) as error:
        where = f"--rev {rev}" if rev else str(root)
        raise BackdropError(f"DVC cannot list experiments ({error})", where=where) from error
    return parse_known(shown)


def parse_known(shown: list[dict[str, Any]]) -> dict[str, Known]:
    """What `dvc exp show --json` tells, by experiment."""
    known: dict[str, Known] = {}
    for one in (_known(run) for base in shown for run in base.get("experiments") or []):
        before = known.get(one.name)
        if before is None or before.state == FAILED:
            known[one.name] = one
    return known


def _known(run: Mapping[str, Any]) -> Known:
    data = run["revs"][0].get("data") or {}
    metrics = _file(data.get("metrics"), METRICS)
    executor = (run.get("executor") or {}).get("state") or ""
    state = _STATES.get(executor, DONE if metrics else FAILED)
    # A running one may have written its metrics; they count when DVC has them.
    final = metrics if state == DONE else {}
    return Known(run["name"] or "", state, _file(data.get("params"), PARAMS_FILE), final)


def _file(files: Mapping[str, Any] | None, path: Path) -> dict[str, Any]:
    content = ((files or {}).get(path.as_posix()) or {}).get("data")
    return content if isinstance(content, dict) else {}


def pending(experiments: list[Experiment], known: Mapping[str, Known]) -> list[Experiment]:
    """Those still to be queued: new ones and failed ones.

    Raises:
        BackdropError: one of the name was made with other params.
    """
    for experiment in experiments:
        before = known.get(experiment.name)
        if before and before.state != FAILED:
            _refuse_other_params(experiment, before)
    return [one for one in experiments if one.name not in known or known[one.name].state == FAILED]


def _refuse_other_params(experiment: Experiment, before: Known) -> None:
    wanted = experiment.params.model_dump(mode="json")
    try:
        found: Any = Params.model_validate(before.params).model_dump(mode="json")
    except ValidationError:
        found = before.params
    other = next(_differing(found, wanted), None)
    if other:
        raise BackdropError(
            f"is there already ({before.state}), with another {other}",
            where=experiment.name,
            remedy=f"give these a name of their own with `--label WORD`, or remove it "
            f"(`dvc exp remove {experiment.name}`, queued: `dvc queue remove`)",
        )


def _differing(one: Any, other: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of the values in which two nested mappings differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _differing(one.get(key), other.get(key), f"{prefix}{key}.")
    elif one != other:
        yield prefix.rstrip(".")


def submit(root: Path, experiment: Experiment, copies: list[str], *, queue: bool) -> None:
    """Put an experiment into DVC's queue, or run it now in a copy of the workspace.

    Args:
        copies: as `untracked` gives them.

    Raises:
        BackdropError: DVC refuses it, or one of its stages failed.
    """
    try:
        with Repo(str(root)) as repo:
            repo.experiments.run(
                targets=[TARGET],
                params=experiment.overrides(),
                name=experiment.name,
                copy_paths=copies,
                queue=queue,
                tmp_dir=not queue,
            )
    except (DvcException, SCMError, OSError) as error:  # OSError: a project that is read-only
        raise BackdropError(str(error), where=experiment.name) from error


def untracked(root: Path, params: Params) -> list[str]:
    """What an experiment reads and git does not hold: DVC runs it in a copy of what git holds.

    Returns:
        Paths below `root`, for `dvc exp run --copy-paths`. A folder as a whole where git holds
        nothing of it, else what in it git does not hold: DVC copies no folder onto one that is
        there, nor a file into one that is not.

    Raises:
        BackdropError: a relative path leads out of the project: all copies would share that place.
    """
    paths: list[str] = []
    read = [params.prepare_data.root, params.compute_flow.weights]
    read += [str(path) for path in given_files(params.train_model)]
    if params.train_inpainter.rgb.background == "image":
        read.append(params.train_inpainter.rgb.background_images)
    for given in read:
        if Path(given).is_absolute() or not (root / given).exists():
            continue  # an absolute path is the same one from everywhere
        if Path(os.path.normpath(given)).parts[:1] == (os.pardir,):
            raise BackdropError(
                "lies outside of the project, and experiments run in copies of it",
                where=f"{PARAMS_FILE}: {given}",
                remedy="give the absolute path",
            )
        if _git(root, "ls-files", "--", given):
            others = _git(root, "ls-files", "-z", "--others", "--directory", "--", given) or ""
            paths += (other.rstrip("/") for other in others.split("\0") if other)
        else:
            paths.append(Path(given).as_posix())
    return paths


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, None where it fails."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        errors="surrogateescape",  # as in all names of files: they need not be UTF-8
        check=False,
    )
    return done.stdout if done.returncode == 0 else None
