"""Params that a command line sets: `SECTION.KEY=VALUE`, the values in YAML.

for key, value in parse_overrides(["network.width=96"]).items():
    put(params, key, value)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from pipeline.errors import BackdropError
from pipeline.params.yaml_text import load_yaml


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Value by dotted name.

    Raises:
        BackdropError: a string without `=` or without a section, or a value that is no YAML.

    >>> parse_overrides(["network.width=96", "predict.looks=1"])
    {'network.width': 96, 'predict.looks': 1}
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not all(key.split(".")) or "." not in key:
            raise BackdropError(
                f"'{pair}' is not SECTION.KEY=VALUE", where="--set", remedy="see params.yaml"
            )
        try:
            overrides[key] = load_yaml(value)
        except yaml.YAMLError as error:
            raise BackdropError(f"the value of '{pair}' is not YAML", where="--set") from error
    return overrides


def put(values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted name into nested params, in place.

    Raises:
        BackdropError: the name leads through a value that is no section.
    """
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise BackdropError(f"{section} of {key} is a value and holds no keys", where="--set")
    values[last] = value
