"""Charts of the training, from dvclive's folders, and of J over time."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from pipeline.drawing.chart import Series, line_chart, smoothed

STAGES = ("train_inpainter_rgb", "train_inpainter_flow", "train_model", "self_train")
MOST_POINTS = 300  # of a line: more would be less than a pixel apart


@dataclass(frozen=True)
class Chart:
    """A titled `<svg>`."""

    title: str
    svg: Markup


def training_charts(folder: Path) -> dict[str, list[Chart]]:
    """Charts per training stage, in the order of training; stages that logged nothing are left out.

    Args:
        folder: holds dvclive's `STAGE/plots/metrics/**/NAME.tsv`, columns `step` and the metric.
    """
    charts: dict[str, list[Chart]] = {}
    for stage in STAGES:
        metrics = folder / stage / "plots" / "metrics"
        drawn = [_training_chart(path, metrics) for path in sorted(metrics.rglob("*.tsv"))]
        if found := [chart for chart in drawn if chart]:
            charts[stage] = found
    return charts


def accuracy_chart(frames: pd.DataFrame, video: str) -> Chart | None:
    """J of the mask and of the blob control over the frames with ground truth; None without any."""
    scored = frames[frames["J"].notna()]
    if scored.empty:
        return None
    x = scored["frame"].tolist()
    svg = line_chart(
        [Series(x, scored["J_blob"].tolist(), "line control"), Series(x, scored["J"].tolist())],
        title=f"J over the frames of {video}",
        size=(340, 120),
        y_range=(0.0, 1.0),
    )
    return Chart(video, Markup(svg))


def _training_chart(path: Path, root: Path) -> Chart | None:
    """The values, faint, under their running mean; None where no value is finite."""
    title = path.relative_to(root).with_suffix("").as_posix()
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    steps, values = [float(row[0]) for row in rows], [float(row[1]) for row in rows]
    if not np.isfinite(values).any():
        return None
    mean = smoothed(values, max(1, len(values) // 30))
    every = -(-len(values) // MOST_POINTS)
    lines = [
        Series(steps[::every], values[::every], "line faint"),
        Series(steps[::every], mean[::every]),
    ]
    return Chart(title, Markup(line_chart(lines, title=title)))
