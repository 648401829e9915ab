from __future__ import annotations

import cv2
import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project

from pipeline.errors import BackdropError
from pipeline.flow_image import encode_flow
from pipeline.image_batches import fit
from pipeline.params.training import Compute, Network
from pipeline.store.paths import FLOW, video_file
from pipeline.training.frames import TrainingFrames
from pipeline.training_set import Part
from stages.training_set import main as record

NETWORK = Network(height=32, width=40)
CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path, monkeypatch):
    return make_project(tmp_path, monkeypatch, videos=["train", "val", "train_test"], frames=5)


def test_only_training_splits_are_read_in_order_and_resized(project):
    frames = TrainingFrames("rgb", NETWORK, Compute())
    scenes = [s for s in project.scenes.values() if s.split != "val"]
    assert len(frames) == 10
    assert frames.videos == [scene.video for scene in scenes]
    batch = frames.batch([0, 7], CPU)
    assert batch.shape == (2, 3, 32, 40)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for image, original in zip(batch, (scenes[0].frames[0], scenes[1].frames[2]), strict=True):
        wanted = cv2.resize(original, (40, 32), interpolation=cv2.INTER_AREA)
        assert np.array_equal((image.permute(1, 2, 0) * 255).round().byte().numpy(), wanted)


def test_from_disk_or_from_memory_is_the_same(project):
    for kind in ("rgb", "flow"):
        cached = TrainingFrames(kind, NETWORK, Compute()).batch([1, 8, 3], CPU)
        read = TrainingFrames(kind, NETWORK, Compute(cache_mib=0)).batch([1, 8, 3], CPU)
        assert torch.equal(cached, read)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_keeps_the_frames_and_gives_the_same(project):
    frames = TrainingFrames("rgb", NETWORK, Compute())
    on_cpu = frames.batch([1, 8, 3], CPU)
    on_gpu = frames.batch([1, 8, 3], torch.device("cuda"))
    assert frames.store.cached.images.is_cuda
    assert on_gpu.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(on_gpu.cpu(), on_cpu)


def test_flow_images_are_the_documented_encoding(project):
    frames = TrainingFrames("flow", Network(height=48, width=64), Compute())
    with h5py.File(video_file(FLOW, frames.videos[0])) as file:
        expected = encode_flow(file["flow"][2], float(file.attrs["scale_px"]))
        size = expected.shape[:2]
    assert size == (48, 64)
    image = frames.batch([2], CPU)[0].permute(1, 2, 0).numpy()
    assert np.abs(image - expected).max() <= 0.5 / 255 + 1e-6


def test_failed_pairs_are_known(project):
    first = next(s.video for s in project.scenes.values() if s.split == "train")
    with h5py.File(video_file(FLOW, first), "r+") as file:
        file["ok"][3] = False
    ok = TrainingFrames("flow", NETWORK, Compute()).flow_ok()
    assert ok.tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]


def test_no_training_video_is_an_error_in_words(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, videos=["val"], frames=3)
    with pytest.raises(BackdropError, match=r"training_set/frames\.json: is missing.*dvc repro"):
        TrainingFrames("rgb", NETWORK, Compute())
    with pytest.raises(BackdropError, match=r"prepare_data\.splits.*no video is in split 'train'"):
        record(Part.FRAMES)


@pytest.mark.parametrize(("height", "width"), [(3, 20), (20, 3), (3, 3)])
def test_an_axis_that_shrinks_is_averaged_whatever_the_other_does(height, width):
    """To a quarter: between the middle two px alone, stripes would be white or black."""
    stripes = np.tile([0, 255, 255, 0], 3)
    across = (height, width) == (20, 3)
    plane = np.tile(stripes, (12, 1)) if across else np.tile(stripes[:, None], (1, 12))
    image = np.repeat(plane[..., None], 3, axis=2).astype(np.uint8)
    assert np.abs(fit(image, height, width).astype(int) - 127).max() <= 2
    assert (fit(image, 12, 12) == image).all()
