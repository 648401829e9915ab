"""From the paper's settings to experiments: a name, a seed, and the params that differ.

Params come from params.yaml, then the table's common ones, then `--set`, then the table's fixed
ones, then the setting's own; each layer goes before those under it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.ablations.settings import Setting, Table
from pipeline.errors import BackdropError
from pipeline.params.overrides import put
from pipeline.params.read import PARAMS_FILE, validate
from pipeline.params.schema import Params

SEED = "compute.seed"
LABEL = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Experiment:
    """One training.

    Attributes:
        name: of the DVC experiment.
        changes: value by dotted name, of the params that are set; the seed among them.
        params: all params of it.
    """

    name: str
    table: str
    setting: Setting
    seed: int
    changes: Mapping[str, Any]
    params: Params

    def overrides(self) -> list[str]:
        """`KEY=VALUE` for `dvc exp run --set-param`, in Hydra's grammar."""
        # `++`: also where params.yaml leaves the key to its default.
        return [f"++{key}={_hydra(value)}" for key, value in self.changes.items()]


@dataclass(frozen=True)
class Request:
    """What a user asks of every experiment.

    Attributes:
        seeds: one experiment per setting and seed.
        sets: value by dotted name, on top of params.yaml.
        label: word behind the names, "" for none: tells experiments with other `sets` apart.
        checkpoint: weights for the settings that start from a user's file.
    """

    seeds: Sequence[int] = (0,)
    sets: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    checkpoint: Path | None = None


def experiment_name(setting: str, seed: int, label: str) -> str:
    """`SETTING-sSEED`, and `-LABEL` where there is one."""
    return f"{setting}-s{seed}" + (f"-{label}" if label else "")


def plan(
    tables: Mapping[str, Table], request: Request, base: Mapping[str, Any]
) -> list[Experiment]:
    """The experiments of the tables; without those that need a checkpoint nobody gave.

    Args:
        base: the content of params.yaml.

    Raises:
        BackdropError: an unknown key (with a suggestion), a value out of range, a `--set` that
            the table overrules, a label that cannot be, a param at 0 that a setting stands for.
    """
    _check(tables, request)
    return [
        _experiment(name, table, setting, seed, request, base)
        for name, table in tables.items()
        for setting in table.settings
        for seed in request.seeds
        if setting.checkpoint is None or request.checkpoint
    ]


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0,1,2` as numbers; raises `BackdropError` where they are not, or one comes twice."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) != len(words):
        raise BackdropError(
            f"'{text}' is not a list of different seeds", where="--seeds", remedy="such as 0,1,2"
        )
    return tuple(int(word) for word in words)


def _check(tables: Mapping[str, Table], request: Request) -> None:
    if request.label and not LABEL.fullmatch(request.label):
        raise BackdropError(f"'{request.label}' is not of a-z and 0-9", where="--label")
    if SEED in request.sets:
        raise BackdropError(f"{SEED} is what --seeds sets", where="--set")
    for name, table in tables.items():
        for key in request.sets:
            varied = all(key in setting.params for setting in table.settings)
            if varied or key in table.fixed:
                raise BackdropError(
                    f"{key} is what {name} {'varies' if varied else 'stands on'}: its rows have "
                    "their own",
                    where="--set",
                    remedy="leave it out, or choose other tables",
                )


def _experiment(
    table_name: str,
    table: Table,
    setting: Setting,
    seed: int,
    request: Request,
    base: Mapping[str, Any],
) -> Experiment:
    changes = {**table.common, **request.sets, **table.fixed, **setting.params, SEED: seed}
    if setting.checkpoint:
        changes[setting.checkpoint] = str(request.checkpoint)
    name = experiment_name(setting.name, seed, request.label)
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        put(merged, key, value)
    params = validate(Params, merged, Path(f"{PARAMS_FILE} for {name}"), prefix=())
    # As the schema understands them: YAML takes 1e-3 for a word.
    values = params.model_dump(mode="json")
    if setting.stands_for and not _at(values, setting.stands_for):
        raise BackdropError(
            f"is 0, and {setting.name} is about it ({setting.row})",
            where=f"{PARAMS_FILE}: {setting.stands_for}",
            remedy=f"give it a value, there or by --set {setting.stands_for}=VALUE",
        )
    changes = {key: _at(values, key) for key in changes}
    return Experiment(name, table_name, setting, seed, changes, params)


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def _hydra(value: Any) -> str:
    """A value in Hydra's override grammar; its keys and numbers are JSON's, its words quoted."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_hydra(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_hydra(item) for item in value) + "]"
    return json.dumps(value)
