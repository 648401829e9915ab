"""Mistakes in `params.yaml`, told before any work."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

from pipeline.encoder_files import given_files, require_file
from pipeline.errors import BackdropError, look_for
from pipeline.params.read import PARAMS_FILE
from pipeline.params.schema import Params, read_params

DEPS = ("compute_flow.weights", "train_inpainter.rgb.background_images")
"""Params that are deps in dvc.yaml: of one that is missing, DVC tells the errno alone."""


def check_params() -> Params:
    """Read the whole file, and look for the files and folders that it names.

    A stage reads its own sections, hours after this.

    Raises:
        BackdropError: as `read_params`, or what a param names is missing.
    """
    params, usual = read_params(), Params()
    for param in DEPS:
        name, default = map(attrgetter(param), (params, usual))
        where = f"{PARAMS_FILE}: {param}"
        if name != default and look_for(Path(name), where) is None:
            raise BackdropError(
                f"'{name}' is missing",
                where=where,
                remedy=f"put it there, correct the path, or set it back to {default}",
            )
    for path, param in given_files(params.train_model).items():
        require_file(path, f"{PARAMS_FILE}: {param}")
    return params
