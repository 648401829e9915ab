"""RAFT-large and every FlowNet2, from files as published (with random weights), over a clip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_motion import texture, write_videos

from models.flow.raft import RaftNetwork
from models.flow.raft_names import original_name
from models.flownet2 import VARIANTS
from pipeline.frames import FrameReader
from pipeline.optical_flow.choose import choose_estimator
from pipeline.optical_flow.stream import FlowStream, StabilisedPair
from pipeline.params.flow import ComputeFlow
from pipeline.store import paths

SIZE = (128, 128)  # neither network pads it


@pytest.fixture(autouse=True)
def _clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wall = texture(SIZE[0], SIZE[1] + 12)
    write_videos({"a": np.stack([wall[:, 4 * t : 4 * t + SIZE[1]] for t in range(3)])})


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def flows(backend, weights):
    """Of the clip's pairs, none of them warped: frames (H, W, 3), flow (H, W, 2), confidence."""
    settings = ComputeFlow(
        backend=backend, weights=str(weights), device="cpu", enlarge_to=0, change_levels=0.0
    )
    choice = choose_estimator(settings)
    assert choice.name.startswith(f"{backend} ")
    with FrameReader(paths.video_file(paths.FRAMES, "a")) as reader:
        pairs = [StabilisedPair(t, t + 1, np.eye(3), None) for t in range(2)]
        results = list(FlowStream(reader, choice, threads=2).flows(pairs))
        frames = [reader.read(t) for t in range(3)]
    assert [result.target for result in results] == [0, 1]
    assert all(result.confidence.shape == SIZE for result in results)
    return frames, [result.flow for result in results]


def test_raft_large_under_its_original_names_gives_torchvisions_flow():
    torch.manual_seed(0)
    network = RaftNetwork("raft_large").raft.eval()
    state = {
        f"module.{original_name(name, small=False)}": value
        for name, value in network.state_dict().items()
    }
    torch.save(state, "raft-things.pth")
    frames, found = flows("raft_large", Path("raft-things.pth"))
    with torch.inference_mode():
        target, source = (2 * tensor(frames[t]) - 1 for t in (0, 1))
        expected = network(target, source, num_flow_updates=12)[-1][0].permute(1, 2, 0).numpy()
    assert np.abs(expected).max() > 0.1
    assert np.abs(found[0] - expected).max() < 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("variant", VARIANTS)
def test_flownet2_from_a_checkpoint_as_published(variant):
    torch.manual_seed(0)
    network = VARIANTS[variant](0.0625).eval()
    for parameter in network.parameters():  # new heads say that nothing moves
        torch.nn.init.normal_(parameter, std=0.05)
    checkpoint = {"arch": "FlowNet2", "epoch": 7, "state_dict": network.state_dict()}
    torch.save(checkpoint | {"best_EPE": 2.0}, "checkpoint.pth.tar")
    frames, found = flows(variant, Path("checkpoint.pth.tar"))
    with torch.inference_mode():
        expected = network(tensor(frames[1]), tensor(frames[2]))[0].permute(1, 2, 0).numpy()
    assert np.abs(expected).max() > 0
    assert np.abs(found[1] - expected).max() < 0.01 * np.abs(expected).max()
