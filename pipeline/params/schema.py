"""The whole of `params.yaml`, one section per stage plus the shared `compute` and `network`."""

from __future__ import annotations

from pipeline.params.base import Section
from pipeline.params.data import ComputeFlow, ExtractFrames, PrepareData, Stabilize
from pipeline.params.results import Calibrate, Evaluate, Predict, RefineMasks, Report
from pipeline.params.training import Compute, Network, TrainInpainter, TrainModel


class Params(Section):
    """`params.yaml`."""

    prepare_data: PrepareData = PrepareData()
    extract_frames: ExtractFrames = ExtractFrames()
    stabilize: Stabilize = Stabilize()
    compute_flow: ComputeFlow = ComputeFlow()
    compute: Compute = Compute()
    network: Network = Network()
    train_inpainter: TrainInpainter = TrainInpainter()
    train_model: TrainModel = TrainModel()
    predict: Predict = Predict()
    calibrate: Calibrate = Calibrate()
    refine_masks: RefineMasks = RefineMasks()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
