"""Train detector and synthesis network (3.1-3.4) against the frozen inpainters.

python -m stages.train_model
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from models.model import SegmentationModel
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from pipeline.device import place, set_up
from pipeline.fingerprint import fingerprint
from pipeline.networks import WEIGHTS, build_model, load_inpainter, save_network
from pipeline.params.read import load_section
from pipeline.params.training import Compute, LossParams, Network, TrainModel
from pipeline.stage import run_stage
from pipeline.store.paths import INDEX_TABLE, MODEL, inpainter
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.collapse_watch import CollapseWatch
from pipeline.training.compiling import compile_networks
from pipeline.training.frames import TrainingFrames
from pipeline.training.loop import Training, iteration_rng
from pipeline.training.model_step import Batch, Frozen, model_loss
from pipeline.training.model_watch import ModelWatch, no_motion, watched_frames, watched_motion
from pipeline.training.restarts import attempt_seed, train_with_restarts
from pipeline.training.warm_up import ErrorTable, build_table, warm_up_loss
from pipeline.training.watch import Watch

log = logging.getLogger("backdrop")
STAGE = "train_model"
TABLE, BATCH = 1, 2  # purposes of randomness, see `iteration_rng`
AFTER_A_COLLAPSE: Mapping[str, bool | set[str]] = {"restarts": True, "watch": {"collapse"}}
"""Params that a user may change and still go on from where the training collapsed."""


@dataclass(frozen=True)
class ModelStep:
    """iteration -> loss: the warm-up on the table first, then all objectives."""

    model: SegmentationModel
    frozen: Frozen
    frames: TrainingFrames
    flow: TrainingFrames | None
    flow_ok: Tensor
    table: ErrorTable
    params: TrainModel
    seed: int
    device: torch.device

    def __call__(self, iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its terms."""
        rng = iteration_rng(self.seed, iteration, BATCH)
        flipped = bool(rng.integers(2))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        size = self.params.batch_size
        if iteration < self.params.warmup_iterations:
            rows = rng.integers(0, len(self.table.frames), size)
            image = self._image(self.frames, self.table.frames[rows].tolist(), flipped)
            density = self.table.density[torch.from_numpy(rows).to(self.device)]
            prior = self.params.loss.probability_prior
            return warm_up_loss(self.model, image, density, flipped, prior, generator)
        chosen = rng.integers(0, len(self.frames), size).tolist()
        image = self._image(self.frames, chosen, flipped)
        flow_image = self._image(self.flow, chosen, flipped) if self.flow else image
        batch = Batch(image, flow_image, self.flow_ok[chosen].to(self.device), flipped)
        return model_loss(self.model, self.frozen, batch, self.params, generator)

    def _image(self, frames: TrainingFrames, chosen: list[int], flipped: bool) -> Tensor:
        image = frames.batch(chosen, self.device)
        return image.flip(3) if flipped else image


def main() -> None:
    """Train and write `artifacts/model`."""
    compute = load_section(Compute, "compute")
    network = load_section(Network, "network")
    params = load_section(TrainModel, "train_model")
    device = set_up(compute)
    prepared = _prepare(place(build_model(params), device), params, network, compute, device)
    settings = {
        "network": network.model_dump(),
        "train_model": params.model_dump(exclude=AFTER_A_COLLAPSE),
        "compute": compute.result_keys(),
    }
    checkpoint = Checkpoint(
        STAGE, fingerprint("stages.train_model", settings, _inputs(params)), compute.resume
    )
    watch, judge = _watch(prepared)

    def build(attempt: int) -> Training:
        seed = attempt_seed(compute.seed, attempt)
        torch.manual_seed(seed)
        model = place(build_model(params), device)
        compile_networks(compute.compile, model.detector, model.synthesis)
        return Training(
            STAGE,
            model,
            replace(prepared, model=model, seed=seed),
            params.warmup_iterations + params.iterations,
            params.learning_rate,
            params.optimisation,
            Watch(params.watch.every, partial(watch.look, model), judge, params.watch.early_stop),
            attempt,
        )

    trained = train_with_restarts(build, params.restarts, compute, checkpoint)
    config = {
        "schema": "backdrop.model",
        "network": network.model_dump(),
        "train_model": params.model_dump(),
        "attempt": trained.attempt,
    }
    save_network(MODEL, trained.module, config)
    checkpoint.remove()


def _watch(step: ModelStep) -> tuple[ModelWatch, CollapseWatch]:
    """Who looks at the model while it trains, and who judges what is seen."""
    params, frames, flow = step.params, step.frames, step.flow
    chosen = watched_frames(frames)
    motion = watched_motion(chosen, flow, step.flow_ok) if flow else no_motion(chosen, frames)
    watch = ModelWatch(
        chosen,
        frames,
        flow,
        step.flow_ok,
        step.frozen,
        params.loss.flow,
        motion,
        params.batch_size,
    )
    iterations = params.warmup_iterations + params.iterations
    consequence = params.watch.collapse
    judge = CollapseWatch(
        STAGE, params.warmup_iterations, iterations, motion.subject_moves, consequence
    )
    return watch, judge


def _prepare(
    model: SegmentationModel,
    params: TrainModel,
    network: Network,
    compute: Compute,
    device: torch.device,
) -> ModelStep:
    """Load the inpainters and frames, and inpaint all cells once."""
    frames = TrainingFrames("rgb", network, compute)
    rgb = place(load_inpainter(inpainter("rgb"))[0], device)
    flow_frames, flow_network, flow_ok = None, None, torch.zeros(len(frames))
    if params.loss.flow > 0:
        flow_frames = TrainingFrames("flow", network, compute)
        flow_network = place(load_inpainter(inpainter("flow"))[0], device)
        flow_ok = flow_frames.flow_ok()
    flow = (flow_network, flow_frames, flow_ok) if flow_network and flow_frames else None
    rng = iteration_rng(compute.seed, 0, TABLE)
    table = build_table(model, rgb, frames, flow, params, rng, device)
    distance = _distance(params.loss, device)
    # Compiled only now: the table's batches have other shapes.
    compile_networks(compute.compile, rgb, *([flow_network] if flow_network else []), distance)
    frozen = Frozen(
        rgb,
        flow_network,
        table.rgb.spread,
        table.flow.spread if table.flow else 1.0,
        distance,
    )
    return ModelStep(
        model, frozen, frames, flow_frames, flow_ok, table, params, compute.seed, device
    )


def _distance(loss: LossParams, device: torch.device) -> ReconstructionLoss:
    features = PerceptualFeatures() if loss.perceptual > 0 else None
    return ReconstructionLoss(loss.pixel, loss.perceptual, features).to(device)


def _inputs(params: TrainModel) -> list[Path]:
    """What stands for the data: the index, and the inpainters that were trained on all of it."""
    kinds = ["rgb", "flow"] if params.loss.flow > 0 else ["rgb"]
    return [INDEX_TABLE, *(inpainter(kind) / WEIGHTS for kind in kinds)]


if __name__ == "__main__":
    run_stage(STAGE, main)
