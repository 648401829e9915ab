"""Averages, the oracle and the pooled precision, against slow loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.means import MEANS, SPLITS, fill_oracle, split_metrics, video_mean

KEYS = {
    "J",
    "F",
    "J_no_crf",
    "F_no_crf",
    "J_moving",
    "F_moving",
    "J_oracle",
    "J_blob",
    "J_blob_no_crf",
    "J_flow_threshold",
    "J_subject",
    "empty_correct",
    "mAP50",
    "hit",
    "frames",
    "empty_frames",
    "scored_frames",
}


def table(**columns):
    length = len(next(iter(columns.values())))
    defaults = {
        "video": ["a"] * length,
        "split": ["test"] * length,
        "confidence": [0.5] * length,
        "mask_area": [0.1] * length,
        "box_iou": [np.nan] * length,
        **{name: [np.nan] * length for name in MEANS},
    }
    return pd.DataFrame({**defaults, **columns})


def test_a_long_video_does_not_outweigh_a_short_one():
    rows = table(video=["long"] * 3 + ["short"], J=[0.2, 0.3, 0.4, 0.9])
    assert video_mean(rows, "J") == pytest.approx((0.3 + 0.9) / 2)


def test_frames_without_a_subject_do_not_count_in_hit():
    rows = table(video=["a", "a", "b"], hit=[1.0, np.nan, np.nan])
    assert video_mean(rows, "hit") == 1.0
    assert video_mean(rows[2:], "hit") is None


def test_names_are_those_of_the_metrics_file_with_and_without_truth():
    assert set(split_metrics(table(J=[1.0]), {"test"})) == KEYS
    silent = split_metrics(table(J=[np.nan], mask_area=[0.0]), {"test"})
    assert set(silent) == KEYS
    counts = {"frames": 1, "scored_frames": 0, "empty_frames": 1}
    assert {name: silent[name] for name in counts} == counts
    assert all(silent[name] is None for name in KEYS - counts.keys())


def test_masks_that_find_nothing_are_not_flattered_by_frames_without_a_subject():
    """14 of 40 frames show none: J is 0.35 for empty masks, of which none finds the subject."""
    absent = np.arange(40) < 14
    truth = np.where(absent, np.nan, 0.0)
    rows = table(J=absent.astype(float), box_iou=truth, mask_area=[0.0] * 40)
    found = split_metrics(rows, {"test"})
    assert (found["J"], found["J_subject"], found["empty_correct"]) == (0.35, 0.0, 1.0)
    rows.loc[[0, 39], "mask_area"] = 0.1  # one beside nothing, one beside a subject
    rows.loc[0, "J"] = 0.0
    found = split_metrics(rows, {"test"})
    assert (found["J_subject"], found["empty_correct"]) == (0.0, pytest.approx(13 / 14, abs=1e-6))


def test_j_where_there_is_a_subject_is_averaged_as_j_and_null_without_such_frames():
    rows = table(
        video=["long"] * 4 + ["short"],
        J=[0.2, 0.4, 1.0, 0.0, 0.9],
        box_iou=[0.5, 0.5, np.nan, np.nan, 0.5],
        mask_area=[0.1, 0.1, 0.0, 0.1, 0.1],
    )
    found = split_metrics(rows, {"test"})
    assert (found["J_subject"], found["empty_correct"]) == (pytest.approx((0.3 + 0.9) / 2), 0.5)
    everywhere = split_metrics(rows[rows["box_iou"].notna()], {"test"})
    assert (everywhere["J_subject"], everywhere["empty_correct"]) == (everywhere["J"], None)
    nowhere = split_metrics(rows[rows["box_iou"].isna()], {"test"})
    assert (nowhere["J_subject"], nowhere["empty_correct"]) == (None, 0.5)


def test_map_pools_the_frames_and_counts_boxes_where_no_subject_is():
    rows = table(
        J=[0.5, 0.5, 0.0, 0.5],
        box_iou=[0.6, 0.4, np.nan, 0.5],
        confidence=[0.9, 0.1, 0.8, 0.7],
    )
    # ranked: right, false (no subject), right, wrong; three subjects
    expected = 1 / 3 * 1 + 1 / 3 * 2 / 3
    assert split_metrics(rows, {"test"})["mAP50"] == pytest.approx(expected, abs=1e-6)


def test_frames_of_other_splits_and_unscored_ones_stay_out():
    rows = table(
        split=["test", "train_test", "val", "test"],
        J=[0.5, 0.7, 0.0, np.nan],
        box_iou=[0.9, 0.9, 0.0, np.nan],
        video=list("abcd"),
    )
    found = split_metrics(rows, {"test", "train_test"})
    assert found["J"] == pytest.approx(0.6)
    assert found["mAP50"] == 1.0
    assert found["frames"] == 3


def test_the_oracle_takes_the_best_single_threshold_of_each_split():
    rng = np.random.default_rng(0)
    videos = ["a", "a", "a", "b", "c", "c"]
    splits = ["test"] * 4 + ["test_unseen"] * 2
    rows = [{"video": v, "split": s, "J_oracle": None} for v, s in zip(videos, splits, strict=True)]
    rows.append({"video": "d", "split": "train", "J_oracle": None})
    curves = [*rng.random((6, 19)), None]
    fill_oracle(rows, curves)

    def mean(threshold, names):
        per_video = [
            np.mean([c[threshold] for v, c in zip(videos, curves, strict=False) if v == name])
            for name in names
        ]
        return np.mean(per_video)

    for names, members in ((("a", "b"), range(4)), (("c",), range(4, 6))):
        best = max(range(19), key=lambda threshold: mean(threshold, names))
        assert [rows[i]["J_oracle"] for i in members] == [curves[i][best] for i in members]
    assert rows[-1]["J_oracle"] is None


def test_the_oracles_threshold_suits_the_videos_not_their_frames():
    """The first threshold is better in most frames, the second in the mean over videos."""
    rows = [{"video": name, "split": "test"} for name in ["long"] * 9 + ["short"]]
    fill_oracle(rows, [np.array([0.6, 0.5])] * 9 + [np.array([0.2, 0.9])])
    assert [row["J_oracle"] for row in rows] == [0.5] * 9 + [0.9]


@pytest.mark.parametrize("split", ["val", "test", "train_test", "test_unseen"])
def test_each_split_that_is_scored_belongs_to_one_block_of_the_metrics(split):
    """`train_test` to `test`: those videos are both trained on and scored."""
    rows = [{"video": "a", "split": split, "J_oracle": None}]
    fill_oracle(rows, [np.array([0.1, 0.7])])
    assert rows[0]["J_oracle"] == 0.7
    blocks = [name for name, splits in SPLITS.items() if split in splits]
    assert blocks == ["test" if split == "train_test" else split]
