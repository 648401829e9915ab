"""The records that trainings stand on: changed by training videos, and by nothing else."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from helpers_artifacts import make_project, write_frames, write_tables
from helpers_labels import label_all
from helpers_records import record_training_set

from pipeline.closure import REPOSITORY
from pipeline.errors import BackdropError
from pipeline.self_training import switch_off
from pipeline.store import paths
from pipeline.training_set import Part, training_set, verified
from stages.training_set import main as record

SPLITS = ["train", "val", "test", "train_test"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = make_project(tmp_path, monkeypatch, SPLITS, frames=3)
    label_all(made)
    return made


def records() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths.TRAINING_SET.iterdir()}


@pytest.mark.parametrize("part", Part)
def test_a_record_holds_training_videos_their_frames_and_sha256(project, part):
    listed = json.loads((paths.TRAINING_SET / f"{part}.json").read_text())["videos"]
    assert [one["video"] for one in listed] == ["clip_0", "clip_3"]
    for one in listed:
        content = (paths.ARTIFACTS / part / f"{one['video']}.h5").read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert one["frames"] == 3
    assert training_set(part).counts == {"clip_0": 3, "clip_3": 3}


def test_only_what_is_trained_on_changes_them(project):
    before = records()
    scene = project.scenes["clip_2"]
    scene.frames[0] = 7
    write_frames(scene)
    del project.scenes["clip_1"]
    write_tables(project)
    assert records() == before
    scene = project.scenes["clip_0"]
    scene.frames[0] = 7
    write_frames(scene)
    record_training_set()
    changed = {name for name, content in records().items() if content != before[name]}
    assert changed == {"frames.json"}


def test_another_split_changes_them_all(project):
    before = records()
    project.scenes["clip_1"].split = "train"
    write_tables(project)
    assert all(content != before[name] for name, content in records().items())
    assert list(training_set(Part.FLOW).counts) == ["clip_0", "clip_1", "clip_3"]


def test_a_file_that_is_not_the_recorded_one_is_named(project):
    assert verified(Part.FRAMES, Part.LABELS) == [Part.FRAMES.record, Part.LABELS.record]
    scene = project.scenes["clip_3"]
    scene.frames[0] = 7
    write_frames(scene)
    assert verified(Part.FLOW) == [Part.FLOW.record]
    with pytest.raises(BackdropError, match=r"frames/clip_3\.h5: is not the file .*frames\.json"):
        verified(Part.FLOW, Part.FRAMES)


@pytest.mark.parametrize("text", ["{}", '{"videos": [{"video": "a", "frames": 0, "sha256": ""}]}'])
def test_a_record_that_is_none_is_one_line(project, text):
    Part.FRAMES.record.write_text(text)
    with pytest.raises(
        BackdropError, match=r"frames\.json: holds no training set .*videos"
    ) as told:
        training_set()
    assert "\n" not in str(told.value)


def test_a_missing_file_is_named(project):
    (paths.FLOW / "clip_0.h5").unlink()
    with pytest.raises(BackdropError, match=r"flow/clip_0\.h5: is missing"):
        record(Part.FLOW)


def test_without_self_training_no_labels_are_recorded(project):
    switch_off(paths.LABELS)
    record(Part.LABELS)
    assert training_set(Part.LABELS).counts == {}
    assert verified(Part.LABELS) == [Part.LABELS.record]


def test_the_stage_takes_one_part(project):
    before = records()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stages.training_set", *arguments]
        environment = {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    for path in paths.TRAINING_SET.iterdir():
        path.unlink()
    for part in Part:
        assert run(part).returncode == 0
    assert records() == before
    refused = run("masks")
    assert refused.returncode == 1
    assert "usage: python -m stages.training_set frames|flow|predictions|labels" in refused.stderr
