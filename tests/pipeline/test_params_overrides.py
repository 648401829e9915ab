"""`SECTION.KEY=VALUE` of a command line: read as YAML, and put into nested params."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import BackdropError
from pipeline.params.overrides import parse_overrides, put


def test_settings_nest_and_are_yaml() -> None:
    params: dict[str, Any] = {}
    for key, value in parse_overrides(["a.b=1", "a.c.d=[1, x]", "a.c.e=null", "f.g=p=q"]).items():
        put(params, key, value)
    assert params == {"a": {"b": 1, "c": {"d": [1, "x"], "e": None}}, "f": {"g": "p=q"}}


@pytest.mark.parametrize("setting", ["a.b", "ab=1", "a.b=[1", ".b=1", "a.=1", "=1"])
def test_a_setting_that_is_none_is_named(setting: str) -> None:
    with pytest.raises(BackdropError, match="--set") as told:
        parse_overrides([setting])
    assert setting in str(told.value)


def test_a_value_holds_no_keys_and_stays_as_it_was() -> None:
    params: dict[str, Any] = {"a": {"b": 1}}
    with pytest.raises(BackdropError, match=r"b of a\.b\.c is a value and holds no keys"):
        put(params, "a.b.c", 2)
    assert params == {"a": {"b": 1}}
