"""Self-training, beyond the paper: a student learns from the labels that `make_labels` made.

    python -m stages.self_train

Reads frames and labels of the training videos; no ground truth. With `rounds` above one, a new
student then learns from the masks of the last one, labelled likewise. Writes the student to
`artifacts/student/network`, with which `predict_student` then predicts every video. With
`self_train.enabled: false` a note takes its place.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import torch
from torch import Tensor

from models.student import Student
from pipeline.device import decisive, place, set_up
from pipeline.encoder_files import AUTO
from pipeline.encoder_weights import pretrained
from pipeline.fingerprint import fingerprint
from pipeline.labelling import Labelling, model_labelling
from pipeline.networks import WEIGHTS
from pipeline.params.read import load_section
from pipeline.params.self_train import SelfTrain
from pipeline.params.training import Compute
from pipeline.self_training import switch_off, switch_on
from pipeline.stage import run_stage
from pipeline.store.paths import CURVES, LABELS, STUDENT_NETWORK, Source
from pipeline.student_predictions import Settings
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.curves import Curves, History
from pipeline.training.finish import finish
from pipeline.training.loop import Training, iteration_rng, train
from pipeline.training.pseudo_labels import PseudoLabels, input_size
from pipeline.training.relabelling import relabel
from pipeline.training.rounds import (
    ROUNDS,
    SCHEMA,
    keep_student,
    kept_student,
    named,
    round_folder,
)
from pipeline.training.student_step import student_loss
from pipeline.training_set import Part, verified
from pipeline.usable_device import choose_device

log = logging.getLogger("backdrop")
STAGE = "self_train"
OUTS = (STUDENT_NETWORK, CURVES / STAGE)
LEARNT_FROM = (Part.FRAMES, Part.FLOW, Part.LABELS)  # a later round's labels ask the flow, too
BATCH = 1  # purpose of randomness, see `iteration_rng`


def main() -> None:
    """Train the student, or note that it is off."""
    params = load_section(SelfTrain, "self_train")
    compute = load_section(Compute, "compute")
    if not params.enabled:
        log.info("self_train: off; the masks of refine_masks are the result")
        switch_all_off()
        return
    how = model_labelling(params)
    inputs = [*verified(*LEARNT_FROM), how.background / WEIGHTS, Source.MODEL.calibration_file]
    labels = PseudoLabels(input_size(params.longest_side), compute)
    if not labels.usable:  # a collapsed model: the report shall say so, not this stage
        log.warning("self_train: no training frame has a mask to learn from; it stays off")
        switch_all_off()
        return
    for folder in OUTS:
        switch_on(folder)
    train_in_rounds(params, compute, labels, how, inputs)


def switch_all_off() -> None:
    """A note in place of all that this stage writes."""
    for folder in OUTS:
        switch_off(folder)


def train_in_rounds(
    params: SelfTrain,
    compute: Compute,
    labels: PseudoLabels,
    how: Labelling,
    inputs: list[Path],
) -> None:
    """Train and write `artifacts/student/network`. `inputs` are what a checkpoint goes by.

    What earlier rounds made waits in `ROUNDS` until the last one is done.
    """
    device = torch.device(choose_device(compute.device, "compute.device"))
    settings = {
        "self_train": params.model_dump(),
        "compute": decisive(compute, device),
    }
    config = {
        "schema": SCHEMA,
        "channels": params.channels,
        "encoder": params.encoder,
        "size": list(labels.size),
    }
    earlier: History = []
    for number in range(1, params.rounds + 1):
        made_of = fingerprint("stages.self_train", {**settings, "round": number}, inputs)
        # Only the first round can be required to have begun: those after it begin here.
        resume = "auto" if number > 1 and compute.resume == "require" else compute.resume
        checkpoint = Checkpoint(STAGE, made_of, resume)
        log.info("self_train: round %d of %d", number, params.rounds)
        kept = None if resume == "never" else kept_student(number, made_of)
        student, history = kept or train_student(params, compute, labels, checkpoint, earlier)
        if number == params.rounds:
            break
        if kept is None:
            keep_student(number, student, history, config, made_of)
            checkpoint.remove()
        else:  # DVC has removed them, and this round may turn out to be the last
            Curves(STAGE, history).close()
        earlier = named(number, history)
        labels.release()
        folder = round_folder(number)
        relabel(Settings(compute, params.batch_size, folder), how, device.type)
        labels = PseudoLabels(labels.size, compute, folder / LABELS.name)
        if not labels.usable:
            log.warning("self_train: round %d masks nothing to learn from; it is the last", number)
            break
    finish(STUDENT_NETWORK, student, config, LEARNT_FROM, checkpoint)
    shutil.rmtree(ROUNDS, ignore_errors=True)


def train_student(
    params: SelfTrain,
    compute: Compute,
    labels: PseudoLabels,
    checkpoint: Checkpoint,
    earlier: History,
) -> tuple[Student, History]:
    """A student of one round, from the start or from the checkpoint; its curves after `earlier`."""
    device = set_up(compute)
    student = Student(params.channels, params.encoder == "imagenet")
    if params.encoder == "imagenet":
        start = pretrained("imagenet", AUTO, "self_train.encoder")
        student.encoder.load_state_dict(start.state_dict())
    place(student, device)
    log.info("self_train: %d frames, trusted %.2f on average", len(labels), labels.weights.mean())

    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        rng = iteration_rng(compute.seed, iteration, BATCH)
        stack = labels.draw(params.batch_size, rng, device)
        labels.expect(params.batch_size, iteration_rng(compute.seed, iteration + 1, BATCH))
        return student_loss(student, stack, params, rng)

    training = Training(
        STAGE, student, step, params.iterations, params.learning_rate, earlier=earlier
    )
    return student, train(training, compute, checkpoint)


if __name__ == "__main__":
    run_stage(STAGE, main)
