"""Results from what `dvc exp show --json` prints: states, means, deviations, CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from pipeline.ablations.dvc_experiments import parse_known
from pipeline.ablations.results import markdown, match, missing, to_csv, unfinished
from pipeline.ablations.settings import choose, read_tables

TABLES = choose(read_tables(), ["3"])
J = (0.61, 0.64, 0.70)


def _run(name: str, state: str | None, metrics: dict[str, Any] | None) -> dict[str, Any]:
    """As DVC 3.67 prints one: a file it cannot read has an `error` and no `data`."""
    file = {"data": metrics} if metrics else {"error": {"type": "FileNotFoundError"}}
    data = {
        "params": {"params.yaml": {"data": {"compute": {"seed": 0}}}},
        "metrics": {"artifacts/evaluate/metrics.json": file},
    }
    executor = None if state is None else {"state": state, "name": "dvc-task", "local": None}
    revs = [{"rev": "1234", "name": name, "data": data, "error": None}]
    return {"name": name, "executor": executor, "revs": revs}


def _metrics(j: float, collapsed: bool = False) -> dict[str, Any]:
    test = {"J": j, "F": j / 2, "J_no_crf": j - 0.1, "mAP50": None}
    return {"test": test, "val": {"J": 0.9}, "health": {"collapsed": collapsed}}


def _known():
    runs = [
        _run("table3-l2-s0", None, _metrics(J[0])),
        _run("table3-l2-s1", "success", _metrics(J[1])),
        _run("table3-l2-s10", None, _metrics(J[2], collapsed=True)),
        _run("table3-l2-s0-wide", None, _metrics(0.1)),
        _run("table3-l1-s0", None, _metrics(0.5)),
        _run("table3-v-s0", "failed", None),
        _run("table3-v-s1", "queued", None),
        _run("table3-v-s2", "running", _metrics(0.4)),
        _run("table3-v-s3", "failed", None),
        _run("table3-v-s3", None, _metrics(0.3)),
        _run("someones-own", None, _metrics(0.1)),
    ]
    workspace = {"rev": "workspace", "name": None, "data": None, "experiments": None}
    return parse_known([workspace, {"rev": "abc", "name": "main", "experiments": runs}])


def _row(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_mean_and_deviation_over_seeds() -> None:
    results = match(TABLES, _known().values(), "")
    row = _row(markdown(TABLES, results, "test"), "w/o flow, L2 prior")
    spread = f"{np.mean(J):.3f} ± {np.std(J, ddof=1):.3f}"
    assert row[1:] == [
        "J 0.61, F 0.69",
        spread,
        f"{np.mean(J) / 2:.3f} ± {np.std(J, ddof=1) / 2:.3f}",
        f"{np.mean(J) - 0.1:.3f} ± {np.std(J, ddof=1):.3f}",
        "-",
        "3",
        "1",
    ]
    assert spread == "0.650 ± 0.046"  # (0.61 + 0.64 + 0.70) / 3; sqrt(0.0042 / 2)


def test_one_seed_has_no_deviation_and_none_has_no_mean() -> None:
    text = markdown(TABLES, match(TABLES, _known().values(), ""), "test")
    assert _row(text, "w/o flow, L1 prior")[2] == "0.500"
    assert _row(text, "w/o flow, L_v prior")[2] == "0.300"  # only what is done
    assert _row(text, "w/o flow, w/o prior")[2:] == ["-", "-", "-", "-", "0", "0"]


def test_another_split_and_another_label() -> None:
    known = _known().values()
    assert "0.900 ± 0.000" in markdown(TABLES, match(TABLES, known, ""), "val")
    (wide,) = match(TABLES, known, "wide")
    assert (wide.known.name, wide.seed, wide.value("test", "J")) == ("table3-l2-s0-wide", 0, 0.1)
    assert match(TABLES, known, "nobody") == []


def test_what_is_not_done_is_named() -> None:
    results = match(TABLES, _known().values(), "")
    assert unfinished(results) == [
        "failed: table3-v-s0",
        "queued: table3-v-s1",
        "running: table3-v-s2",
    ]
    never = missing(TABLES, results)
    assert {"table3-no-prior", "table3-scratch"} <= set(never)
    assert not set(never) & {"table3-l2", "table3-l1", "table3-v"}


def test_csv_has_a_line_per_experiment() -> None:
    text = to_csv(match(TABLES, _known().values(), ""), "test")
    lines = [row for row in csv.DictReader(io.StringIO(text)) if row["experiment"]]
    rows = {row["experiment"]: row for row in lines}
    assert list(rows)[:3] == ["table3-l2-s0", "table3-l2-s1", "table3-l2-s10"]
    assert len(rows) == 8
    assert "someones-own" not in rows
    done, running = rows["table3-l2-s10"], rows["table3-v-s2"]
    assert (done["J"], done["mAP50"], done["collapsed"], done["seed"]) == ("0.7", "", "True", "10")
    assert (running["state"], running["J"], running["collapsed"]) == ("running", "", "")
    assert done["paper_J"] == "0.61"


def test_csv_has_a_column_for_all_that_the_paper_says_of_any_setting() -> None:
    said = {metric for table in TABLES.values() for one in table.settings for metric in one.paper}
    header = next(csv.reader(io.StringIO(to_csv([], "test"))))
    assert {f"paper_{metric}" for metric in said} <= set(header)


def test_csv_ends_with_mean_and_deviation_of_each_setting() -> None:
    text = to_csv(match(TABLES, _known().values(), ""), "test")
    summary = {
        (row["setting"], row["seed"]): row
        for row in csv.DictReader(io.StringIO(text))
        if not row["experiment"]
    }
    several, alone = "w/o flow, L2 prior", "w/o flow, L1 prior"
    assert float(summary[several, "mean"]["J"]) == pytest.approx(np.mean(J))
    assert float(summary[several, "std"]["J"]) == pytest.approx(np.std(J, ddof=1))
    assert float(summary[several, "mean"]["collapsed"]) == pytest.approx(1 / 3)
    assert summary[several, "mean"]["mAP50"] == ""
    assert (summary[alone, "mean"]["J"], summary[alone, "std"]["J"]) == ("0.5", "")
    assert {setting for setting, _ in summary} == {several, alone, "w/o flow, L_v prior"}


def test_of_several_tries_the_one_that_came_furthest_counts() -> None:
    done, failed = _run("one", None, _metrics(0.5)), _run("one", "failed", None)
    for runs in ([done, failed], [failed, done]):
        known = parse_known([{"rev": "abc", "name": "main", "experiments": runs}])
        assert known["one"].state == "done"
        assert known["one"].metrics == _metrics(0.5)
