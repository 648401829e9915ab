"""Scores of a synthetic project: baselines by construction, ours as `evaluate` wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers_artifacts import make_project

from benchmarks.davis_scores import (
    FLOW,
    FLOW_CRF,
    FLOW_SCALED,
    GRAB_CUT,
    MOG2,
    MOVING,
    NO_CRF,
    NO_SELF_TRAIN,
    OURS,
    Score,
    mean_score,
    motion,
    ours,
    score_project,
)
from pipeline.errors import BackdropError
from pipeline.evaluation.collect import predicted_videos, read_frames
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.tables import HOMOGRAPHIES, read_table, write_table
from stages import evaluate

TEST = {
    "J": 0.8,
    "F": 0.7,
    "J_no_crf": 0.6,
    "F_no_crf": 0.5,
    "J_moving": 0.85,
    "F_moving": 0.75,
}


def test_a_perfect_mask_scores_one_and_the_flow_of_the_subject_nearly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path, monkeypatch, ["train_test"], 12, refined=True)
    write_json(paths.METRICS, {"test": TEST})
    frames = list(read_frames(predicted_videos()[0], range(12)))
    assert mean_score(frames, project.scenes["clip_0"].truth).J > 0.9  # enlarged with bilinear
    scores, sheet = score_project()
    assert scores[OURS] == Score(0.8, 0.7)
    assert scores[NO_CRF] == Score(0.6, 0.5)
    assert scores[MOVING] == Score(0.85, 0.75)
    assert scores[FLOW].J > 0.9, "the flow artifact moves where the subject is"
    assert scores[FLOW_SCALED].J > 0.9
    assert scores[FLOW_CRF].J > 0.85
    assert scores[MOG2].J > 0.3, "the subject covers each place for half of the video"
    assert scores[GRAB_CUT].J > 0.6, "from the true box"
    assert NO_SELF_TRAIN not in scores
    assert sheet.shape[0] > 8 * 48
    assert sheet.shape[2] == 3


def test_ours_are_the_numbers_of_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path, monkeypatch, ["train_test"], refined=True, calibrated=True)
    evaluate.main()
    table = pd.read_parquet(paths.PER_FRAME_TABLE)
    assert ours()[OURS] == pytest.approx((table["J"].mean(), table["F"].mean()), abs=1e-6)


def test_without_self_training_is_a_method_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(paths.METRICS, {"test": TEST, "without_self_train": {"test": {"J": 0.4, "F": 0.3}}})
    assert ours()[NO_SELF_TRAIN] == Score(0.4, 0.3)


def test_motion_leaves_out_what_is_not_ok_and_the_last_pairs_which_look_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path, monkeypatch, ["train_test"], 6)
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    table.loc[2, ["ok", "h02"]] = False, 9.0
    table.loc[3, "h02"] = 5.0
    write_table(paths.HOMOGRAPHIES_TABLE, table.to_dict("records"), HOMOGRAPHIES)
    found = motion("clip_0", 1)
    assert sorted(found) == [0, 1, 3, 4]
    assert np.array_equal(found[3], [[1, 0, 5], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(BackdropError, match="gap"):
        motion("clip_0", 2)


def test_a_project_without_ground_truth_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path, monkeypatch, ["train_test"], truth=False)
    with pytest.raises(BackdropError, match="ground truth"):
        score_project()
