"""Write `params.yaml`: every key with its description, and a digest that betrays changes by hand.

The first line holds a digest of the values below it. `backdrop init` overwrites a file only while
the two agree: then nobody has put work into it that would be lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from pipeline.errors import BackdropError, unreadable
from pipeline.params.base import Section
from pipeline.params.fitted import Fitted
from pipeline.params.schema import Params
from pipeline.params.yaml_text import load_yaml
from pipeline.store.atomic import write_bytes

WIDTH = 100  # columns
_MARK = "# backdrop init, digest "
_END_OF_DOCUMENT = "...\n"  # PyYAML ends a lone scalar with it


def render_params(params: Params, fitted: Fitted | None = None) -> str:
    """The text of `params.yaml` for `params`, with what of them was fitted to the videos.

    Equal params give equal text.
    """
    values = params.model_dump(mode="json")
    header = [
        f"{_MARK}{digest(values)} of the values below: tells whether they were changed by hand",
        "# One section per stage; compute and network are shared. Unknown keys are errors.",
        *(fitted.lines() if fitted else ()),
    ]
    body = [
        line
        for name in Params.model_fields
        for line in ["", *_section(name, getattr(params, name))]
    ]
    return "\n".join([*header, *body]) + "\n"


def write_params(params: Params, path: Path, *, force: bool = False) -> None:
    """Write `params` to `path`, atomically.

    Raises:
        BackdropError: as `refuse_lost_work`.
    """
    refuse_lost_work(params, path, force=force)
    write_bytes(path, render_params(params).encode())


def refuse_lost_work(params: Params | None, path: Path, *, force: bool) -> None:
    """Raise `BackdropError` if `path` was changed by hand to other values than `params`.

    `None`: to any values at all.
    """
    if force or not changed_by_hand(path):
        return
    if params and _values(path) == params.model_dump(mode="json"):
        return
    raise BackdropError(
        "was changed by hand and would be overwritten",
        where=str(path),
        remedy="keep a copy of it, then run this again with --reset-params",
    )


def changed_by_hand(path: Path) -> bool:
    """True if the file's values are not those that `backdrop init` wrote into it.

    Raises:
        BackdropError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    first = text.partition("\n")[0]
    stated = first.removeprefix(_MARK).partition(" ")[0] if first.startswith(_MARK) else ""
    return stated != digest(_values(path))


def digest(values: Any) -> str:
    """12 hex digits of the values' sha256, independent of their order and of comments."""
    canonical = json.dumps(_with_text_keys(values), sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _with_text_keys(values: Any) -> Any:
    """YAML's keys may be numbers and dates, of which JSON cannot sort those of several kinds."""
    if isinstance(values, Mapping):
        return {str(key): _with_text_keys(value) for key, value in values.items()}
    return [_with_text_keys(value) for value in values] if isinstance(values, list) else values


def _values(path: Path) -> Any:
    """The file's values, or None where it is no YAML in UTF-8: then a hand is at work in it."""
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _section(name: str, section: Section, indent: str = "") -> Iterator[str]:
    """A section's lines: what it is, its keys, and its nested sections below them."""
    yield f"{indent}# {' '.join(str(type(section).__doc__).split())}"
    yield f"{indent}{name}:"
    inner = indent + "  "
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            yield from _section(key, value, inner)
        else:
            yield from _entry(key, section.model_dump(mode="json")[key], field, inner)


def _entry(key: str, value: Any, field: FieldInfo, indent: str) -> Iterator[str]:
    """`key: value  # comment`; the comment above where that is too long or the value a list."""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    told = [field.description or "", " | ".join(str(choice) for choice in choices)]
    comment = "; ".join(part for part in told if part)
    # `description` already names the choices where each needs a word of explanation.
    if choices and field.description and all(f"{choice}:" in comment for choice in choices):
        comment = field.description
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from ([f"{indent}# {comment}"] if comment else [])
        yield f"{indent}{key}:"
        for item in value:
            yield from (
                f"{indent}  {line}" for line in yaml.safe_dump([item], sort_keys=False).splitlines()
            )
        return
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    entry = f"{indent}{key}: {dumped.removesuffix(_END_OF_DOCUMENT).strip()}"
    if not comment:
        yield entry
    elif len(entry) + len(comment) + 4 <= WIDTH:
        yield f"{entry}  # {comment}"
    else:
        yield f"{indent}# {comment}"
        yield entry
