"""Projects of one video: settings, the clone, and what a run of `dvc repro` leaves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import pytest
import yaml
from helpers_artifacts import make_project as make_synthetic_project
from helpers_artifacts import write_masks
from helpers_motion import pan

from benchmarks.project import copy_clone, final_masks, make_project, reproduce
from pipeline.errors import BackdropError
from pipeline.params.schema import read_params
from pipeline.store.paths import Source, video_file

ROOT = Path(__file__).resolve().parents[2]


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def test_a_clone_holds_what_git_would_hold(tmp_path: Path) -> None:
    root, clone = tmp_path / "root", tmp_path / "clone"
    (root / "part").mkdir(parents=True)
    _git(root, "init", "--quiet")
    for name in ("known", "part/new", "ignored", "gone"):
        (root / name).write_text(name)
    (root / ".gitignore").write_text("ignored\n")
    _git(root, "add", "known", "gone")
    (root / "gone").unlink()
    copy_clone(root, clone)
    assert set(_git(clone, "ls-files").split()) == {".gitignore", "known", "part/new"}
    assert not (clone / "ignored").exists()
    assert _git(clone, "status", "--porcelain") == ""


def test_masks_are_the_students_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_synthetic_project(tmp_path, monkeypatch, ["train_test"], 3, refined=True)
    own = final_masks("clip_0")
    assert own.any()
    write_masks(project.scenes["clip_0"], 255 - 255 * own.astype("uint8"))
    student = Source.STUDENT.masks_folder
    student.mkdir(parents=True, exist_ok=True)
    video_file(Source.MODEL.masks_folder, "clip_0").rename(video_file(student, "clip_0"))
    write_masks(project.scenes["clip_0"], 255 * own.astype("uint8"))
    assert (final_masks("clip_0") == ~own).all()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    folder = tmp_path / "walk"
    folder.mkdir()
    for t, frame in enumerate(pan(12, (72, 128), 2.0)):
        cv2.imwrite(str(folder / f"{t:05d}.png"), frame)
    return folder


@pytest.mark.slow
def test_a_project_is_set_up_and_its_settings_renewed(tmp_path: Path, video: Path) -> None:
    project = tmp_path / "project"
    make_project(project, video, "davis2016-cpu", ["train_model.iterations=5"], ROOT)
    params = read_params(project / "params.yaml")
    assert params.train_model.iterations == 5
    assert params.prepare_data.default_split == "train_test"
    (project / "kept").touch()
    make_project(project, video, "davis2016-cpu", ["network.width=64"], ROOT)
    params = read_params(project / "params.yaml")
    assert (params.train_model.iterations, params.network.width) == (800, 64)
    assert (project / "kept").exists()
    with pytest.raises(BackdropError, match="widht"):
        make_project(project, video, "davis2016-cpu", ["network.widht=64"], ROOT)
    with pytest.raises(BackdropError, match="missing"):
        make_project(project, video / "nowhere", "davis2016-cpu", [], ROOT)


@pytest.mark.slow
def test_repro_times_stages_and_names_the_log_of_a_failure(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    subprocess.run(["dvc", "init", "--quiet"], cwd=tmp_path, check=True)
    stages = {
        "first": {"cmd": "echo words && touch one", "outs": ["one"]},
        "second": {"cmd": "touch two", "deps": ["one"], "outs": ["two"]},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    seconds = reproduce(tmp_path)
    assert seconds.keys() == {"first", "second"}
    assert "words" in (tmp_path / "log.txt").read_text()
    assert reproduce(tmp_path) == seconds, "nothing to do: the times stay"
    stages["second"]["cmd"] = "sleep 2 && test -e ready && touch two"
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    with pytest.raises(BackdropError, match=r"log\.txt"):
        reproduce(tmp_path)
    (tmp_path / "ready").touch()
    again = reproduce(tmp_path)
    assert again.keys() == seconds.keys()
    assert again["first"] == seconds["first"]
    assert again["second"] >= 4.0, "both tries count"
