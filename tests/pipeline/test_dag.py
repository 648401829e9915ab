"""The DAG read from DVC, of a small project and of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers_dvc import REPOSITORY, make_fan, make_project

from pipeline.dag import Stage, read_dag
from pipeline.errors import BackdropError


def test_a_fan_is_read_in_order(tmp_path: Path) -> None:
    stages = read_dag(make_fan(tmp_path))
    assert stages == [
        Stage("first", ()),
        Stage("left", ("first",)),
        Stage("right", ("first",)),
        Stage("last", ("left", "right")),
    ]


def test_ours_runs_from_data_to_report() -> None:
    stages = {stage.name: stage.needs for stage in read_dag(REPOSITORY)}
    names = list(stages)
    assert names[0] == "prepare_data"
    assert names[-1] == "report"
    assert all(names.index(need) < names.index(name) for name in names for need in stages[name])
    # The inpainter of frames need not wait for the flow.
    assert stages["train_inpainter@rgb"] == ("training_set@frames",)
    assert "training_set@flow" in stages["train_inpainter@flow"]
    assert "compute_flow" in stages["training_set@flow"]
    # Nothing that trains depends on a folder that holds other videos, too.
    of_all_videos = {"extract_frames", "compute_flow", "predict", "refine_masks@model"}
    trains = ("train_inpainter@rgb", "train_inpainter@flow", "train_model", "self_train")
    for name in (*trains, "make_labels"):
        assert not of_all_videos & set(stages[name])
    # The student learns from labels, and its own masks are calibrated and refined in turn.
    assert "training_set@labels" in stages["self_train"]
    assert stages["training_set@labels"] == ("extract_frames", "make_labels")
    assert {"training_set@predictions", "calibrate@model"} <= set(stages["make_labels"])
    assert stages["predict_student"] == ("extract_frames", "self_train")
    assert "predict_student" in stages["calibrate@student"]
    assert "calibrate@model" in stages["refine_masks@model"]
    for what in ("refine_masks", "keep_moving"):
        assert {f"{what}@model", f"{what}@student"} <= set(stages["evaluate"])


@pytest.mark.parametrize(
    "stages",
    [
        "stages: [",
        "stages: {a: {cmd: x, outs: [o]}, b: {cmd: x, outs: [o]}}",
        "stages: {a: {cmd: '${no.such}', outs: [o]}}",
        "stages: {a: {cmd: x, deps: [p], outs: [o]}, b: {cmd: x, deps: [o], outs: [p]}}",
    ],
    ids=["yaml", "same out", "unknown param", "cycle"],
)
def test_what_dvc_refuses_is_one_line(tmp_path: Path, stages: str) -> None:
    make_project(tmp_path, stages)
    with pytest.raises(BackdropError, match=r"dvc\.yaml: DVC cannot read the project") as told:
        read_dag(tmp_path)
    assert "\n" not in str(told.value)


def test_outside_a_project(tmp_path: Path) -> None:
    with pytest.raises(BackdropError, match="DVC cannot read the project"):
        read_dag(tmp_path)


def test_unpacked_from_a_zip_it_says_how_to_make_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "me")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "me@example.org")
    shutil.rmtree(make_fan(tmp_path) / ".git")
    with pytest.raises(BackdropError, match="DVC needs a git repository") as told:
        read_dag(tmp_path)
    assert "\n" not in str(told.value)
    remedy = re.search("`(.*)`", told.value.remedy)
    assert remedy is not None
    subprocess.run(remedy[1], shell=True, check=True, cwd=told.value.where)
    assert len(read_dag(tmp_path)) == 4
