"""The presets of `backdrop init`: what differs from the defaults for a kind of material."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from pipeline.errors import BackdropError, did_you_mean
from pipeline.params.base import PositiveInt, Section
from pipeline.params.schema import Params
from pipeline.params.yaml_text import load_yaml

PRESETS = Path(__file__).with_name("presets")


class Preset(Section):
    """A file of `presets/`."""

    about: str = Field(description="the material it is for")
    frame_budget: PositiveInt | None = Field(
        None, description="frames kept over all videos at most; init thins out longer material"
    )
    params: dict[str, Any] = Field(description="what differs from the defaults")


def preset_names() -> list[str]:
    """The names that `load_preset` knows."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """Read a preset by name.

    Raises:
        BackdropError: no preset of that name; the line suggests one.
    """
    if name not in preset_names():
        raise BackdropError(
            f"unknown preset '{name}'", where="--preset", remedy=did_you_mean(name, preset_names())
        )
    return Preset.model_validate(load_yaml((PRESETS / f"{name}.yaml").read_text()))


def compose(*layers: dict[str, Any]) -> Params:
    """Params from the defaults and the layers on top of them, later ones winning key by key.

    Raises:
        BackdropError: a layer holds an unknown key or a value out of range.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer)
    try:
        return Params.model_validate(merged)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise BackdropError(detail["msg"], where=f"params: {where}") from error


def _merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _merge(below[key], value)
        else:
            below[key] = value
