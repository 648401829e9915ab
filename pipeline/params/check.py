"""Mistakes in `params.yaml`, told before any work."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

from pipeline.encoder_files import given_files, require_file
from pipeline.errors import BackdropError, look_for
from pipeline.params.read import PARAMS_FILE
from pipeline.params.schema import Params, read_params
from pipeline.store.paths import ARTIFACTS

DEPS = ("compute_flow.weights", "train_inpainter.rgb.background_images")
"""Params that are deps in dvc.yaml: of one that is missing, DVC tells the errno alone."""


def check_params() -> Params:
    """Read the whole file, and look for the files and folders that it names.

    A stage reads its own sections, hours after this.

    Raises:
        BackdropError: as `read_params`; or what a param names is missing, or a folder of outputs.
    """
    params, usual = read_params(), Params()
    for param in DEPS:
        name, default = map(attrgetter(param), (params, usual))
        where = f"{PARAMS_FILE}: {param}"
        wrong = None if name == default else _what_is_wrong(name, where)
        if wrong:
            raise BackdropError(
                f"'{name}' {wrong}",
                where=where,
                remedy=f"put it there, correct the path, or set it back to {default}",
            )
    for path, param in given_files(params.train_model).items():
        require_file(path, f"{PARAMS_FILE}: {param}")
    return params


def _what_is_wrong(name: str, where: str) -> str | None:
    """Of a path that is a dep in dvc.yaml; None if nothing is.

    Of a stage that would read its own outputs, DVC names neither the param nor the path.
    """
    if not name:
        return "is no path"
    path = Path(name)
    if look_for(path, where) is None:
        return "is missing"
    outputs = ARTIFACTS.resolve()
    if outputs.is_relative_to(path.resolve()) or path.resolve().is_relative_to(outputs):
        return f"holds {ARTIFACTS}, or lies in it, which is what the stages write"
    return None
