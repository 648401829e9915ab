"""Finished experiments as the paper prints them, a row per setting; and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from pipeline.ablations.dvc_experiments import DONE, Known
from pipeline.ablations.settings import Setting, Table

SHOWN = ("J", "F", "J_no_crf", "mAP50")
PAPER_METRICS = (*SHOWN, "F_no_crf")  # all that the paper has of any setting
CSV_METRICS = (*PAPER_METRICS, "J_oracle", "J_blob", "J_blob_no_crf", "hit")
NOTHING = "-"


@dataclass(frozen=True)
class Result:
    """One experiment of the paper's tables, in whatever state."""

    table: str
    setting: Setting
    seed: int
    label: str
    known: Known

    def value(self, split: str, metric: str) -> float | None:
        """A metric of a split; None where it is not done or the split has no ground truth."""
        value: float | None = self.known.metrics.get(split, {}).get(metric)
        return value

    @property
    def collapsed(self) -> bool:
        """Whether `evaluate` found that its masks say nothing."""
        return bool(self.known.metrics.get("health", {}).get("collapsed"))


def match(tables: Mapping[str, Table], known: Iterable[Known], label: str) -> list[Result]:
    """The experiments that are of these tables and this label, in the paper's order."""
    ending = re.escape(f"-{label}") if label else ""
    found = []
    by_name = {one.name: one for one in known}
    for name, table in tables.items():
        for setting in table.settings:
            pattern = re.compile(rf"{re.escape(setting.name)}-s(\d+){ending}")
            seeds = sorted((int(hit[1]), one) for one in by_name if (hit := pattern.fullmatch(one)))
            found += [Result(name, setting, seed, label, by_name[one]) for seed, one in seeds]
    return found


def markdown(tables: Mapping[str, Table], results: Sequence[Result], split: str) -> str:
    """A table per table of the paper that has results, a row per setting."""
    blocks = []
    for name, table in tables.items():
        own = [result for result in results if result.table == name]
        if not own:
            continue
        header = ["setting", "paper", *SHOWN, "seeds", "collapsed"]
        rows = [_row(setting, own, split) for setting in table.settings]
        lines = [header, ["---"] * len(header), *rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        blocks.append(f"### {table.about}\n\n{body}\n")
    return "\n".join(blocks)


def unfinished(results: Sequence[Result]) -> list[str]:
    """`failed: a, b` and so on: a line per state that is not done."""
    states = sorted({result.known.state for result in results} - {DONE})
    return [
        f"{state}: {', '.join(one.known.name for one in results if one.known.state == state)}"
        for state in states
    ]


def missing(tables: Mapping[str, Table], results: Sequence[Result]) -> list[str]:
    """`SETTING: no experiment` per row of a begun table that nothing was tried for."""
    begun = {result.table for result in results}
    tried = {result.setting.name for result in results}
    return [
        setting.name
        for name, table in tables.items()
        for setting in table.settings
        if name in begun and setting.name not in tried
    ]


def to_csv(results: Sequence[Result], split: str) -> str:
    """A line per experiment, then per setting its mean and its standard deviation over seeds.

    `seed` says `mean` or `std` there. Values of an experiment that is not done, and what cannot be
    had, are empty: a single seed has no standard deviation.
    """
    out = io.StringIO()
    names = ["experiment", "table", "setting", "seed", "label", "state", "split", "collapsed"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *CSV_METRICS, *(f"paper_{metric}" for metric in PAPER_METRICS)])
    for result in results:
        done = result.known.state == DONE
        writer.writerow(
            [
                *(result.known.name, result.table, result.setting.row, result.seed, result.label),
                *(result.known.state, split, result.collapsed if done else None),
                *(result.value(split, metric) for metric in CSV_METRICS),
                *_paper_cells(result.setting),
            ]
        )
    for own in _by_setting(results):
        first, collapsed = own[0], sum(one.collapsed for one in own)
        columns = [_had(own, split, metric) for metric in CSV_METRICS]
        for name, summary in SUMMARIES.items():
            writer.writerow(
                [
                    *(None, first.table, first.setting.row, name, first.label, DONE, split),
                    collapsed / len(own) if name == "mean" else None,
                    *(summary(values) for values in columns),
                    *_paper_cells(first.setting),
                ]
            )
    return out.getvalue()


def paper_says(setting: Setting) -> str:
    """`J 0.67, F 0.73`."""
    return ", ".join(f"{metric} {value:.2f}" for metric, value in setting.paper.items()) or NOTHING


def _paper_cells(setting: Setting) -> list[float | None]:
    return [setting.paper.get(metric) for metric in PAPER_METRICS]


def _by_setting(results: Sequence[Result]) -> list[list[Result]]:
    """What is done, a list per setting, in the order of `results`."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for one in results:
        if one.known.state == DONE:
            grouped.setdefault((one.table, one.setting.name), []).append(one)
    return list(grouped.values())


def _had(results: Sequence[Result], split: str, metric: str) -> list[float]:
    values = (one.value(split, metric) for one in results)
    return [value for value in values if value is not None]


def _row(setting: Setting, results: Sequence[Result], split: str) -> list[str]:
    own = [one for one in results if one.setting == setting and one.known.state == DONE]
    return [
        setting.row,
        paper_says(setting),
        *(_spread(_had(own, split, metric)) for metric in SHOWN),
        str(len(own)),
        str(sum(one.collapsed for one in own)),
    ]


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _std(values: Sequence[float]) -> float | None:
    """Of the sample; none of a single value."""
    return stdev(values) if len(values) > 1 else None


SUMMARIES = {"mean": _mean, "std": _std}


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, as printed."""
    middle, deviation = _mean(values), _std(values)
    if middle is None:
        return NOTHING
    return f"{middle:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")
