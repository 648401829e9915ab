"""The recipe of the built-in data: which clips there are, and whom and where each one shows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import BackdropError
from pipeline.synthetic.location import LOCATIONS

SPLITS = ("train", "val", "test", "test_unseen")


@dataclass(frozen=True)
class ClipSpec:
    """One clip. `subject` and `camera` are seeds: equal ones, the same person and path."""

    video: str
    split: str
    location: str
    subject: int
    camera: int
    frames: int


@dataclass(frozen=True)
class Recipe:
    """All clips and what they share; `width` and `height` in px."""

    seed: int
    width: int
    height: int
    fps: int
    clips: tuple[ClipSpec, ...]


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe; raises `BackdropError` naming the entry that is wrong."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BackdropError(
            f"cannot read the recipe: {error}",
            where=str(path),
            remedy="for videos of your own set prepare_data.source to videos; `backdrop init "
            "--preset demo` goes back to the built-in ones",
        ) from error
    header = _fields(content, Recipe, str(path))
    entries = header.pop("clips")
    if not isinstance(entries, list) or not entries:
        raise BackdropError("clips must be a list with an entry per clip", where=str(path))
    clips = tuple(
        _clip(entry, f"{path}, clip {number}") for number, entry in enumerate(entries, start=1)
    )
    recipe = Recipe(clips=clips, **header)
    for name in ("width", "height"):
        if getattr(recipe, name) % 2:
            raise BackdropError(f"{name} must be even (H.264, 4:2:0)", where=str(path))
    names = [clip.video for clip in clips]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BackdropError(f"video names repeat: {', '.join(repeated)}", where=str(path))
    return recipe


def _clip(entry: object, where: str) -> ClipSpec:
    clip = ClipSpec(**_fields(entry, ClipSpec, where))
    if clip.split not in SPLITS:
        raise BackdropError(f"split {clip.split!r} is none of {', '.join(SPLITS)}", where=where)
    if clip.location not in LOCATIONS:
        known = ", ".join(LOCATIONS)
        raise BackdropError(f"location {clip.location!r} is none of {known}", where=where)
    if not clip.video or Path(clip.video).name != clip.video:
        raise BackdropError(f"video {clip.video!r} is not a plain file name", where=where)
    return clip


def _fields(entry: object, kind: type[Recipe] | type[ClipSpec], where: str) -> dict[str, Any]:
    """`entry` as a mapping with exactly the fields of `kind`, each of the right type."""
    if not isinstance(entry, dict):
        raise BackdropError("expected a mapping of fields", where=where)
    fields = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    missing, unknown = fields.keys() - entry.keys(), entry.keys() - fields.keys()
    if missing or unknown:
        told = [f"missing: {', '.join(sorted(missing))}"] if missing else []
        told += [f"unknown: {', '.join(sorted(map(str, unknown)))}"] if unknown else []
        raise BackdropError(f"wrong fields ({'; '.join(told)})", where=where)
    for name, hint in fields.items():
        value = entry[name]
        if hint == "str" and not isinstance(value, str):
            raise BackdropError(f"{name} must be text, not {value!r}", where=where)
        # bool is an int to isinstance, and `frames: yes` is a typing mistake.
        whole = isinstance(value, int) and not isinstance(value, bool)
        least = 0 if name in ("seed", "subject", "camera") else 1
        if hint == "int" and not (whole and value >= least):
            raise BackdropError(
                f"{name} must be a whole number, at least {least}, not {value!r}", where=where
            )
    return dict(entry)
