"""What the stage `compute_flow` refuses: one line each, and no artifact is left."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_flow import one_after_the_other, scene, write_homographies
from helpers_motion import write_videos

from models.flow.estimator import OutOfMemoryError
from models.flownet2.variants import FlowNet2SD
from pipeline import fanout
from pipeline.errors import BackdropError
from pipeline.optical_flow.weights import save_own
from pipeline.store import paths
from pipeline.store.tables import read_table, write_table
from stages import compute_flow


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fanout, "run_jobs", one_after_the_other)


def test_homographies_of_other_frames_are_refused():
    write_videos({"a": scene(), "b": scene()[:4]})
    write_homographies(["a", "b"])
    with pytest.raises(BackdropError, match=r"homographies\.parquet: .*6 frames of 'b'.*has 4"):
        compute_flow.main()
    write_homographies(["a"])
    with pytest.raises(BackdropError, match=r"has homographies for 0 frames of 'b'"):
        compute_flow.main()
    assert not paths.FLOW.exists()


def test_a_table_cut_short_is_named():
    write_videos({"a": scene()})
    write_homographies(["a"])
    whole = paths.HOMOGRAPHIES_TABLE.read_bytes()
    paths.HOMOGRAPHIES_TABLE.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackdropError, match=r"homographies\.parquet: is damaged or cut short"):
        compute_flow.main()


def test_damaged_frames_are_named_and_nothing_is_half_written():
    write_videos({"a": scene()})
    write_homographies(["a"])
    file = paths.video_file(paths.FRAMES, "a")
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(BackdropError, match=r"a\.h5: is damaged or cut short"):
        compute_flow.main()
    assert not list(paths.FLOW.glob("*"))


def test_frames_that_are_not_those_of_the_index_are_refused():
    write_videos({"a": scene()})
    write_homographies(["a"])
    index = read_table(paths.INDEX_TABLE, compute_flow.INDEX)
    write_videos({"a": scene()[:5]})
    write_table(paths.INDEX_TABLE, index.to_dict("records"), compute_flow.INDEX)
    with pytest.raises(BackdropError, match=r"a\.h5: holds 5 frames, .*index\.parquet lists 6"):
        compute_flow.main()


def refused_with(monkeypatch, estimate, line):
    """The error of the stage on one video whose estimator does `estimate(targets)`."""

    class StandIn:
        name, batch = "stand-in", 1

        def estimate(self, targets, sources, parts=None, *, as_check=False):
            return estimate(targets)

    monkeypatch.setattr(compute_flow.Choice, "make", lambda self: StandIn())
    write_videos({"a": scene()})
    write_homographies(["a"])
    with pytest.raises(BackdropError, match=line) as told:
        compute_flow.main()
    assert not list(paths.FLOW.glob("*"))
    return told.value


def test_flow_that_is_not_finite_names_the_frame_and_leaves_no_artifact(monkeypatch):
    def broken(targets):
        return np.full((*targets.shape[:3], 2), np.nan, np.float32)

    line = r"a\.h5: dis-medium: .* frame 0 is not finite"
    assert "compute_flow.half: false" in refused_with(monkeypatch, broken, line).remedy


def test_the_way_back_must_be_finite_too(monkeypatch):
    ways = []

    def broken(targets):
        ways.append(targets)
        value = np.nan if len(ways) % 2 == 0 else 1.0  # there, back, there, back
        return np.full((*targets.shape[:3], 2), value, np.float32)

    refused_with(monkeypatch, broken, r"a\.h5: dis-medium: .* frame \d+ is not finite")


def test_a_pair_too_large_for_the_gpu_is_told_what_saves_memory(monkeypatch):
    def large(_targets):
        raise OutOfMemoryError("one pair alone does not fit the memory of the GPU")

    told = refused_with(monkeypatch, large, r"a\.h5: dis-medium: one pair alone")
    assert "compute_flow.device: cpu" in told.remedy
    assert "half" not in told.remedy, "that takes more memory, not less"


@pytest.mark.parametrize(
    "refusal",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: out of memory")],
)
def test_a_network_too_large_for_the_gpu_is_one_line(monkeypatch, refusal):
    def full(*_):
        raise refusal

    save_own(Path("own.safetensors"), FlowNet2SD(width=0.05), {"own": 1, "dis-medium": 2})
    monkeypatch.setattr(torch.nn.Module, "to", full)
    write_videos({"a": scene()}, params={"compute_flow": {"weights": "own.safetensors"}})
    write_homographies(["a"])
    with pytest.raises(BackdropError, match=r"flownet2_sd .*does not fit the memory") as told:
        compute_flow.main()
    assert "compute_flow.device: cpu" in told.value.remedy
    assert not list(paths.FLOW.glob("*"))


def test_an_error_that_is_not_of_memory_stays_what_it_is(monkeypatch):
    def broken(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    save_own(Path("own.safetensors"), FlowNet2SD(width=0.05), {"own": 1, "dis-medium": 2})
    monkeypatch.setattr(torch.nn.Module, "to", broken)
    write_videos({"a": scene()}, params={"compute_flow": {"weights": "own.safetensors"}})
    write_homographies(["a"])
    with pytest.raises(RuntimeError, match="illegal memory access"):
        compute_flow.main()
