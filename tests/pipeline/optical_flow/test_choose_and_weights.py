import io
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers_motion import texture
from safetensors.torch import save_file

from models.flow import raft
from models.flow.network import NetworkFlow
from models.flownet2 import VARIANTS
from models.flownet2.variants import FlowNet2SD
from models.torchvision_shim import WeightsUnavailable
from pipeline.errors import BackdropError
from pipeline.optical_flow.choose import available, choose_estimator
from pipeline.optical_flow.weights import build, read_weights, save_own
from pipeline.params.flow import ComputeFlow


def settings(backend, weights, device="cpu", preset="medium"):
    return ComputeFlow(backend=backend, weights=str(weights), device=device, dis_preset=preset)


BETTER = {"own": 1.0, "dis-medium": 2.0, "zero": 3.0}
WORSE = {"own": 2.5, "dis-medium": 2.0, "zero": 3.0}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "README.md").write_text("not weights")
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "._weights.pth").write_text("of a Mac's file system, not weights")
    return tmp_path


@pytest.fixture
def raft_small(test_data):
    return test_data / "weights" / "raft-small.pth"


def own(path, errors):
    torch.manual_seed(0)
    save_own(path, FlowNet2SD(width=0.05), errors)
    return path


def test_without_weights_auto_is_dis_and_says_why(folder):
    choice = choose_estimator(settings("auto", folder, "cpu", "fast"))
    assert (choice.backend, choice.name) == ("dis", "dis-fast")
    assert "no weights" in choice.reason
    assert choice.make().name == "dis-fast"


def test_asked_for_dis_needs_no_folder(folder):
    assert choose_estimator(settings("dis", folder / "none")).reason == "asked for"


def test_auto_takes_published_weights_by_content_not_by_name(folder, raft_small):
    (folder / "anything.pt").symlink_to(raft_small)
    choice = choose_estimator(settings("auto", folder, "cpu"))
    assert choice.backend == "raft_small"
    assert choice.name == "raft_small c7d41b9cc884"  # of the file's published hash
    assert "the best" in choice.reason


def test_frames_too_small_for_networks_go_to_dis_or_are_refused(folder, raft_small):
    choice = choose_estimator(settings("auto", raft_small, "cpu"), 56)
    assert choice.backend == "dis"
    assert "56 px" in choice.reason
    with pytest.raises(BackdropError, match=r"raft_small: needs frames of at least 64 px.*have 56"):
        choose_estimator(settings("raft_small", raft_small, "cpu"), 56)


def test_ones_own_network_is_taken_only_if_it_beat_dis(folder):
    own(folder / "own.safetensors", WORSE)
    refused = choose_estimator(settings("auto", folder, "cpu"))
    assert refused.backend == "dis"
    assert "does not pay" in refused.reason
    own(folder / "own.safetensors", BETTER)
    taken = choose_estimator(settings("auto", folder, "cpu"))
    assert taken.backend == "flownet2_sd"
    assert "beat DIS" in taken.reason


def test_ones_own_network_of_full_width_is_not_taken_for_the_published_one(folder, monkeypatch):
    monkeypatch.setattr("pipeline.usable_device.choose_device", lambda *_: "cuda")
    monkeypatch.setattr("pipeline.optical_flow.choose.PUBLISHED_WIDTH", 0.0625)
    torch.manual_seed(0)
    network = VARIANTS["flownet2_cs"](0.0625)
    save_own(folder / "own.safetensors", network, WORSE)
    assert choose_estimator(settings("auto", folder)).backend == "dis"
    torch.save(network.state_dict(), folder / "published.pth")
    assert choose_estimator(settings("auto", folder)).weights == folder / "published.pth"


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"held_out_epe": {}}'])
def test_the_notes_of_others_in_a_file_are_not_ours(folder, note):
    path = folder / "theirs.safetensors"
    save_file(FlowNet2SD(width=0.05).state_dict(), path, metadata={"backdrop": note})
    assert not read_weights(path).own


def test_a_named_file_that_is_missing_is_told_whatever_the_backend(folder):
    missing = folder / "raft.pth"
    for choose in (choose_estimator, available):
        with pytest.raises(BackdropError, match=r"raft\.pth: is missing"):
            choose(settings("auto", missing))


def test_a_saved_network_gives_the_flow_it_gave(folder):
    torch.manual_seed(0)
    network = FlowNet2SD(width=0.05).eval()
    save_own(folder / "own.safetensors", network, BETTER)
    first = (folder / "own.safetensors").read_bytes()
    save_own(folder / "own.safetensors", network, BETTER)
    assert (folder / "own.safetensors").read_bytes() == first
    weights = read_weights(folder / "own.safetensors")
    assert (weights.backend, weights.beats_dis) == ("flownet2_sd", True)
    images = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(build(weights)(*images), network(*images), atol=0.02)


def test_ones_own_network_is_known_under_any_name(folder):
    weights = read_weights(own(folder / "own.safetensors", BETTER).rename(folder / "renamed.pth"))
    assert (weights.own, weights.beats_dis) == (True, True)


@pytest.mark.parametrize("backend", ["flownet2", "flownet2_cs", "raft_large"])
def test_missing_weights_say_where_to_get_them(folder, raft_small, backend):
    with pytest.raises(BackdropError, match=r"no weights of.*(flownet2-pytorch|princeton-vl)"):
        choose_estimator(settings(backend, raft_small, "cpu"))


def test_without_a_network_torchvisions_weights_are_one_line(folder, monkeypatch):
    def offline(kind):
        raise WeightsUnavailable("no network")

    monkeypatch.setattr(raft, "download", offline)
    choice = choose_estimator(settings("raft_large", folder, "cpu"))
    with pytest.raises(BackdropError, match=r"raft_large.*cannot be downloaded \(no network\)"):
        choice.make()


def test_cuda_asked_for_where_there_is_none(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackdropError, match="no CUDA device"):
        choose_estimator(settings("raft_small", folder, "cuda"))


def test_all_that_can_run_is_listed(folder, raft_small):
    (folder / "a.pth").symlink_to(raft_small)
    own(folder / "own.safetensors", WORSE)
    assert [c.backend for c in available(settings("auto", folder))] == [
        "dis",
        "raft_small",
        "flownet2_sd",
    ]


class Code:
    """A pickle of it calls a function when it is loaded."""

    def __init__(self, function, argument):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


CODE = {
    "print": Code(print, "this must never be printed"),
    "system": Code(os.system, "echo this must never be printed"),
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
@pytest.mark.parametrize("form", ["bare", "bare, old", "zip", "before zip"])
def test_code_is_never_run(tmp_path, capfd, code, form):
    path = tmp_path / "code.pth"
    if form.startswith("bare"):
        path.write_bytes(pickle.dumps({"state_dict": code}, protocol=2 if "old" in form else 4))
    else:
        torch.save({"a": code}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(BackdropError, match=r"code\.pth: is .*pickle that would run code"):
        read_weights(path)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("old", [True, False])
def test_a_file_cut_anywhere_is_one_line(tmp_path, old):
    whole = io.BytesIO()
    state = {f"conv{i}.weight": torch.ones(3, 3) for i in range(4)}
    torch.save(state, whole, _use_new_zipfile_serialization=not old)
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole.getvalue()) - 1, 7):
        path.write_bytes(whole.getvalue()[:length])
        with pytest.raises(BackdropError, match=r"cut\.pth: is (damaged|a pickle)"):
            read_weights(path)


def bad_files(folder):
    whole = folder / "whole.pth"
    torch.save({"conv1.0.weight": torch.zeros(3)}, whole)
    (folder / "cut.pth").write_bytes(whole.read_bytes()[:300])
    (folder / "text.pth").write_text("404: not found")
    (folder / "empty.pth").write_bytes(b"")
    save_file({"x": torch.zeros(2)}, folder / "other.safetensors")
    (folder / "cut.safetensors").write_bytes((folder / "other.safetensors").read_bytes()[:9])
    torch.save({0: torch.zeros(2)}, folder / "numbered.pth")
    torch.save({"state_dict": {}}, folder / "nothing.pth")
    torch.save([1, 2, 3], folder / "list.pth")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("whole.pth", "not the weights of a FlowNet2"),
        ("cut.pth", "damaged or cut short"),
        ("numbered.pth", "holds no state dict"),
        ("text.pth", "damaged or cut short"),
        ("empty.pth", "damaged or cut short"),
        ("other.safetensors", "not the weights of a FlowNet2; .*unexpected: x"),
        ("cut.safetensors", "damaged or cut short"),
        ("nothing.pth", "holds no state dict"),
        ("list.pth", "holds no state dict"),
        ("none.pth", "is missing"),
    ],
)
def test_bad_files_are_one_line_each(tmp_path, capsys, name, told):
    bad_files(tmp_path)
    with pytest.raises(BackdropError, match=told) as caught:
        choose_estimator(settings("raft_small", tmp_path / name, "cpu"))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_weights_with_a_layer_missing_name_it(tmp_path, raft_small):
    state = torch.load(raft_small, map_location="cpu", weights_only=True)
    del state["module.update_block.flow_head.conv2.bias"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(BackdropError, match=r"less\.pth: .*flow_head"):
        build(read_weights(tmp_path / "less.pth"))


class Hungry(torch.nn.Module):
    """Runs out of memory above so many pairs, as a GPU does."""

    def __init__(self, most):
        super().__init__()
        self.most, self.seen = most, []

    def forward(self, target, source):
        if len(target) > self.most:
            raise torch.OutOfMemoryError
        self.seen.append(len(target))
        return (target - source)[:, :2]


def test_out_of_memory_halves_the_batch_says_so_and_goes_on(caplog):
    frames = np.stack([texture(64, 64, seed) for seed in range(7)])
    network = Hungry(2)
    estimator = NetworkFlow("hungry", network, torch.device("cpu"), batch=8)
    flow = estimator.estimate(frames, frames[::-1].copy())
    expected = (frames.astype(np.float32) - frames[::-1])[..., :2] / 255
    assert np.allclose(flow, expected, atol=1e-6)
    assert network.seen == [2, 2, 2, 1]
    assert "pairs at once from now: 4" in caplog.text
    assert "pairs at once from now: 2" in caplog.text


def test_threads_that_run_out_together_halve_once(caplog):
    frames = np.stack([texture(64, 64)] * 8)
    together = threading.Barrier(4)

    class Crowded(Hungry):
        def forward(self, target, source):
            if len(target) == 8:
                together.wait(timeout=30)
            return super().forward(target, source)

    estimator = NetworkFlow("crowded", Crowded(4), torch.device("cpu"), batch=8)
    with ThreadPoolExecutor(4) as pool:
        flows = list(pool.map(lambda _: estimator.estimate(frames, frames), range(4)))
    assert [len(flow) for flow in flows] == [8] * 4
    assert estimator.batch == 4
    assert len(caplog.records) == 1


def test_one_pair_too_large_is_told():
    frames = texture(64, 64)[None]
    estimator = NetworkFlow("hungry", Hungry(0), torch.device("cpu"), batch=2)
    with pytest.raises(Exception, match="one pair alone"):
        estimator.estimate(frames, frames)


class Shift(torch.nn.Module):
    """Finds that everything moved by as many px as the images are high."""

    def forward(self, target, source):
        self.seen = tuple(target.shape[2:])
        return torch.full((len(target), 2, *self.seen), float(self.seen[0]))


@pytest.mark.parametrize(("enlarge_to", "seen"), [(0, (64, 96)), (90, (64, 96)), (240, (160, 240))])
def test_small_frames_are_enlarged_and_the_flow_is_in_their_own_px(enlarge_to, seen):
    frames = np.stack([texture(64, 96)] * 2)
    network = Shift()
    cpu = torch.device("cpu")
    estimator = NetworkFlow("shift", network, cpu, batch=2, enlarge_to=enlarge_to)
    flow = estimator.estimate(frames, frames)
    assert network.seen == seen
    assert flow.shape == (2, 64, 96, 2)
    assert np.allclose(flow, 64.0)


def test_a_network_is_read_once_for_all_videos_and_anew_for_other_weights(folder):
    first = choose_estimator(settings("flownet2_sd", own(folder / "own.safetensors", BETTER)))
    assert first.make() is first.make()
    other = choose_estimator(settings("flownet2_sd", own(folder / "own.safetensors", WORSE)))
    assert other.make() is not first.make()
