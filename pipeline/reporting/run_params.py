"""The params that shaped a run, section by section, so that `dvc.yaml` can name each of them."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from pipeline.params.base import Section
from pipeline.params.data import ExtractFrames, PrepareData, Stabilize
from pipeline.params.flow import ComputeFlow
from pipeline.params.read import load_section
from pipeline.params.results import (
    Calibrate,
    Evaluate,
    KeepMoving,
    Predict,
    RefineMasks,
    Report,
)
from pipeline.params.self_train import SelfTrain
from pipeline.params.training import Compute, Network, TrainInpainter, TrainModel


@dataclass(frozen=True)
class RunParams:
    """Those that the page itself needs, and all of them as text."""

    name: str
    seed: int
    network: Network
    report: Report
    text: str


def read_run_params() -> RunParams:
    """Read every section of `params.yaml`; those that are missing take their defaults.

    Raises:
        BackdropError: a mistake in any of them.
    """
    data = load_section(PrepareData, "prepare_data")
    compute = load_section(Compute, "compute")
    network = load_section(Network, "network")
    report = load_section(Report, "report")
    sections: dict[str, Section] = {
        "prepare_data": data,
        "extract_frames": load_section(ExtractFrames, "extract_frames"),
        "stabilize": load_section(Stabilize, "stabilize"),
        "compute_flow": load_section(ComputeFlow, "compute_flow"),
        "compute": compute,
        "network": network,
        "train_inpainter": load_section(TrainInpainter, "train_inpainter"),
        "train_model": load_section(TrainModel, "train_model"),
        "predict": load_section(Predict, "predict"),
        "calibrate": load_section(Calibrate, "calibrate"),
        "refine_masks": load_section(RefineMasks, "refine_masks"),
        "self_train": load_section(SelfTrain, "self_train"),
        "keep_moving": load_section(KeepMoving, "keep_moving"),
        "evaluate": load_section(Evaluate, "evaluate"),
        "report": report,
    }
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    del values["prepare_data"]["root"]  # a place on the user's disk says nothing of the result
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=False)
    return RunParams(data.name, compute.seed, network, report, text)
