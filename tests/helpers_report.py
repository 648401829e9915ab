"""A tiny project with all that the report reads, and a stand-in for the trained inpainter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_artifacts import Project, add_student, make_project
from numpy.typing import NDArray

from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.tables import MASK_SCORES, PER_FRAME, WITHOUT_SELF_TRAIN, write_table

BACKGROUND = 55  # level that the stand-in puts into the hole
SPLITS = ("test", "test_unseen", "val", "train")
SCORES = (*MASK_SCORES, "J_blob", "J_blob_no_crf")


class FlatInpainter:
    """Fills the 1.1x box with one level."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.uint8]:
        filled = image.copy()
        x, y, w, h = box
        top, bottom = max(0, round(y - 0.05 * h)), round(y + 1.05 * h)
        left, right = max(0, round(x - 0.05 * w)), round(x + 1.05 * w)
        filled[top:bottom, left:right] = BACKGROUND
        return filled


def make_evaluated_project(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    truth: bool = True,
    collapsed: str = "",
    student: bool = False,
) -> Project:
    """Four videos of 6 frames, one a split, with metrics, curves and params; a student if asked."""
    project = make_project(
        tmp_path, monkeypatch, SPLITS, truth=truth, refined=True, calibrated=True
    )
    project.set_params(report={"panels_per_video": 2, "panel_width": 80})
    rows = [
        _frame_row(video, scene.split, number, truth and scene.split != "train")
        for video, scene in project.scenes.items()
        for number in range(len(scene.frames))
    ]
    write_table(paths.PER_FRAME_TABLE, rows, PER_FRAME)
    metrics = make_metrics(truth=truth, collapsed=collapsed)
    if student:
        add_student(project, shift=4)
        own = make_metrics(truth=truth, J=0.345, F=0.456, J_no_crf=0.234)
        names = ("val", "test", "test_unseen")
        metrics["without_self_train"] = {name: own[name] for name in names}
    write_json(paths.METRICS, metrics)
    for stage, metric in (("train_inpainter_rgb", "loss"), ("train_model", "loss/total")):
        file = paths.CURVES / stage / "plots" / "metrics" / f"{metric}.tsv"
        file.parent.mkdir(parents=True)
        values = "".join(f"{step}\t{1 / (1 + step)}\n" for step in range(40))
        file.write_text(f"step\t{Path(metric).name}\n{values}")
    return project


def make_metrics(
    *, truth: bool = True, collapsed: str = "", **test: float | None
) -> dict[str, Any]:
    """metrics.json of a model that clearly beats the blob; `test` changes values of that split."""
    values: dict[str, float | None] = {
        "J": 0.64,
        "F": 0.71,
        "J_no_crf": 0.58,
        "F_no_crf": 0.61,
        "J_moving": 0.69,
        "F_moving": 0.76,
        "J_oracle": 0.66,
        "J_blob": 0.57,
        "J_blob_no_crf": 0.47,
        "J_flow_threshold": 0.27,
        "J_subject": 0.64,
        "empty_correct": None,
        "mAP50": 0.38,
        "hit": 0.97,
    }
    values = (values | test) if truth else dict.fromkeys(values)
    counts = {"frames": 6, "scored_frames": 6 if truth else 0, "empty_frames": 1}
    return {
        "threshold": 0.45,
        "val": {"J": values["J"], "F": values["F"], "frames": 6},
        "test": values | counts,
        "test_unseen": values | counts,
        "health": {
            "collapsed": bool(collapsed),
            "why": collapsed,
            "kinds": "empty" if collapsed else "",
            "empty_frames": 0.125,
            "mask_area_mean": 0.06,
            "mask_area_jitter": 0.2,
            "box_jump_px": 2.0,
            "confidence": 0.65,
            "motion_overlap": 0.55,
        },
    }


def _frame_row(video: str, split: str, number: int, truth: bool) -> dict[str, object]:
    score = 0.5 + 0.05 * number if truth else None
    return {
        "video": video,
        "frame": number,
        "split": split,
        "confidence": 0.9 - 0.1 * number,
        "mask_area": 0.0 if number == 3 else 0.06,
        "moving_area": 0.0 if number == 3 else 0.0402,
        "box_jump": None if number == 0 else 2.0,
        "motion_overlap": None if number == 0 else 0.55 if split == "test" else 0.12,
        **dict.fromkeys(SCORES, score),
        "J_flow_threshold": score,
        "box_iou": score,
        "hit": 1.0 if truth else None,
        **dict.fromkeys(WITHOUT_SELF_TRAIN.values()),
    }
