"""The files of weights that the params name for encoders."""

from __future__ import annotations

import stat
from pathlib import Path

from pipeline.errors import BackdropError, look_for
from pipeline.params.training import TrainModel
from pipeline.store.paths import ENCODER_WEIGHTS

AUTO, RANDOM = "auto", "random"
GIVE_ANOTHER = f"{ENCODER_WEIGHTS}/README.md says which files are known"


def given_files(params: TrainModel) -> dict[Path, str]:
    """The files that the params name, each with its param."""
    named = {}
    if params.encoder_weights != RANDOM:
        named[params.encoder_weights] = "train_model.encoder_weights"
    if params.loss.perceptual > 0:
        param = "train_model.loss.perceptual_encoder_weights"
        named.setdefault(params.loss.perceptual_encoder_weights, param)
    return {Path(name): named[name] for name in sorted(named.keys() - {AUTO})}


def require_file(path: Path, param: str) -> None:
    """Raises `BackdropError` where the file that `param` names is not there."""
    status = look_for(path, param)
    if status is None or not stat.S_ISREG(status.st_mode):
        raise BackdropError(f"there is no file '{path}'", where=param, remedy=GIVE_ANOTHER)
