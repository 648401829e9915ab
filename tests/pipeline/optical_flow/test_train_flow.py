"""`backdrop train-flow` on two tiny videos."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers_video import cut_file, texture, write_video
from pydantic import ValidationError

from models.flow.loss import FINEST_WEIGHT, multi_scale_epe
from pipeline.errors import BackdropError
from pipeline.optical_flow.training import command
from pipeline.optical_flow.training.pairs import synthesise
from pipeline.optical_flow.training.textures import held_out_videos, read_textures, videos_for
from pipeline.optical_flow.weights import read_weights
from pipeline.params.flow import TrainFlow
from pipeline.store.paths import CHECKPOINTS, VIDEOS_TABLE
from pipeline.store.tables import VIDEOS, write_table

PARAMS = {
    "train_flow": {
        "variant": "flownet2_sd",
        "width": 0.05,
        "iterations": 12,
        "batch_size": 2,
        "crop_height": 64,
        "crop_width": 64,
        "longest_side": 96,
        "frames_per_video": 3,
    },
    "compute": {"threads": 1, "checkpoint_every": 5, "device": "cpu"},
}


def project(splits=("train", "val"), variant="flownet2_sd"):
    rows = []
    for number, split in enumerate(splits):
        images = [np.roll(texture(72, 96, seed=number), 2 * t, axis=1) for t in range(6)]
        path = write_video(VIDEOS_TABLE.parents[2] / f"clip_{number}.mp4", images)
        row = {"video": f"clip_{number}", "path": str(path), "masks": "", "split": split}
        rows.append({**row, "sha256": str(number), "frames": 6, "fps": 25.0})
        rows[-1].update(width=96, height=72)
    write_table(VIDEOS_TABLE, rows, VIDEOS)
    params = {**PARAMS, "train_flow": {**PARAMS["train_flow"], "variant": variant}}
    Path("params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "COMPARED_ON", 4)
    project()


def test_textures_are_spread_over_the_videos_of_the_split():
    textures = read_textures(videos_for(("train",)), 3, 96)
    assert [image.shape for image in textures] == [(72, 96, 3)] * 3
    shifts = [np.abs(np.roll(textures[0], s, 1).astype(int) - textures[1]).mean() for s in range(9)]
    assert int(np.argmin(shifts)) == 4  # frame 0 and frame 2, two px a frame
    assert len(read_textures(videos_for(("train", "val")), 100, 96)) == 12


@pytest.mark.parametrize(
    ("splits", "compared_on"),
    [
        (("train", "test", "val", "val"), ["clip_2", "clip_3"]),
        (("train", "test", "test_unseen"), ["clip_1", "clip_2"]),
        (("train", "train_test"), []),
    ],
)
def test_test_videos_choose_no_flow_where_there_is_validation(splits, compared_on):
    project(splits=splits)
    assert list(held_out_videos()["video"]) == compared_on


@pytest.mark.parametrize("variant", ["flownet2_sd", "dis_corrected"])
def test_weights_are_found_again_with_what_they_reached(tmp_path, variant):
    project(variant=variant)
    to = tmp_path / "weights" / "own.safetensors"
    errors = command.train_flow(to, force=False)
    assert set(errors) == {"own", "dis-medium", "zero"}
    assert errors["zero"] > 0.5
    assert errors["dis-medium"] < errors["zero"]
    weights = read_weights(to)
    assert weights.backend == variant
    assert weights.beats_dis == (errors["own"] == min(errors.values()))
    assert not list(CHECKPOINTS.glob("*"))
    with pytest.raises(BackdropError, match=r"own\.safetensors: is there already"):
        command.train_flow(to, force=False)


def test_an_interrupted_training_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    command.train_flow(tmp_path / "whole.safetensors", force=False)
    real = command.to_tensors
    calls = []

    def dying(pairs, device):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(pairs, device)

    monkeypatch.setattr(command, "to_tensors", dying)
    with pytest.raises(KeyboardInterrupt):
        command.train_flow(tmp_path / "resumed.safetensors", force=False)
    command.train_flow(tmp_path / "resumed.safetensors", force=False)
    assert len(calls) == 9 + 12 - 5  # it went on after the checkpoint at 5
    whole, resumed = (tmp_path / f"{name}.safetensors" for name in ("whole", "resumed"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_without_held_out_videos_nothing_is_compared_and_nothing_claimed(tmp_path, caplog):
    project(splits=("train_test",))
    assert command.train_flow(tmp_path / "own.safetensors", force=False) == {}
    assert not read_weights(tmp_path / "own.safetensors").beats_dis
    assert "no video has the split val or test or test_unseen" in caplog.text


def test_a_damaged_held_out_video_is_told_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "train", lambda *_: pytest.fail("it was trained first"))
    cut_file(VIDEOS_TABLE.parents[2] / "clip_1.mp4", 0.5)
    with pytest.raises(BackdropError, match=r"clip_1\.mp4: is "):
        command.train_flow(tmp_path / "own.safetensors", force=False)


def test_without_training_videos_it_says_so(tmp_path):
    project(splits=("val",))
    with pytest.raises(BackdropError, match="no video to train on"):
        command.train_flow(tmp_path / "own.safetensors", force=False)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("file/own.safetensors", "cannot be written (Not a directory) — a file stands where"),
        ("folder.safetensors", "cannot be written (Is a directory) — that is a folder"),
    ],
)
def test_where_it_cannot_write_it_says_so_before_the_training(
    tmp_path, monkeypatch, name, told, force
):
    def never(*_):
        pytest.fail("it was trained first")

    monkeypatch.setattr(command, "train", never)
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(BackdropError) as refused:
        command.train_flow(tmp_path / name, force)
    assert str(refused.value).startswith(f"{tmp_path / name}: {told}")


def test_in_a_fresh_clone_it_names_the_one_stage_that_it_needs(tmp_path):
    VIDEOS_TABLE.unlink()
    with pytest.raises(BackdropError, match="is missing — run `dvc repro prepare_data` to make it"):
        command.train_flow(tmp_path / "own.safetensors", force=False)


def test_motion_has_a_limit_up_to_which_pairs_can_be_made():
    with pytest.raises(ValidationError, match="motion_px"):
        TrainFlow(motion_px=1001.0)
    most = TrainFlow(motion_px=1000.0).motion_px
    pair = synthesise([texture(72, 96)] * 2, np.random.default_rng(0), 64, 64, most)
    assert np.isfinite(pair.flow).all()


def test_the_loss_is_the_weighted_sum_of_endpoint_errors():
    generator = torch.Generator().manual_seed(0)
    flow = torch.randn(2, 2, 64, 64, generator=generator)
    pyramid = [torch.randn(2, 2, 64 // n, 64 // n, generator=generator) for n in (4, 8, 16)]
    expected = 0.0
    for level, predicted in enumerate(pyramid):
        n = 64 // predicted.shape[-1]
        truth = flow.reshape(2, 2, 64 // n, n, 64 // n, n).mean((3, 5))
        errors = [
            float(np.hypot(*(predicted[b, :, y, x] - truth[b, :, y, x]).tolist()))
            for b in range(2)
            for y in range(64 // n)
            for x in range(64 // n)
        ]
        expected += FINEST_WEIGHT / 2**level * np.mean(errors)
    assert multi_scale_epe(pyramid, flow).item() == pytest.approx(expected, rel=1e-4)
    perfect = [torch.nn.functional.avg_pool2d(flow, n) for n in (4, 8)]
    assert multi_scale_epe(perfect, flow).item() < 1e-3


def test_an_exact_prediction_has_a_gradient_that_is_a_number():
    flow = torch.ones(1, 2, 8, 8)
    predicted = flow.clone().requires_grad_()
    multi_scale_epe([predicted], flow).backward()
    assert (predicted.grad == 0).all()
