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
    first, second = headline(tmp_path).splitlines()
    assert first == "test J 0.612, F none"
    assert second == f"report: {tmp_path}/artifacts/report/index.html"


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
