"""Trained networks on disk: `model.safetensors` and `config.json`, and how to build them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from models.backbones import Stages, make_stages
from models.detector import Detector
from models.direct_detector import DirectDetector
from models.inpainter import Inpainter
from models.known_background import BackgroundModel, KnownBackground
from models.model import SegmentationModel
from models.student import Student
from models.synthesis import Synthesis
from pipeline.errors import BackdropError
from pipeline.params.training import Network, TrainModel
from pipeline.store.atomic import read_json, write_bytes, write_json

WEIGHTS, CONFIG = "model.safetensors", "config.json"
VERSION = 2
KNOWN_BACKGROUND = "backdrop.known_background"


def build_model(params: TrainModel) -> SegmentationModel:
    """D and S, untrained: `pipeline/encoder_weights.py` gives their encoders published weights."""
    synthesis = params.synthesis
    return SegmentationModel(
        _detector(params),
        Synthesis(synthesis.channels, synthesis.see_background, _stages(params)),
        synthesis.window,
        synthesis.focal,
    )


def _detector(params: TrainModel) -> Detector | DirectDetector:
    of = params.detector
    if params.proposals == "direct":
        return DirectDetector(
            of.grid, of.channels, of.scale_min, of.scale_max, of.scale_initial, _stages(params)
        )
    return Detector(
        of.grid,
        of.channels,
        of.scale_min,
        of.scale_max,
        of.offset_limit,
        of.scale_initial,
        _stages(params),
    )


def _stages(params: TrainModel) -> Stages | None:
    return None if params.encoder == "none" else make_stages(params.encoder)


def save_network(folder: Path, module: nn.Module, config: dict[str, Any]) -> None:
    """Write weights and config; `config["schema"]` names what it is."""
    state = {name: value.cpu().contiguous() for name, value in module.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(state))
    write_json(folder / CONFIG, {**config, "schema_version": VERSION})


def load_inpainter(folder: Path) -> tuple[BackgroundModel, Network]:
    """The frozen inpainter of `artifacts/inpainter_rgb` or `_flow`, and its input size.

    In `inpainter_rgb` there may be known backgrounds instead; they are called as the inpainter is.

    Raises:
        BackdropError: missing, damaged, or another network.
    """
    config = read_config(folder, "backdrop.inpainter", KNOWN_BACKGROUND)
    network: BackgroundModel
    with _damage_told(folder):
        size = Network.model_validate(config["network"])
        if config["schema"] == KNOWN_BACKGROUND:
            network = KnownBackground(len(config["backgrounds"]), size.height, size.width)
        else:
            network = Inpainter(int(config["channels"]))
    _load_weights(folder, network)
    return network, size


def load_model(folder: Path) -> tuple[SegmentationModel, Network]:
    """The trained D and S of `artifacts/model`, and their input size; raises as above."""
    config = read_config(folder, "backdrop.model")
    with _damage_told(folder):
        size, recorded = Network.model_validate(config["network"]), config["train_model"]
    try:
        params = TrainModel.model_validate(recorded)
    except ValidationError as error:
        raise BackdropError(
            f"is of another version of Backdrop ({error.errors()[0]['msg']})",
            where=str(folder / CONFIG),
            remedy="run `dvc repro` to train again",
        ) from error
    model = build_model(params)
    _load_weights(folder, model)
    return model, size


def load_student(folder: Path) -> tuple[Student, tuple[int, int]]:
    """A trained student, as of `artifacts/student/network`, and its input size; raises as above."""
    config = read_config(folder, "backdrop.student")
    with _damage_told(folder):
        student = Student(int(config["channels"]), imagenet=config["encoder"] == "imagenet")
        height, width = map(int, config["size"])
    _load_weights(folder, student)
    return student, (height, width)


def read_config(folder: Path, *schemas: str) -> dict[str, Any]:
    """The config of a network; raises as above where it is of none of `schemas`."""
    config: dict[str, Any] = read_json(folder / CONFIG)
    with _damage_told(folder):
        if not isinstance(config, dict):
            raise TypeError(f"{config} is no mapping")
    found = (config.get("schema"), config.get("schema_version"))
    if found not in [(schema, VERSION) for schema in schemas]:
        raise BackdropError(
            f"holds '{found[0]} v{found[1]}', expected '{schemas[0]} v{VERSION}'",
            where=str(folder / CONFIG),
            remedy="run `dvc repro --force`",
        )
    return config


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Tell in a line that the config does not hold what the block takes from it."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise BackdropError(
            f"is damaged ({type(error).__name__}: {reason})",
            where=str(folder / CONFIG),
            remedy="delete it and run `dvc repro`",
        ) from error


def _load_weights(folder: Path, module: nn.Module) -> None:
    path = folder / WEIGHTS
    if not path.exists():
        raise BackdropError("is missing", where=str(path), remedy="run `dvc repro` to make it")
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise BackdropError(
            f"does not hold this network's weights ({reason})",
            where=str(path),
            remedy="delete it and run `dvc repro`",
        ) from error
    module.eval().requires_grad_(False)
