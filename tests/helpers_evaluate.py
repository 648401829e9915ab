"""Scores of one video of a tiny project."""

from __future__ import annotations

from pipeline.evaluation.calibration import read_calibration
from pipeline.evaluation.collect import predicted_videos
from pipeline.evaluation.controls import read_controls
from pipeline.params.results import Evaluate
from pipeline.store.paths import Source
from stages import evaluate


def evaluate_one(name="clip_0"):
    """One video's scores, in this process."""
    (video,) = [video for video in predicted_videos() if video.video == name]
    threshold = read_calibration(Source.MODEL).threshold
    scoring = evaluate.Scoring(threshold, read_controls(Source.MODEL), Evaluate())
    return evaluate.evaluate_video(scoring, video, lambda count: None)
