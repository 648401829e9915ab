"""The whole of `params.yaml`, one section per stage plus the shared `compute` and `network`."""

from __future__ import annotations

from pathlib import Path

from pipeline.params.base import Section
from pipeline.params.data import ExtractFrames, PrepareData, Stabilize
from pipeline.params.flow import ComputeFlow, TrainFlow
from pipeline.params.read import PARAMS_FILE, read_yaml, validate
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


class Params(Section):
    """`params.yaml`."""

    prepare_data: PrepareData = PrepareData()
    extract_frames: ExtractFrames = ExtractFrames()
    stabilize: Stabilize = Stabilize()
    compute_flow: ComputeFlow = ComputeFlow()
    train_flow: TrainFlow = TrainFlow()
    compute: Compute = Compute()
    network: Network = Network()
    train_inpainter: TrainInpainter = TrainInpainter()
    train_model: TrainModel = TrainModel()
    predict: Predict = Predict()
    calibrate: Calibrate = Calibrate()
    refine_masks: RefineMasks = RefineMasks()
    self_train: SelfTrain = SelfTrain()
    keep_moving: KeepMoving = KeepMoving()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Read and validate the whole file.

    Not for stages: they read their own sections, so that a change of another section's schema does
    not make DVC run them again.

    Raises:
        BackdropError: missing or unreadable file, unknown key (with a suggestion), bad value.
    """
    return validate(Params, read_yaml(path), path, prefix=())
