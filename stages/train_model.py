"""Train detector and synthesis network (3.1-3.4) against the frozen inpainters.

python -m stages.train_model
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.model import SegmentationModel
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from pipeline.device import place, set_up
from pipeline.encoder_weights import given_files, pretrained, start_encoders
from pipeline.fingerprint import fingerprint
from pipeline.networks import WEIGHTS, build_model, load_inpainter, save_network
from pipeline.params.read import load_section
from pipeline.params.training import Compute, LossParams, Network, TrainModel
from pipeline.stage import run_stage
from pipeline.store.paths import INDEX_TABLE, MODEL, inpainter
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.frames import TrainingFrames
from pipeline.training.loop import Training, iteration_rng, train
from pipeline.training.model_step import Batch, Frozen, model_loss
from pipeline.training.warm_up import ErrorTable, build_table, warm_up_loss

log = logging.getLogger("backdrop")
STAGE = "train_model"
TABLE, BATCH = 1, 2  # purposes of randomness, see `iteration_rng`


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
        if iteration < self.params.iterations_on_table:
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
    model = build_model(params)
    start_encoders(model, params)
    place(model, device)
    step = _prepare(model, params, network, compute, device)
    settings = {
        "network": network.model_dump(),
        "train_model": params.model_dump(),
        "compute": compute.result_keys(),
    }
    checkpoint = Checkpoint(
        STAGE, fingerprint("stages.train_model", settings, _inputs(params)), compute.resume
    )
    iterations = params.iterations_on_table + params.iterations
    training = Training(STAGE, model, step, iterations, params.learning_rate)
    train(training, compute, checkpoint)
    config = {
        "schema": "backdrop.model",
        "network": network.model_dump(),
        "train_model": params.model_dump(),
    }
    save_network(MODEL, model, config)
    checkpoint.remove()


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
    if params.proposals == "direct":
        log.info("direct regression: one box and no probabilities, so no warm-up")
    rng = iteration_rng(compute.seed, 0, TABLE)
    table = build_table(rgb, frames, flow, params, rng, device)
    frozen = Frozen(
        rgb,
        flow_network,
        table.rgb.spread,
        table.flow.spread if table.flow else 1.0,
        _distance(params.loss, device),
    )
    return ModelStep(
        model, frozen, frames, flow_frames, flow_ok, table, params, compute.seed, device
    )


def _distance(loss: LossParams, device: torch.device) -> ReconstructionLoss:
    features = None
    if loss.perceptual > 0:
        param = "train_model.loss.perceptual_encoder_weights"
        stages = pretrained(loss.perceptual_encoder, loss.perceptual_encoder_weights, param)
        features = PerceptualFeatures(stages)
    return ReconstructionLoss(loss.pixel, loss.perceptual, features).to(device)


def _inputs(params: TrainModel) -> list[Path]:
    """What stands for the data: the index, and the inpainters that were trained on all of it."""
    kinds = ["rgb", "flow"] if params.loss.flow > 0 else ["rgb"]
    networks = [inpainter(kind) / WEIGHTS for kind in kinds]
    return [INDEX_TABLE, *networks, *given_files(params)]


if __name__ == "__main__":
    run_stage(STAGE, main)
