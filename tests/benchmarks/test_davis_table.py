"""The table of `benchmarks.davis`, and that a finished sequence is not repeated."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from benchmarks import davis
from benchmarks.davis_scores import FLOW, NO_CRF, NO_SELF_TRAIN, OURS
from pipeline.store.atomic import write_json


def result(seconds: float, **scores: list[float]) -> dict[str, Any]:
    names = {"ours": OURS, "no_crf": NO_CRF, "without": NO_SELF_TRAIN, "flow": FLOW}
    return {
        "training_s": seconds,
        "scores": {names[key]: value for key, value in scores.items()},
    }


def test_rows_are_in_order_with_means_below() -> None:
    results = {
        "lucia": result(100, flow=[0.4, 0.2], no_crf=[0.5, 0.5], ours=[0.8, 0.6]),
        "hike": result(200, ours=[0.6, 0.8], no_crf=[0.3, 0.5], flow=[0.2, 0.4]),
    }
    header, *body = davis.rows(results)
    assert [name.rsplit(" ", 1)[0] for name in header[1:-1:2]] == [OURS, NO_CRF, FLOW]
    assert body[0] == ["lucia", "0.800", "0.600", "0.500", "0.500", "0.400", "0.200", "100"]
    assert body[2] == ["mean", "0.700", "0.700", "0.400", "0.500", "0.300", "0.300", "150"]


def test_a_method_that_a_sequence_lacks_has_no_mean() -> None:
    results = {
        "lucia": result(1, ours=[0.8, 0.6], without=[0.7, 0.5]),
        "hike": result(1, ours=[0.6, 0.8]),
    }
    header, *body = davis.rows(results)
    place = header.index(f"{NO_SELF_TRAIN} J")
    assert [line[place] for line in body] == ["0.700", "", ""]


def test_files_hold_the_rows(tmp_path: Path) -> None:
    results = {"lucia": result(1, ours=[0.8, 0.6], flow=[0.1, 0.2])}
    table = davis.write_tables(tmp_path, results)
    assert (tmp_path / "table.md").read_text() == table
    with (tmp_path / "table.csv").open(newline="") as file:
        assert list(csv.reader(file)) == davis.rows(results)


def test_a_finished_sequence_is_not_repeated_but_one_of_other_settings_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BegunError(Exception):
        pass

    def begin(*_: object) -> None:
        raise BegunError

    monkeypatch.setattr(davis, "make_project", begin)
    done = {"preset": "davis2016-cpu", "settings": ["a.b=1"], **result(1, ours=[0.8, 0.6])}
    write_json(tmp_path / davis.RESULT, done)
    assert davis.run_sequence(tmp_path, tmp_path, "davis2016-cpu", ["a.b=1"]) == done
    with pytest.raises(BegunError):
        davis.run_sequence(tmp_path, tmp_path, "davis2016-cpu", ["a.b=2"])
