"""What `init` fitted to the videos, as told at the head of `params.yaml`.

    # Preset static-camera; fitted to the videos, and anew by `init` where you leave it as it is:
    # network.height=64 network.width=112 extract_frames.stride=2 extract_frames.max_frames=null

From it the next `init` knows what nobody has set since, and may be fitted to other videos.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.params.yaml_text import load_yaml

_TOLD = "; fitted to the videos, and anew by `init` where you leave it as it is:"
_HEAD = re.compile(
    rf"^# Preset (?P<preset>\S+){re.escape(_TOLD)}\n# (?P<values>.*)$",
    re.MULTILINE,
)
_VALUE = re.compile(r"(\w+\.\w+)=(\d+|null)")

Values = Mapping[str, int | None]  # by dotted key


@dataclass(frozen=True)
class Fitted:
    """A preset, and which of its values depend on the videos."""

    preset: str
    values: Values

    def lines(self) -> list[str]:
        """As comments."""
        told = " ".join(f"{key}={json.dumps(value)}" for key, value in self.values.items())
        return [
            f"# Preset {self.preset}{_TOLD}",
            f"# {told}",
        ]


def read_fitted(text: str) -> Fitted | None:
    """What a file's text tells; None where it tells nothing (the demo, or an older file)."""
    found = _HEAD.search(text)
    if not found:
        return None
    values = {key: json.loads(value) for key, value in _VALUE.findall(found["values"])}
    return Fitted(found["preset"], values)


def refit(text: str, anew: Fitted) -> str:
    """The text of `params.yaml` with values fitted anew, sections that somebody changed excepted.

    All else stays as it is, comments too. So does a section that is written in another style.
    """
    before = read_fitted(text)
    if before is None:
        return text
    told = dict(before.values)
    for section in dict.fromkeys(key.partition(".")[0] for key in before.values):
        if not _stands(text, _of(section, told)):
            continue
        fresh, changed = _of(section, anew.values), text
        for key, value in fresh.items():
            changed = _with_value(changed, key, value)
        if _stands(changed, fresh):
            text = changed
            told.update(fresh)
    return text.replace("\n".join(before.lines()), "\n".join(Fitted(before.preset, told).lines()))


def _of(section: str, values: Values) -> Values:
    return {key: value for key, value in values.items() if key.startswith(f"{section}.")}


def _stands(text: str, values: Values) -> bool:
    """Whether the text holds these values."""
    params = load_yaml(text)
    for dotted, value in values.items():
        section, key = dotted.split(".")
        if section not in params or params[section].get(key) != value:
            return False
    return True


def _with_value(text: str, key: str, value: int | None) -> str:
    """The text with a key's value replaced, if it stands in the style that `init` writes."""
    section, name = key.split(".")
    # DVC writes null as nothing at all.
    line = re.compile(rf"^({section}:(?:\n(?:[ #].*)?)*?\n  {name}:)(?: +[^\s#]+)?", re.MULTILINE)
    return line.sub(lambda found: f"{found[1]} {json.dumps(value)}", text, count=1)
