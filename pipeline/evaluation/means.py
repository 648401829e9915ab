"""Per-frame values to the numbers of `metrics.json`: a mean per video, then over videos.

So does DAVIS, and a long video does not outweigh a short one. The oracle's threshold is chosen
here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.detection_metrics import average_precision
from pipeline.store.tables import SCORES, WITHOUT_SELF_TRAIN

TEST_SPLITS = frozenset({"test", "train_test"})
SPLITS: Mapping[str, frozenset[str]] = {
    "val": frozenset({"val"}),
    "test": TEST_SPLITS,
    "test_unseen": frozenset({"test_unseen"}),
}
"""Splits of the table of videos by their name in the metrics file."""
MEANS = tuple(score for score in SCORES if score != "box_iou")  # mAP50 speaks for the boxes
MIN_IOU = 0.5

Row = dict[str, Any]


def video_mean(table: pd.DataFrame, column: str) -> float | None:
    """Mean over videos of the mean over a video's frames, NaN left out; None without any value."""
    means = table.groupby("video", sort=False)[column].mean().dropna()
    return float(means.mean()) if len(means) else None


def fill_oracle(rows: Sequence[Row], curves: Sequence[NDArray[np.float64] | None]) -> None:
    """Set every scored row's `J_oracle`: J at the one threshold that suits its split best.

    Chosen on the very frames that it is reported on, hence an oracle.

    Args:
        rows: of PER_FRAME, any split.
        curves: J of the row at every threshold, None without ground truth.
    """
    for splits in SPLITS.values():
        scored = [
            (row, curve)
            for row, curve in zip(rows, curves, strict=True)
            if row["split"] in splits and curve is not None
        ]
        if not scored:
            continue
        videos = pd.Series([row["video"] for row, _ in scored])
        mean = pd.DataFrame([curve for _, curve in scored]).groupby(videos).mean().mean()
        best = int(mean.to_numpy().argmax())
        for row, curve in scored:
            row["J_oracle"] = float(curve[best])


def beside_model(student: Sequence[Row], model: Sequence[Row]) -> list[Row]:
    """The student's rows with the model's values beside them."""
    return [
        {**row, **{beside: own[name] for name, beside in WITHOUT_SELF_TRAIN.items()}}
        for row, own in zip(student, model, strict=True)
    ]


def split_metrics(table: pd.DataFrame, splits: Collection[str]) -> dict[str, float | int | None]:
    """The metrics file's values of one group of splits; None where there is no ground truth.

    `frames` counts the frames of the split, `scored_frames` those with ground truth, `empty_frames`
    those with an empty mask after CRF.
    J is 1 where mask and truth are both empty, so that it flatters masks that never find anything
    in a split with many such frames; `J_subject` is J over the others alone, and `empty_correct`
    the share of those without a subject whose mask is empty.
    """
    rows = table[table["split"].isin(list(splits))]
    scored = rows[rows["J"].notna()]
    shows_subject = scored["box_iou"].notna()
    empty = scored.loc[~shows_subject, "mask_area"] == 0
    return {
        **{name: _rounded(video_mean(rows, name)) for name in MEANS},
        "J_subject": _rounded(video_mean(scored[shows_subject], "J")),
        "empty_correct": _rounded(float(empty.mean())) if len(empty) else None,
        "mAP50": _rounded(_map50(scored)),
        "frames": len(rows),
        "scored_frames": len(scored),
        "empty_frames": int((rows["mask_area"] == 0).sum()),
    }


def _map50(scored: pd.DataFrame) -> float | None:
    """Average precision at IoU 0.5 over all scored frames; None where none shows a subject.

    A frame's one box is a false positive where its truth is empty.
    """
    positives = int(scored["box_iou"].notna().sum())
    if not positives:
        return None
    correct = (scored["box_iou"] >= MIN_IOU).to_numpy()
    return average_precision(scored["confidence"].to_numpy(), correct, positives)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
