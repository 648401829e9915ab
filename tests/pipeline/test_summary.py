"""What a run came to, in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import BackdropError
from pipeline.summary import headline, metrics_table

METRICS = {
    "threshold": 0.45,
    "val": {"J": 0.7, "F": 0.8},
    "test": {"J": 0.61234, "F": None, "frames": 120},
    "health": {"collapsed": False, "box_jump_px": 1.5},
}


def test_headline_says_none_for_what_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "artifacts/evaluate").mkdir(parents=True)
    (tmp_path / "artifacts/evaluate/metrics.json").write_text(json.dumps(METRICS))
    first, second, third = headline(tmp_path).splitlines()
    assert first == "test J 0.612, F none"
    assert second == f"masks: {tmp_path}/artifacts/masks"
    assert third == f"report: {tmp_path}/artifacts/report/index.html"


def test_without_ground_truth_the_headline_sends_to_the_report(tmp_path: Path) -> None:
    (tmp_path / "artifacts/evaluate").mkdir(parents=True)
    nothing: dict[str, object] = {"test": {"J": None, "F": None}}
    both = nothing | {"without_self_train": nothing}
    (tmp_path / "artifacts/evaluate/metrics.json").write_text(json.dumps(both))
    lines = headline(tmp_path).splitlines()
    assert lines[0].startswith("no ground truth")
    assert len(lines) == 3
    assert lines[1] == f"masks: {tmp_path}/artifacts/student/masks"


def test_without_ground_truth_the_overlap_with_what_moves_is_told(tmp_path: Path) -> None:
    (tmp_path / "artifacts/evaluate").mkdir(parents=True)
    metrics = {"test": {"J": None}, "health": {"motion_overlap": 0.0312}}
    (tmp_path / "artifacts/evaluate/metrics.json").write_text(json.dumps(metrics))
    assert "masks and what moves overlap by 0.031;" in headline(tmp_path).splitlines()[0]
    assert "- health.motion_overlap: 0.031" in metrics_table(metrics)


def test_beside_frames_without_a_subject_j_of_the_others_is_told(tmp_path: Path) -> None:
    (tmp_path / "artifacts/evaluate").mkdir(parents=True)
    flattered = {"J": 0.35, "F": 0.35, "J_subject": 0.0, "empty_correct": 1.0}
    (tmp_path / "artifacts/evaluate/metrics.json").write_text(json.dumps({"test": flattered}))
    told = headline(tmp_path).splitlines()[0]
    assert told == "test J 0.350 (0.000 where there is a subject), F 0.350"


def test_where_test_has_no_ground_truth_another_split_is_told(tmp_path: Path) -> None:
    (tmp_path / "artifacts/evaluate").mkdir(parents=True)
    metrics = {
        "test": {"J": None},
        "val": {"J": 0.7, "F": 0.8},
        "test_unseen": {"J": 0.5, "F": 0.4},
    }
    (tmp_path / "artifacts/evaluate/metrics.json").write_text(json.dumps(metrics))
    assert headline(tmp_path).splitlines()[0] == "test_unseen J 0.500, F 0.400"


def test_with_a_student_headline_tells_both_and_where_its_masks_are(tmp_path: Path) -> None:
    (tmp_path / "artifacts/evaluate").mkdir(parents=True)
    both = METRICS | {"without_self_train": {"test": {"J": 0.5, "F": 0.4}}}
    (tmp_path / "artifacts/evaluate/metrics.json").write_text(json.dumps(both))
    lines = headline(tmp_path).splitlines()
    assert lines[1] == "without self-training: test J 0.500, F 0.400"
    assert lines[2] == f"masks: {tmp_path}/artifacts/student/masks"
    table = metrics_table(both)
    assert "| metric | val | test | test without self-training |" in table
    assert "| J | 0.700 | 0.612 | 0.500 |" in table
    assert "without_self_train" not in table


def test_without_metrics_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BackdropError, match=r"metrics\.json: is missing"):
        headline(tmp_path)


def test_table_has_a_column_per_split() -> None:
    assert metrics_table(METRICS) == (
        "- threshold: 0.450\n"
        "- health.collapsed: False\n"
        "- health.box_jump_px: 1.500\n"
        "\n"
        "| metric | val | test |\n"
        "|---|---|---|\n"
        "| J | 0.700 | 0.612 |\n"
        "| F | 0.800 | none |\n"
        "| frames | none | 120 |\n"
    )
