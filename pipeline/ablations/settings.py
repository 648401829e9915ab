"""The paper's ablations as data: `settings.yaml` read, checked, and chosen from.

A setting is a row of one of the paper's tables: the params that make it, by their dotted names, and
what the paper prints for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter

from pipeline.errors import BackdropError, did_you_mean
from pipeline.params.base import Probability, Section
from pipeline.params.yaml_text import load_yaml

FILE = Path(__file__).with_name("settings.yaml")
ALL = "all"


class Setting(Section):
    """One row of a table."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    row: str = Field(description="as the paper calls it")
    params: dict[str, Any] = Field(description="value by dotted name")
    paper: dict[str, Probability] = Field({}, description="metric: what the paper prints")
    stands_for: str | None = Field(None, description="a param that must not be 0 then")
    checkpoint: str | None = Field(None, description="the param that takes a file of weights")


class Table(Section):
    """One of the paper's tables or figures."""

    about: str
    common: dict[str, Any] = Field({}, description="params of every setting")
    fixed: dict[str, Any] = Field({}, description="likewise, not to be set otherwise")
    settings: tuple[Setting, ...] = Field(min_length=1)


def read_tables() -> dict[str, Table]:
    """Every table by its name, in the paper's order."""
    return TypeAdapter(dict[str, Table]).validate_python(load_yaml(FILE.read_text()))


def choose(tables: Mapping[str, Table], wanted: Sequence[str]) -> dict[str, Table]:
    """The tables of that name; `3` stands for `table3`, `all` for every one.

    Raises:
        BackdropError: an unknown name; the line suggests one.
    """
    names = [f"table{name}" if name.isdigit() else name for name in wanted]
    for name in names:
        if name != ALL and name not in tables:
            raise BackdropError(
                f"unknown table '{name}'",
                where="--table",
                remedy=did_you_mean(name, [ALL, *tables]),
            )
    return {name: table for name, table in tables.items() if name in names or ALL in names}


def only_rows(tables: Mapping[str, Table], patterns: Sequence[str]) -> dict[str, Table]:
    """The tables with those settings alone whose names fit a pattern; none of no such setting.

    Args:
        tables: to choose from.
        patterns: names of settings, as of files in a shell (`*`, `?`, `[ab]`).

    Raises:
        BackdropError: a pattern that fits nothing; the line suggests a name.
    """
    names = [setting.name for table in tables.values() for setting in table.settings]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise BackdropError(
                f"no setting '{pattern}' in {', '.join(tables)}",
                where="--row",
                remedy=did_you_mean(pattern, names),
            )
    kept = {
        name: [one for one in table.settings if any(fnmatchcase(one.name, p) for p in patterns)]
        for name, table in tables.items()
    }
    return {
        name: tables[name].model_copy(update={"settings": tuple(rows)})
        for name, rows in kept.items()
        if rows
    }
