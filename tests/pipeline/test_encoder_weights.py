"""Where an encoder's weights come from; and that a trained model needs none of these files."""

from __future__ import annotations

import argparse
import pickle

import pytest
import torch
from helpers_training import tiny_params
from safetensors.torch import save_file

from models import resnet
from models.backbones import make_stages
from pipeline import encoder_weights
from pipeline.encoder_files import given_files
from pipeline.encoder_weights import first_weights, pretrained, start_encoders
from pipeline.errors import BackdropError
from pipeline.networks import build_model, load_model, save_network

PARAM = "train_model.encoder_weights"


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights" / "encoder").mkdir(parents=True)


@pytest.fixture
def file():
    """A ResNet-18 with torchvision's names."""
    torch.manual_seed(0)
    path = encoder_weights.ENCODER_WEIGHTS / "net.pth"
    with path.open("wb") as out:
        torch.save(make_stages("resnet18").state_dict(), out)
    return path


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


def test_imagenet_weights_come_with_a_package_and_do_not_depend_on_the_seed():
    torch.manual_seed(0)
    first = pretrained("imagenet", "auto", PARAM).state_dict()
    torch.manual_seed(1)
    assert same(first, pretrained("imagenet", "auto", PARAM).state_dict())
    assert not same(first, make_stages("imagenet").state_dict())


def test_a_file_is_read_in_either_format(file, caplog):
    state = torch.load(file, weights_only=True)
    other = file.with_suffix(".safetensors")
    save_file(state, other)
    for path in (file, other):
        loaded = pretrained("resnet18", str(path), PARAM).state_dict()
        assert same(loaded, state)
    assert not caplog.text


def test_a_whole_checkpoint_of_dino_with_its_command_line_is_read(file):
    state = make_stages("resnet50").state_dict()
    teacher = {f"backbone.{name}": value for name, value in state.items()}
    asked = argparse.Namespace(arch="resnet50", lr=0.03, saveckp_freq=20)
    path = file.with_name("dino.pth")
    torch.save({"student": {}, "teacher": teacher, "args": asked, "epoch": 300}, path)
    assert same(pretrained("resnet50", str(path), PARAM).state_dict(), state)


def test_a_file_elsewhere_is_taken_with_a_warning(file, tmp_path, caplog):
    elsewhere = file.rename(tmp_path / "net.pth")
    pretrained("resnet18", str(elsewhere), PARAM)
    assert "DVC notices a changed file only in weights/encoder/" in caplog.text


def test_detector_and_synthesis_start_alike_and_train_apart(file):
    params = tiny_params(encoder="resnet18", encoder_weights=str(file))
    model = build_model(params)
    start_encoders(model, first_weights(params))
    ours, theirs = model.detector.trunk.stages, model.synthesis.encoder.stages
    assert same(ours.state_dict(), torch.load(file, weights_only=True))
    assert same(ours.state_dict(), theirs.state_dict())
    assert ours.conv1.weight.data_ptr() != theirs.conv1.weight.data_ptr()
    assert given_files(params) == {file: PARAM}


def test_random_weights_stay_as_they_are():
    params = tiny_params(encoder="imagenet", encoder_weights="random")
    torch.manual_seed(0)
    expected = build_model(params).state_dict()
    torch.manual_seed(0)
    model = build_model(params)
    start_encoders(model, first_weights(params))
    assert same(model.state_dict(), expected)
    assert given_files(params) == {}


def test_a_trained_model_is_loaded_without_the_file_it_started_from(file, tmp_path, monkeypatch):
    params = tiny_params(encoder="resnet18", encoder_weights=str(file))
    model = build_model(params)
    start_encoders(model, first_weights(params))
    network = {"height": 32, "width": 48}
    config = {"schema": "backdrop.model", "network": network, "train_model": params.model_dump()}
    save_network(tmp_path / "model", model.eval(), config)
    file.unlink()
    monkeypatch.setattr(resnet, "download", lambda kind: pytest.fail("asked for a download"))
    loaded, _ = load_model(tmp_path / "model")
    image = torch.rand(1, 3, 32, 48)
    assert torch.equal(loaded.detector(image).boxes, model.detector(image).boxes)


def test_a_model_of_other_params_is_told_in_a_line(tmp_path):
    config = {"schema": "backdrop.model", "network": {}, "train_model": {"encodre": "none"}}
    save_network(tmp_path, torch.nn.Linear(1, 1), config)
    with pytest.raises(BackdropError, match=r"config\.json: is of another version.*dvc repro"):
        load_model(tmp_path)


def test_without_a_network_the_address_and_what_to_do_are_told(monkeypatch):
    def offline(*_args, **_kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(
        BackdropError,
        match=r"^train_model\.encoder_weights: ImageNet weights of resnet18: cannot fetch https://"
        r"download\.pytorch\.org/\S+resnet18\S+ .*put it into weights/encoder/ and name it here$",
    ):
        pretrained("resnet18", "auto", PARAM)


def test_files_that_cannot_be_used_are_told_in_a_line(file):
    whole = file.read_bytes()
    cut, code, other = (file.with_name(f"{name}.pth") for name in ("cut", "code", "other"))
    cut.write_bytes(whole[: len(whole) // 2])
    code.write_bytes(pickle.dumps({"lemniscate": test_random_weights_stay_as_they_are}))
    torch.save([1, 2], other)
    for path, told in (
        ("none.pth", r"^train_model\.encoder_weights: there is no file 'none\.pth'"),
        (cut, r"cut\.pth: is damaged or cut short"),
        (code, r"code\.pth: is .*pickle that would run code.*state_dict alone"),
        (other, r"other\.pth: holds no state dict"),
    ):
        with pytest.raises(BackdropError, match=told):
            pretrained("resnet18", str(path), PARAM)
    with pytest.raises(BackdropError, match=r"net\.pth: does not fit resnet50: .*conv1\.weight"):
        pretrained("resnet50", str(file), PARAM)


def test_weights_without_an_encoder_are_refused():
    with pytest.raises(ValueError, match="need an encoder"):
        tiny_params(encoder_weights="a.pth")
