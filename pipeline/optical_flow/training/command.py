"""`backdrop train-flow`: a flow network of one's own, from one's own videos.

The weights go to `weights/flow/`, where `compute_flow` finds them. Interrupted, the command goes on
where it was, like every training here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.flow.dis import DisFlow
from models.flow.estimator import FlowEstimator
from models.flow.loss import FINEST_WEIGHT, multi_scale_epe
from models.flow.metrics import endpoint_error
from models.flow.network import NetworkFlow
from models.flownet2.weights import VARIANTS
from pipeline.device import decisive, place, set_up
from pipeline.errors import BackdropError
from pipeline.fingerprint import fingerprint
from pipeline.optical_flow.training.batches import PairBatches, to_tensors
from pipeline.optical_flow.training.pairs import Pair, synthesise
from pipeline.optical_flow.training.textures import (
    TEST,
    VALIDATION,
    held_out_videos,
    read_textures,
    videos_for,
)
from pipeline.optical_flow.weights import save_own
from pipeline.params.data import TRAINED_ON
from pipeline.params.flow import TrainFlow
from pipeline.params.read import load_section
from pipeline.params.training import Compute
from pipeline.pool import worker_count
from pipeline.store.atomic import require_writable
from pipeline.store.paths import STATE, VIDEOS_TABLE
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import Training, iteration_rng, train

log = logging.getLogger("backdrop")
STAGE = "train_flow"
TRAINING, HELD_OUT_PAIRS = 1, 2  # purposes of randomness
COMPARED_ON = 100  # held-out pairs
MOST_WORKERS = 32  # each holds a batch in memory
WRITTEN_AS = ".safetensors"


def train_flow(to: Path, force: bool) -> dict[str, float]:
    """Train by params.yaml's `train_flow` and write the weights to `to`.

    Returns:
        Mean endpoint error, px, on pairs cut from videos that were not trained on: of the network,
        DIS and zero flow; empty where all videos are trained on.

    Raises:
        BackdropError: `to` is there and `force` is not set, is no .safetensors, or cannot be
            written; no videos; the loss diverged.
    """
    if to.suffix != WRITTEN_AS:
        raise BackdropError(f"is not a {WRITTEN_AS} name", where=f"--to {to}")
    require_writable(to)
    if to.exists() and not force:
        raise BackdropError(
            "is there already", where=str(to), remedy="give another file (--to), or --force"
        )
    params, compute = load_section(TrainFlow, "train_flow"), load_section(Compute, "compute")
    how = params.frames_per_video, params.longest_side
    textures = read_textures(videos_for(TRAINED_ON), *how)
    others = held_out_videos()
    # Before the training, too: what is damaged is told now.
    held_out = [] if others.empty else read_textures(others, *how)
    if not held_out:
        log.warning(
            "no video has the split %s: the network will be compared with nothing, and "
            "compute_flow.backend: auto will not take it (prepare_data.splits)",
            " or ".join(VALIDATION + TEST),
        )
    device = set_up(compute)
    network = place(VARIANTS[params.variant](params.width), device)
    # A GPU is faster than a few processes that make pairs; on a CPU the network needs its cores.
    workers = min(worker_count(), compute.threads if device.type == "cpu" else MOST_WORKERS)
    folder = STATE / STAGE
    pairs = PairBatches(textures, params, compute.seed, TRAINING, workers, folder)

    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        given, flow = to_tensors(pairs.batch(iteration), device)
        pyramid = network.pyramid(*given)
        finest = multi_scale_epe(pyramid[:1], flow) / FINEST_WEIGHT
        return multi_scale_epe(pyramid, flow), {"endpoint_error": finest.detach()}

    settings = {"train_flow": params.model_dump(), "compute": decisive(compute, device)}
    told = fingerprint(__name__, settings, [VIDEOS_TABLE])
    checkpoint = Checkpoint(STAGE, told, compute.resume)
    options = params.optimisation
    training = Training(STAGE, network, step, params.iterations, params.learning_rate, options)
    try:
        train(training, compute, checkpoint)
    finally:
        pairs.close()
    own = NetworkFlow("own", network, device, batch=params.batch_size)
    estimators: dict[str, FlowEstimator] = {"own": own, "dis-medium": DisFlow()}
    errors = compare(estimators, held_out, params, compute.seed) if held_out else {}
    save_own(to, network, errors)
    checkpoint.remove()
    return errors


def compare(
    estimators: dict[str, FlowEstimator],
    textures: Sequence[NDArray[np.uint8]],
    params: TrainFlow,
    seed: int,
) -> dict[str, float]:
    """Mean endpoint error, px, of each and of zero flow on pairs cut from held-out frames."""
    pairs = [
        synthesise(textures, rng, params.crop_height, params.crop_width, params.motion_px)
        for rng in iteration_rng(seed, 0, HELD_OUT_PAIRS).spawn(COMPARED_ON)
    ]
    errors = {name: _mean_error(estimator, pairs) for name, estimator in estimators.items()}
    zero = np.mean([endpoint_error(pair.flow, np.zeros_like(pair.flow)) for pair in pairs])
    return {**errors, "zero": float(zero)}


def _mean_error(estimator: FlowEstimator, pairs: Sequence[Pair]) -> float:
    errors = []
    for start in range(0, len(pairs), estimator.batch):
        part = pairs[start : start + estimator.batch]
        flows = estimator.estimate(
            np.stack([pair.target for pair in part]), np.stack([pair.source for pair in part])
        )
        truth = np.stack([pair.flow for pair in part])
        errors += endpoint_error(flows, truth).mean(axis=(1, 2)).tolist()
    return float(np.mean(errors))
