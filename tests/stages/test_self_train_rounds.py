"""Rounds of self-training: whose masks a round learns from, and how an interrupted one goes on."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable

import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project
from helpers_labels import label_all, write_label
from helpers_records import CALIBRATION, record_training_set
from helpers_training import recorded_batches, write_inpainter

from models.crf import CrfSetting, refine
from models.flow_evidence import with_flow
from pipeline.frames import open_frames
from pipeline.networks import load_student
from pipeline.store import paths
from pipeline.store.paths import STUDENT_NETWORK
from pipeline.student_predictions import soft_masks
from pipeline.training import image_store
from pipeline.training.kept_images import KeptImages
from pipeline.training.rounds import ROUNDS
from stages import self_train

ITERATIONS = 25
TINY = {
    "enabled": True,
    "iterations": ITERATIONS,
    "batch_size": 4,
    "channels": 4,
    "encoder": "none",
    "learning_rate": 0.01,
}


@pytest.fixture
def run(tmp_path, monkeypatch) -> Callable[..., None]:
    project = make_project(tmp_path, monkeypatch, ["train", "test"], frames=4, calibrated=True)
    label_all(project)
    scene = project.scenes["clip_0"]
    write_label(scene, mask=np.roll(scene.truth, 6, axis=1).astype(np.uint8) * 255)
    record_training_set()
    write_inpainter(32, 48)
    monkeypatch.setenv("BACKDROP_WORKERS", "1")

    def run_with(compute: dict[str, object] | None = None, **params: object) -> None:
        compute = {"threads": 1, "checkpoint_every": 1, **(compute or {})}
        project.set_params(self_train={**TINY, **params}, compute=compute)
        self_train.main()

    return run_with


@pytest.fixture
def stacks(monkeypatch) -> list[torch.Tensor]:
    return recorded_batches(monkeypatch, self_train, "student_loss")


def results() -> dict[str, bytes]:
    """Of the network and the curves, by file."""
    files = (path for out in self_train.OUTS for path in out.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def curve(name: str) -> list[str]:
    return (self_train.OUTS[1] / f"plots/metrics/{name}.tsv").read_text().splitlines()[1:]


def interrupt_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kill would: without saving the iteration at hand."""
    step, left = self_train.student_loss, iter(range(steps))

    def stopped(*arguments: object) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(self_train, "student_loss", stopped)


@pytest.mark.parametrize("flow", [True, False])
def test_the_second_round_learns_from_the_first_students_refined_masks(run, stacks, flow) -> None:
    """Against masks made here, by the student that one round alone ends with."""
    run(rounds=1, flow_in_labels=flow)
    student, _ = load_student(STUDENT_NETWORK)
    with open_frames("clip_0") as frames:
        images = np.stack([frames.read(number) for number in range(frames.count)])
    soft = np.rint(255 * soft_masks(student, images, torch.device("cpu"))) / np.float32(255)
    if flow:
        with h5py.File(paths.video_file(paths.FLOW, "clip_0")) as file:
            speed, scale = np.linalg.norm(file["flow"][:], axis=-1), float(file.attrs["scale_px"])
        valid = np.ones(speed.shape[1:], bool)
        soft = [with_flow(*pair, valid, scale) for pair in zip(soft, speed, strict=True)]
    setting = CrfSetting(**CALIBRATION["crf"])
    iterations = CALIBRATION["iterations"]
    made = [refine(s, i, 0.5, setting, iterations) > 0.5 for s, i in zip(soft, images, strict=True)]
    assert all(0.001 < mask.mean() < 0.9 for mask in made)
    stacks.clear()
    run(rounds=2, flow_in_labels=flow)
    rounds = torch.cat(stacks)[:, [0, 3]].chunk(2)
    assert len(rounds[0]) == len(rounds[1]) == 4 * ITERATIONS
    reds = [torch.from_numpy(image[..., 0] / np.float32(255)) for image in images]

    def learnt_from(red: torch.Tensor) -> np.ndarray:
        (number,) = [n for n, one in enumerate(reds) if torch.allclose(red, one, atol=0.01)]
        return made[number]

    for red, mask in rounds[1]:
        assert np.array_equal(mask > 0.5, learnt_from(red))
    assert not all(np.array_equal(mask > 0.5, learnt_from(red)) for red, mask in rounds[0])


def test_labels_of_one_round_alone_are_in_memory(run, monkeypatch) -> None:
    """`compute.cache_mib` is what they may take, in whatever round."""
    kept, most = weakref.WeakSet(), []

    class Counted(KeptImages):
        def __init__(self, images: np.ndarray) -> None:
            super().__init__(images)
            kept.add(self)
            most.append(len(kept))

    monkeypatch.setattr(image_store, "KeptImages", Counted)
    run(rounds=3)
    assert most == [1, 1, 1]


def test_interrupted_in_the_second_round_it_goes_on_there(run, monkeypatch) -> None:
    run(rounds=2)
    whole = results()
    assert not ROUNDS.exists()
    with monkeypatch.context() as patch:
        interrupt_after(ITERATIONS + 5, patch)
        with pytest.raises(KeyboardInterrupt):
            run(rounds=2)
    seen = recorded_batches(monkeypatch, self_train, "student_loss")
    run(rounds=2, compute={"resume": "require"})
    assert len(seen) == ITERATIONS - 5
    assert results() == whole
    assert not ROUNDS.exists()


@pytest.mark.parametrize(
    "changed", [{"seed": 1}, pytest.param({"resume": "never"}, marks=pytest.mark.slow)]
)
def test_other_params_take_nothing_from_an_interrupted_run(run, monkeypatch, changed) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(ITERATIONS + 5, patch)
        with pytest.raises(KeyboardInterrupt):
            run(rounds=2)
    seen = recorded_batches(monkeypatch, self_train, "student_loss")
    run(rounds=2, compute=changed)
    assert len(seen) == 2 * ITERATIONS


def test_a_student_that_masks_nothing_is_the_last(run, stacks, monkeypatch, caplog) -> None:
    monkeypatch.setattr(self_train, "relabel", to_nothing(self_train.relabel))
    run(rounds=3)
    assert len(stacks) == ITERATIONS
    assert "round 1 masks nothing to learn from; it is the last" in caplog.text
    load_student(STUDENT_NETWORK)


def test_the_curves_of_the_rounds_before_stand_beside_the_last_ones(run) -> None:
    run(rounds=1)
    first = curve("loss")
    run(rounds=2)
    assert len(first) == ITERATIONS
    assert curve("round_1/loss") == first
    assert len(curve("loss")) == ITERATIONS
    assert curve("loss") != first


def test_interrupted_before_it_knows_that_a_round_is_the_last_it_still_has_curves(
    run, monkeypatch
) -> None:
    """DVC removes a stage's outputs before it runs it again, and takes none that are missing."""
    with monkeypatch.context() as patch:
        patch.setattr(self_train, "relabel", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(rounds=2)
    before = curve("loss")
    shutil.rmtree(self_train.OUTS[1])
    monkeypatch.setattr(self_train, "relabel", to_nothing(self_train.relabel))
    run(rounds=2)
    assert curve("loss") == before


def interrupt(*_arguments: object) -> None:
    raise KeyboardInterrupt


def to_nothing(relabel: Callable[..., None]) -> Callable[..., None]:
    """A first student that masks nothing."""

    def relabelled(*arguments: object) -> None:
        relabel(*arguments)
        with h5py.File(ROUNDS / "1" / paths.LABELS.name / "clip_0.h5", "r+") as file:
            file["weight"][:] = 0

    return relabelled
