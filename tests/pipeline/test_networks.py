from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers_training import tiny_model, tiny_params

from models.inpainter import Inpainter
from pipeline.errors import BackdropError
from pipeline.inpainting import FrameInpainter
from pipeline.inspection import describe
from pipeline.networks import load_inpainter, load_model, load_student, save_network

NETWORK = {"height": 32, "width": 48}
CONFIG = {"schema": "backdrop.inpainter", "kind": "rgb", "channels": 4, "network": NETWORK}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_network(tmp_path, Inpainter(4), CONFIG)
    return tmp_path


def test_inpainter_comes_back_frozen_and_the_same(folder):
    torch.manual_seed(0)
    original = Inpainter(4).eval()
    loaded, size = load_inpainter(folder)
    assert (size.height, size.width) == (32, 48)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    image, hole = torch.rand(1, 3, 32, 48), torch.ones(1, 1, 32, 48)
    assert torch.equal(loaded(image, hole), original(image, hole))


def test_model_comes_back_with_its_params(tmp_path):
    params = tiny_params()
    model = tiny_model(params).eval()
    config = {"schema": "backdrop.model", "network": NETWORK, "train_model": params.model_dump()}
    save_network(tmp_path, model, config)
    loaded, _ = load_model(tmp_path)
    image = torch.rand(2, 3, 32, 48)
    assert torch.equal(loaded.detector(image).boxes, model.detector(image).boxes)


def test_saving_twice_gives_the_same_bytes(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    torch.manual_seed(0)
    save_network(other, Inpainter(4), CONFIG)
    for name in ("model.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_cut_short_missing_or_other_weights_are_named(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackdropError, match=r"model\.safetensors: does not hold"):
        load_inpainter(folder)
    weights.unlink()
    with pytest.raises(BackdropError, match="is missing"):
        load_inpainter(folder)
    save_network(folder, Inpainter(8), CONFIG)
    with pytest.raises(BackdropError, match="does not hold this network's weights"):
        load_inpainter(folder)


def test_another_schema_is_refused_by_name(folder):
    with pytest.raises(
        BackdropError, match=r"'backdrop\.inpainter v2', expected 'backdrop\.model v2'"
    ):
        load_model(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "schema_version": 9}))
    with pytest.raises(BackdropError, match="v9"):
        load_inpainter(folder)


@pytest.mark.parametrize("text", ["[]", "null", "3"])
def test_a_config_that_is_no_mapping_is_a_line(folder, text):
    (folder / "config.json").write_text(text)
    for load in (load_inpainter, load_model, load_student):
        with pytest.raises(BackdropError, match=r"config\.json: is damaged"):
            load(folder)
    with pytest.raises(BackdropError, match=r"config\.json: holds 'no schema'"):
        describe(folder)


@pytest.mark.parametrize(
    ("load", "schema"),
    [
        (load_inpainter, "backdrop.inpainter"),
        (load_inpainter, "backdrop.known_background"),
        (load_model, "backdrop.model"),
        (load_student, "backdrop.student"),
    ],
)
@pytest.mark.parametrize("rest", [{}, {"network": NETWORK, "channels": None, "size": 3}])
def test_a_config_without_what_it_should_hold_is_a_line(folder, load, schema, rest):
    config = {"schema": schema, "schema_version": 2, **rest}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackdropError, match=r"config\.json: is damaged"):
        load(folder)


def test_frame_inpainter_changes_only_the_hole(folder):
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    filled = FrameInpainter(folder)(image, np.array([40.0, 20.0, 20.0, 30.0]))
    changed = (filled != image).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert rows.min() >= 18  # 1.1 times the box: 1.5 px more at top and bottom, 1 px at the sides
    assert rows.max() <= 51
    assert columns.min() >= 39
    assert columns.max() <= 60
