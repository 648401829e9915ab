"""What a run came to, from `metrics.json`: for the end of `make demo`, and for Prefect's page.

python -m pipeline.summary
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import BackdropError
from pipeline.store.atomic import read_json
from pipeline.store.paths import METRICS, REPORT, Source

SPLITS = ("test", "test_unseen", "val")


def headline(root: Path = Path()) -> str:
    """J and F (and without self-training), where the masks are, and the report.

    They are those of test, or where it has no ground truth of the next of SPLITS that has.

    Raises:
        BackdropError: there are no metrics yet.
    """
    metrics = read_json(root / METRICS)
    own = metrics.get("without_self_train")
    scored = (split for split in SPLITS if metrics.get(split, {}).get("J") is not None)
    split = next(scored, None)
    if split is None:
        lines = [f"no ground truth: {_overlap(metrics)}the report shows how good the masks are"]
    else:
        lines = [f"{split} {_accuracy(metrics, split)}"]
        if own:
            lines.append(f"without self-training: {split} {_accuracy(own, split)}")
    masks = (Source.STUDENT if own else Source.MODEL).masks_folder
    return "\n".join([*lines, f"masks: {root / masks}", f"report: {root / REPORT / 'index.html'}"])


def metrics_table(metrics: dict[str, Any]) -> str:
    """All metrics as Markdown: a table with a column per split, the rest as a list above it."""
    blocks = {"": metrics, " without self-training": metrics.get("without_self_train", {})}
    splits = {
        f"{name}{suffix}": values
        for suffix, block in blocks.items()
        for name, values in block.items()
        if _is_split(values)
    }
    told = {name: value for name, value in metrics.items() if name != "without_self_train"}
    rest = [f"- {name}: {value}" for name, value in _flat(told) if name not in splits]
    names = list(dict.fromkeys(key for values in splits.values() for key in values))
    rows = [
        "| " + " | ".join([name, *(_number(values.get(name)) for values in splits.values())]) + " |"
        for name in names
    ]
    header = f"| metric | {' | '.join(splits)} |"
    rule = "|---" * (len(splits) + 1) + "|"
    return "\n".join([*rest, "", header, rule, *rows]) + "\n"


def _accuracy(block: dict[str, Any], split: str) -> str:
    """J and F; an empty mask counts as right where there is no subject, so J without those, too."""
    values = block.get(split, {})
    alone = ""
    if values.get("empty_correct") is not None:
        alone = f" ({_number(values['J_subject'])} where there is a subject)"
    return f"J {_number(values.get('J'))}{alone}, F {_number(values.get('F'))}"


def _overlap(metrics: dict[str, Any]) -> str:
    """What is known without ground truth: whether the masks lie on what moves; "" if nothing is."""
    overlap = metrics.get("health", {}).get("motion_overlap")
    return "" if overlap is None else f"masks and what moves overlap by {_number(overlap)}; "


def _is_split(values: Any) -> bool:
    return isinstance(values, dict) and "J" in values


def _flat(metrics: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values; what is nested but no split as `outer.inner`."""
    for name, value in metrics.items():
        if isinstance(value, dict) and not _is_split(value):
            yield from ((f"{name}.{inner}", _number(inside)) for inner, inside in value.items())
        else:
            yield name, _number(value)


def _number(value: Any) -> str:
    """Three decimals for shares, `none` for what cannot be had."""
    if value is None:
        return "none"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    try:
        print(headline())
    except BackdropError as error:
        sys.exit(f"error: {error}")
