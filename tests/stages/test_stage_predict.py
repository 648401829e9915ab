from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project
from helpers_training import tiny_model, tiny_params, write_inpainter

from pipeline.errors import BackdropError
from pipeline.image_batches import fit
from pipeline.networks import save_network
from pipeline.store.hdf5 import PREDICTIONS as SCHEMA
from pipeline.store.hdf5 import open_artifact
from pipeline.store.paths import MODEL, PREDICTIONS, video_file
from stages import predict

NETWORK = {"height": 32, "width": 48}
PARAMS = tiny_params()


def write_networks():
    model = tiny_model(PARAMS).eval()
    config = {"schema": "backdrop.model", "network": NETWORK, "train_model": PARAMS.model_dump()}
    save_network(MODEL, model, config)
    return model, write_inpainter(**NETWORK)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    made = make_project(tmp_path, monkeypatch, videos=2, frames=5, height=48, width=64)
    made.set_params(predict={"batch_size": 2})
    return made


@pytest.mark.parametrize("looks", [1, 2])
def test_every_frame_gets_what_the_model_says_of_it_alone(project, looks):
    project.set_params(predict={"batch_size": 2, "looks": looks})
    model, background = write_networks()
    predict.main()
    for scene in project.scenes.values():
        with open_artifact(video_file(PREDICTIONS, scene.video), SCHEMA) as file:
            assert file["mask"].shape == (5, 48, 64)
            small = fit(scene.frames[3], 32, 48)
            image = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
            alone = model.predict(image, background, looks=looks)
            assert int(file["cell"][3]) == int(alone.cell)
            np.testing.assert_allclose(
                file["cell_probability"][3], alone.probability[0].numpy(), atol=1e-5
            )
            cx, cy, sx, sy = alone.box[0].tolist()
            expected = [(cx - sx / 2) * 64, (cy - sy / 2) * 48, sx * 64, sy * 48]
            np.testing.assert_allclose(file["boxes"][3], expected, atol=1e-3)
            assert float(file["confidence"][3]) == pytest.approx(float(alone.probability.max()))
            x, y, w, h = expected
            rows, columns = np.nonzero(file["mask"][3] > 8)
            assert columns.min() >= x - 4
            assert columns.max() <= x + w + 4
            assert rows.min() >= y - 4
            assert rows.max() <= y + h + 4


def test_videos_of_other_runs_are_removed_and_bytes_repeat(project):
    write_networks()
    predict.main()
    name = next(iter(project.scenes))
    first = video_file(PREDICTIONS, name).read_bytes()
    with h5py.File(video_file(PREDICTIONS, "gone"), "w"):
        pass
    predict.main()
    assert video_file(PREDICTIONS, name).read_bytes() == first
    assert not video_file(PREDICTIONS, "gone").exists()


def test_a_missing_model_is_named(project):
    with pytest.raises(BackdropError, match=r"model\.safetensors|config\.json"):
        predict.main()
