"""Train detector and synthesis network (3.1-3.4) against the frozen inpainters.

python -m stages.train_model
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.known_background import KnownBackground
from models.model import SegmentationModel
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from pipeline.device import decisive, place, set_up
from pipeline.encoder_files import given_files
from pipeline.encoder_weights import first_weights, pretrained, start_encoders
from pipeline.fingerprint import fingerprint
from pipeline.networks import WEIGHTS, build_model, load_inpainter
from pipeline.params.read import load_section
from pipeline.params.training import Compute, LossParams, Network, TrainModel
from pipeline.stage import run_stage
from pipeline.store.paths import MODEL, inpainter
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.collapse_watch import CollapseWatch
from pipeline.training.compiling import compile_networks
from pipeline.training.finish import finish
from pipeline.training.frames import TrainingFrames
from pipeline.training.loop import Training, iteration_rng
from pipeline.training.model_step import Batch, Frozen, model_loss
from pipeline.training.model_watch import ModelWatch, no_motion, watched_frames, watched_motion
from pipeline.training.restarts import attempt_seed, train_with_restarts
from pipeline.training.warm_up import ErrorTable, build_table, warm_up_loss
from pipeline.training.watch import Watch
from pipeline.training_set import Part, verified

log = logging.getLogger("backdrop")
STAGE = "train_model"
TABLE, BATCH = 1, 2  # purposes of randomness, see `iteration_rng`
AFTER_A_COLLAPSE: Mapping[str, bool | set[str]] = {"restarts": True, "watch": {"collapse"}}
"""Params that a user may change and still go on from where the training collapsed, as far as
`pipeline.training.restarts` lets it."""


@dataclass(frozen=True)
class Material:
    """What every attempt trains on: frames, flow images, inpainters, the table of all cells."""

    frozen: Frozen
    frames: TrainingFrames
    flow: TrainingFrames | None
    flow_ok: Tensor
    table: ErrorTable


@dataclass(frozen=True)
class _Draw:
    """What an iteration draws: rows of the table or of all frames, and which frames these are."""

    rows: NDArray[np.int64]
    frames: list[int]
    flipped: bool
    generator: torch.Generator


@dataclass(frozen=True)
class ModelStep:
    """iteration -> loss: the warm-up on the table first, then all objectives."""

    model: SegmentationModel
    material: Material
    params: TrainModel
    seed: int
    device: torch.device

    def __call__(self, iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its terms."""
        material, params = self.material, self.params
        drawn = self._draw(iteration)
        image = self._image(material.frames, drawn)
        if iteration < params.iterations_on_table:
            density = material.table.density[torch.from_numpy(drawn.rows).to(self.device)]
            prior = params.loss.probability_prior
            self._expect(iteration + 1)
            return warm_up_loss(self.model, image, density, drawn.flipped, prior, drawn.generator)
        flow_image = self._image(material.flow, drawn) if material.flow else image
        self._expect(iteration + 1)
        flow_ok = material.flow_ok[drawn.frames].to(self.device)
        batch = Batch(image, flow_image, flow_ok, drawn.flipped)
        return model_loss(self.model, material.frozen, batch, params, drawn.generator)

    def _draw(self, iteration: int) -> _Draw:
        rng = iteration_rng(self.seed, iteration, BATCH)
        flipped = bool(rng.integers(2))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        on_table = iteration < self.params.iterations_on_table
        choice = self.material.table.frames if on_table else np.arange(len(self.material.frames))
        rows = rng.integers(0, len(choice), self.params.batch_size)
        return _Draw(rows, choice[rows].tolist(), flipped, generator)

    def _expect(self, iteration: int) -> None:
        frames = self._draw(iteration).frames
        self.material.frames.expect(frames)
        if self.material.flow is not None and iteration >= self.params.iterations_on_table:
            self.material.flow.expect(frames)

    def _image(self, frames: TrainingFrames, drawn: _Draw) -> Tensor:
        image = frames.batch(drawn.frames, self.device)
        return image.flip(3) if drawn.flipped else image


def main() -> None:
    """Train and write `artifacts/model`."""
    compute = load_section(Compute, "compute")
    network = load_section(Network, "network")
    params = load_section(TrainModel, "train_model")
    device = set_up(compute)
    # Before all the work: a file of another network, or a download that fails, is told now.
    weights, distance = first_weights(params), _distance(params.loss).to(device)
    inputs = _inputs(params)
    material = _prepare(params, network, compute, distance, device)
    settings = {
        "network": network.model_dump(),
        "train_model": params.model_dump(exclude=AFTER_A_COLLAPSE),
        "compute": decisive(compute, device),
    }
    checkpoint = Checkpoint(
        STAGE, fingerprint("stages.train_model", settings, inputs), compute.resume
    )
    watch, judge = _watch(material, params)

    def build(attempt: int) -> Training:
        seed = attempt_seed(compute.seed, attempt)
        torch.manual_seed(seed)
        model = build_model(params)
        start_encoders(model, weights)
        place(model, device)
        compile_networks(compute.compile, model.detector, model.synthesis)
        return Training(
            STAGE,
            model,
            ModelStep(model, material, params, seed, device),
            params.iterations_on_table + params.iterations,
            params.learning_rate,
            params.optimisation,
            Watch(
                params.watch.every,
                partial(watch.look, model),
                judge,
                params.watch.early_stop,
                params.iterations_on_table,
            ),
            attempt,
        )

    restarts = params.restarts if params.watch.collapse == "stop" else 0  # a warning ends none
    trained = train_with_restarts(build, restarts, compute, checkpoint)
    config = {
        "schema": "backdrop.model",
        "network": network.model_dump(),
        "train_model": params.model_dump(),
        "attempt": trained.attempt,
    }
    finish(MODEL, trained.module, config, _parts(params).values(), checkpoint)


def _watch(material: Material, params: TrainModel) -> tuple[ModelWatch, CollapseWatch]:
    """Who looks at the model while it trains, and who judges what is seen."""
    frames, flow, flow_ok = material.frames, material.flow, material.flow_ok
    chosen = watched_frames(frames)
    motion = watched_motion(chosen, flow, flow_ok) if flow else no_motion(chosen, frames)
    watch = ModelWatch(
        chosen,
        frames,
        flow,
        flow_ok,
        material.frozen,
        params.loss.flow,
        motion,
        params.batch_size,
    )
    judge = CollapseWatch(
        STAGE,
        params.iterations_on_table,
        params.iterations_on_table + params.iterations,
        motion.subject_moves,
        params.watch.collapse,
    )
    return watch, judge


def _prepare(
    params: TrainModel,
    network: Network,
    compute: Compute,
    distance: ReconstructionLoss,
    device: torch.device,
) -> Material:
    """Load the inpainters and frames, and inpaint all cells once."""
    frames = TrainingFrames("rgb", network, compute)
    rgb = place(load_inpainter(inpainter("rgb"))[0], device)
    if params.objective == "foreground_only" and not isinstance(rgb, KnownBackground):
        log.warning(
            "train_model.objective: foreground_only is for a known background; with an inpainted "
            "one it drives the boxes off the subject: set it to disentangled, or "
            "train_inpainter.rgb.background to median"
        )
    flow_frames, flow_network, flow_ok = None, None, torch.zeros(len(frames))
    if params.loss.flow > 0:
        flow_frames = TrainingFrames("flow", network, compute)
        flow_network = place(load_inpainter(inpainter("flow"))[0], device)
        flow_ok = flow_frames.flow_ok()
    flow = (flow_network, flow_frames, flow_ok) if flow_network and flow_frames else None
    if params.proposals == "direct":
        log.info("direct regression: one box and no probabilities, so no warm-up")
    rng = iteration_rng(compute.seed, 0, TABLE)
    table = build_table(rgb, frames, flow, params, rng, device)
    # Compiled only now: the table's batches have other shapes.
    compile_networks(compute.compile, rgb, *([flow_network] if flow_network else []), distance)
    frozen = Frozen(
        rgb,
        flow_network,
        table.rgb.spread,
        table.flow.spread if table.flow else 1.0,
        distance,
    )
    return Material(frozen, frames, flow_frames, flow_ok, table)


def _distance(loss: LossParams) -> ReconstructionLoss:
    """L, with the perceptual features' encoder if it has such."""
    features = None
    if loss.perceptual > 0:
        param = "train_model.loss.perceptual_encoder_weights"
        stages = pretrained(loss.perceptual_encoder, loss.perceptual_encoder_weights, param)
        features = PerceptualFeatures(stages)
    return ReconstructionLoss(loss.pixel, loss.perceptual, features)


def _inputs(params: TrainModel) -> list[Path]:
    """What decides: files that params name, inpainters, and the records of frames and flow.

    Raises:
        BackdropError: a frame or flow file is not the recorded one.
    """
    parts = _parts(params)
    networks = [inpainter(kind) / WEIGHTS for kind in parts]
    return [*given_files(params), *verified(*parts.values()), *networks]


def _parts(params: TrainModel) -> dict[str, Part]:
    """What of the training set is read, by kind of inpainter."""
    return {"rgb": Part.FRAMES} | ({"flow": Part.FLOW} if params.loss.flow > 0 else {})


if __name__ == "__main__":
    run_stage(STAGE, main)
