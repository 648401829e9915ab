"""Every stage on tiny data: it runs, again with the same bytes, and after a kill all the same."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from helpers_e2e import STAGES, artifact_hashes, make_tiny_project, run_stage, start_stage

from pipeline.stage import stage_lock

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    make_tiny_project(folder)
    for stage in STAGES:
        run_stage(folder, stage)
    return folder


def test_all_stages_give_the_same_bytes_again(project):
    before = artifact_hashes(project)
    for stage in STAGES:
        run_stage(project, stage)
        after = artifact_hashes(project)
        changed = [name for name in before if before[name] != after.get(name)]
        assert not changed, f"{stage} changed {changed}"
    assert set(after) == set(before)


def test_the_metrics_have_the_agreed_names(project):
    metrics = json.loads((project / "artifacts/evaluate/metrics.json").read_text())
    wanted = {
        "J", "F", "J_no_crf", "F_no_crf", "J_moving", "F_moving", "J_oracle", "J_blob",
        "J_blob_no_crf", "J_flow_threshold", "J_subject", "empty_correct", "mAP50", "hit", "frames",
        "scored_frames", "empty_frames",
    }  # fmt: skip
    assert {"threshold", "val", "test", "test_unseen", "without_self_train"} <= set(metrics)
    for block in (metrics, metrics["without_self_train"]):
        assert set(block["val"]) == {"J", "F", "frames"}
        assert set(block["test"]) == set(block["test_unseen"]) == wanted
    assert metrics["test"]["frames"] == 6
    assert metrics["test_unseen"]["J"] is None
    assert 0 <= metrics["test"]["J"] <= 1


def test_nothing_on_disk_tells_where_or_when_it_was_made(project):
    for path in (project / "artifacts").rglob("*"):
        if path.is_file():
            assert str(project).encode() not in path.read_bytes(), path


@pytest.mark.parametrize("stage", ["train_model", "self_train"])
def test_killed_training_goes_on_and_ends_with_the_same_bytes(project, stage):
    expected = artifact_hashes(project)
    process = start_stage(project, stage)
    checkpoint = project / f".backdrop/checkpoints/{stage}.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert checkpoint.exists(), process.communicate()[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "going on from iteration" in run_stage(project, stage)
    assert artifact_hashes(project) == expected
    assert not checkpoint.exists()


def test_a_stage_already_running_is_named_not_written_beside(project, monkeypatch):
    expected = artifact_hashes(project)
    monkeypatch.chdir(project)
    held = stage_lock("train_inpainter_rgb")
    second = start_stage(project, "train_inpainter rgb")
    output, _ = second.communicate(timeout=120)
    held.release(force=True)
    assert second.returncode == 1, output
    assert "another process is still running this stage" in output
    assert f"`kill {os.getpid()}`" in output
    assert artifact_hashes(project) == expected
    run_stage(project, "train_inpainter rgb")
    assert artifact_hashes(project) == expected
