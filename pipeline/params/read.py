"""Read `params.yaml`: every mistake is one line that names the key and what is allowed.

A stage reads only the sections it declares (`load_section`), so that `dvc.yaml` can list exactly
the keys it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.errors import BackdropError, did_you_mean, unreadable
from pipeline.params.base import Section
from pipeline.params.yaml_text import load_yaml

PARAMS_FILE = Path("params.yaml")
AnySection = TypeVar("AnySection", bound=Section)
SECTIONS = (
    "prepare_data",
    "extract_frames",
    "stabilize",
    "compute_flow",
    "train_flow",
    "compute",
    "network",
    "train_inpainter",
    "train_model",
    "predict",
    "calibrate",
    "refine_masks",
    "self_train",
    "keep_moving",
    "evaluate",
    "report",
)
"""Those of `schema.Params`, which a stage must not import: another section's keys are not its."""
NOT_SET = "not set"
_sections_read: dict[str, tuple[type[Section], Any]] | None = None
"""By dotted name, as the running stage read them."""


def load_section(kind: type[AnySection], name: str, path: Path = PARAMS_FILE) -> AnySection:
    """Read one section by its dotted name, e.g. `train_inpainter.rgb`; missing keys take defaults.

    Raises:
        BackdropError: unreadable file, unknown section; unknown key (with a suggestion) or bad
            value, of this section only.
    """
    value = read_yaml(path)
    unknown = [str(key) for key in value if key not in SECTIONS]
    if unknown:
        raise BackdropError(
            "is not a known param",
            where=f"{path}: {unknown[0]}",
            remedy=did_you_mean(unknown[0], SECTIONS),
        )
    section = _at(value, name)
    if _sections_read is not None:
        _sections_read.setdefault(name, (kind, section))
    return validate(kind, section, path, prefix=tuple(name.split(".")))


def _at(value: Any, name: str) -> Any:
    """What stands at a dotted name, an empty mapping where nothing does."""
    for key in name.split("."):
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value


@contextmanager
def same_params() -> Iterator[None]:
    """Remember the sections read inside, and `require_same_params` at the end of it."""
    global _sections_read
    _sections_read = {}
    try:
        yield
        require_same_params()
    finally:
        _sections_read = None


def require_same_params(path: Path = PARAMS_FILE) -> None:
    """Refuse params that were changed since the running stage read them.

    DVC records the params as they are when a stage ends, and would take its results for theirs.

    Raises:
        BackdropError: names the first changed param.
    """
    for name, (kind, before) in (_sections_read or {}).items():
        now = _at(read_yaml(path), name)
        key, was, is_now = _first_change(name, _decisive(kind, before), _decisive(kind, now))
        if was != is_now:
            raise BackdropError(
                f"was {was} when this began, and is {is_now} now",
                where=f"{path}: {key}",
                remedy=f"run again; to go on with what was begun, set it back to {was} first",
            )


def _decisive(kind: type[Section], section: Any) -> Any:
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if key not in kind.of_no_effect}


def _first_change(name: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The first key whose value differs, down to the innermost, and its two values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            pair = before.get(key, NOT_SET), now.get(key, NOT_SET)
            if pair[0] != pair[1]:
                return _first_change(f"{name}.{key}", *pair)
    return name, before, now


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's mapping; missing, unreadable or malformed, it is an error that names the line."""
    try:
        value = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BackdropError(
            "is missing", where=str(path), remedy="run `backdrop init --preset demo`"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise BackdropError(
            "is not UTF-8", where=f"{path}:{number}", remedy="save it in that encoding"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BackdropError(
            f"is not valid YAML ({getattr(error, 'problem', error)})",
            where=f"{path}{line}",
            remedy="mend that line",
        ) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BackdropError("must be a mapping of sections", where=str(path))
    return value


def validate(kind: type[AnySection], value: Any, path: Path, prefix: tuple[str, ...]) -> AnySection:
    """`value` as a section; `prefix` is where it stands in the file."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _explain(kind, error.errors()[0], path, prefix) from error


def _explain(
    kind: type[BaseModel], detail: ErrorDetails, path: Path, prefix: tuple[str, ...]
) -> BackdropError:
    """Turn pydantic's first complaint into one line."""
    location = [str(part) for part in detail["loc"]]
    where = f"{path}: {'.'.join([*prefix, *location])}".rstrip(".: ")
    if detail["type"] == "extra_forbidden":
        siblings = _section_at(kind, location[:-1]).model_fields
        return BackdropError(
            "is not a known param", where=where, remedy=did_you_mean(location[-1], siblings)
        )
    message = detail["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(detail["input"], dict) else f" (found {detail['input']!r})"
    if not message[:2].isupper():  # no YAML, no CRF
        message = message[0].lower() + message[1:]
    return BackdropError(f"{message}{shown}", where=where)


def _section_at(kind: type[BaseModel], location: list[str]) -> type[BaseModel]:
    """The section class that holds a key, walking through nested sections and tuples of them."""
    for part in location:
        field = kind.model_fields.get(part)
        if field is None:  # an index into a tuple of sections: stay
            continue
        inner: list[object] = [*get_args(field.annotation), field.annotation]
        sections = [a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)]
        kind = sections[0] if sections else kind
    return kind
