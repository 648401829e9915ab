"""Rows and records that stand for what earlier stages would have written."""

from __future__ import annotations

from pipeline.frame_index import load_index, videos_in_split
from pipeline.params.data import TRAINED_ON
from pipeline.store import paths
from pipeline.training_set import Part
from stages.training_set import main as record

CRF = {
    "smooth_weight": 3.0,
    "smooth_px": 2.0,
    "bilateral_weight": 5.0,
    "bilateral_px": 20.0,
    "bilateral_colour": 10.0,
}
CALIBRATION = {
    "source": "default",
    "threshold": 0.5,
    "threshold_crf": 0.5,
    "crf": CRF,
    "iterations": 5,
    "frames": 0,
}
BLOB = {
    "scale": 0.8,
    "threshold": 0.5,
    "scale_crf": 0.8,
    "threshold_crf": 0.5,
    "crf": CRF,
    "iterations": 5,
}
CONTROLS = {"blob": BLOB, "flow_threshold_px": 0.5}


def record_training_set() -> None:
    """`artifacts/training_set`, of what there is; again after a training video's file changed."""
    trained_on = videos_in_split(load_index(), TRAINED_ON)
    for part in Part:
        files = [paths.video_file(part.folder, video) for video in trained_on]
        if files and all(file.exists() for file in files):
            record(part)


def still_pair(video: str, frame: int, count: int) -> dict[str, object]:
    """A row of the homographies: a camera that stands still."""
    return {
        "video": video,
        "source": frame + 1 if frame + 1 < count else frame - 1,
        "target": frame,
        **{f"h{row}{col}": float(row == col) for row in range(3) for col in range(3)},
        "keypoints": 100,
        "matches": 80,
        "inliers": 70,
        "inlier_ratio": 0.875,
        "error_px": 0.1,
        "ok": True,
        "reason": "",
        "method": "static",
        "parallax_px": 0.0,
        "mesh": [],
        "camera": "static",
    }
