"""Train an inpainting network (3.2, 3.4) from scratch on the user's own frames or flow images.

    python -m stages.train_inpainter rgb
    python -m stages.train_inpainter flow

With `train_inpainter.rgb.background: median | image` nothing is trained on frames: the background
is known (3.1) and takes the inpainter's place.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.inpainter import Inpainter
from pipeline.device import decisive, place, set_up
from pipeline.fingerprint import fingerprint
from pipeline.known_background import write_known_background
from pipeline.params.data import Stabilize
from pipeline.params.read import load_section
from pipeline.params.training import Compute, Network, RgbInpainter
from pipeline.params.training import Inpainter as InpainterParams
from pipeline.stage import run_stage
from pipeline.store.paths import inpainter
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.compiling import compile_networks
from pipeline.training.finish import finish
from pipeline.training.frames import Kind, TrainingFrames
from pipeline.training.inpainter_step import inpainter_step
from pipeline.training.loop import Training, iteration_rng, train
from pipeline.training_set import Part, verified

PART: Mapping[Kind, Part] = {"rgb": Part.FRAMES, "flow": Part.FLOW}


def main(kind: Kind) -> None:
    """Train the inpainter of `kind` and write its artifact."""
    compute = load_section(Compute, "compute")
    network_params = load_section(Network, "network")
    params = _load_params(kind)
    inputs = verified(PART[kind])
    if isinstance(params, RgbInpainter) and params.background != "inpainted":
        camera = load_section(Stabilize, "stabilize").camera
        write_known_background(params, network_params, camera)
        return
    device = set_up(compute)
    frames = TrainingFrames(kind, network_params, compute)
    usable = _usable(frames)
    network = place(Inpainter(params.channels), device)

    def draw(iteration: int) -> tuple[list[int], np.random.Generator]:
        rng = iteration_rng(compute.seed, iteration)
        return usable[rng.integers(0, len(usable), params.batch_size)].tolist(), rng

    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        chosen, rng = draw(iteration)
        images = frames.batch(chosen, device)
        frames.expect(draw(iteration + 1)[0])
        loss = inpainter_step(network, images, params, rng)
        return loss, {"hole_error": loss.detach()}

    stage = f"train_inpainter_{kind}"
    settings = {p.__class__.__name__: p.model_dump() for p in (network_params, params)}
    settings["compute"] = decisive(compute, device)
    checkpoint = Checkpoint(
        stage,
        fingerprint("stages.train_inpainter", settings, inputs),
        compute.resume,
    )
    compile_networks(compute.compile, network)
    training = Training(
        stage, network, step, params.iterations, params.learning_rate, params.optimisation
    )
    train(training, compute, checkpoint)
    config = {
        "schema": "backdrop.inpainter",
        "kind": kind,
        "channels": params.channels,
        "network": network_params.model_dump(),
    }
    finish(inpainter(kind), network, config, [PART[kind]], checkpoint)


def _usable(frames: TrainingFrames) -> NDArray[np.int64]:
    """Numbers of the frames to learn from: of flow those whose pair was stabilised, if any was."""
    everything = np.arange(len(frames))
    if frames.kind == "rgb":
        return everything
    stabilised = np.flatnonzero(frames.flow_ok().numpy())
    return stabilised if len(stabilised) else everything


def _load_params(kind: Kind) -> InpainterParams:
    if kind == "rgb":
        return load_section(RgbInpainter, "train_inpainter.rgb")
    return load_section(InpainterParams, "train_inpainter.flow")


if __name__ == "__main__":
    if sys.argv[1:] not in (["rgb"], ["flow"]):
        sys.exit("usage: python -m stages.train_inpainter rgb|flow")
    wanted = cast("Kind", sys.argv[1])
    run_stage(f"train_inpainter_{wanted}", lambda: main(wanted))
