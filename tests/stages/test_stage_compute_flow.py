from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_motion import pan, texture, write_videos

from models.flow.estimator import OutOfMemoryError
from models.flownet2.variants import FlowNet2SD
from models.warping import MESH_SIZE
from pipeline import fanout
from pipeline.errors import BackdropError
from pipeline.optical_flow.weights import save_own
from pipeline.store import paths
from pipeline.store.hdf5 import FLOW, open_artifact
from pipeline.store.tables import HOMOGRAPHIES, read_table, write_table
from stages import compute_flow

SIZE = (72, 96)
COUNT = 6


def one_after_the_other(jobs, worker, progress, workers):
    """Stands in for the pool, whose processes take seconds to start; it has tests of its own."""
    return {job.video: worker(job, progress.advance) for job in jobs}


@pytest.fixture(autouse=True)
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "2")
    real = fanout.run_jobs
    monkeypatch.setattr(fanout, "run_jobs", one_after_the_other)
    return real


def scene(step=2, square_step=3, seed=0):
    """A pan with a square that moves right by `square_step` px of the wall a frame."""
    frames = pan(COUNT, SIZE, step, seed)
    square = texture(24, 24, seed=9)
    for t, frame in enumerate(frames):
        left = 30 + t * (square_step - step)
        frame[24:48, left : left + 24] = square
    return frames


def homographies(videos, step=2, gap=1, bad=(), mesh=(), count=COUNT):
    rows = []
    for video in videos:
        for t in range(count):
            source = t + gap if t + gap < count else t - gap
            H = np.array([[1, 0, step * (source - t)], [0, 1, 0], [0, 0, 1.0]])
            ok = t not in bad
            rows.append(
                {
                    "video": video,
                    "source": source,
                    "target": t,
                    **{
                        f"h{i}{j}": float(H[i, j]) if ok else np.nan
                        for i in range(3)
                        for j in range(3)
                    },
                    **dict.fromkeys(("keypoints", "matches", "inliers"), 100),
                    "inlier_ratio": 1.0,
                    "error_px": 0.1,
                    "method": "tracks",
                    "parallax_px": 0.0,
                    "mesh": list(mesh),
                    "ok": ok,
                    "reason": "" if ok else "scene cut",
                    "camera": "rotating",
                }
            )
    write_table(paths.HOMOGRAPHIES_TABLE, rows, HOMOGRAPHIES)


def read(video):
    with open_artifact(paths.video_file(paths.FLOW, video), FLOW) as file:
        return {key: file[key][...] for key in file}, dict(file.attrs)


def test_the_square_moves_and_the_wall_rests():
    write_videos({"a": scene()})
    homographies(["a"])
    compute_flow.main()
    data, attributes = read("a")
    assert data["flow"].dtype == np.float16
    assert data["flow"].shape == (COUNT, *SIZE, 2)
    assert data["valid"].dtype == bool
    assert data["ok"].tolist() == [True] * COUNT
    assert data["confidence"].dtype == np.uint8
    assert data["confidence"][:, 30:42].mean() > 200
    for t in range(COUNT):
        forward = 1 if t + 1 < COUNT else -1  # the last frame's source is the one before
        left = 30 + t
        inside = data["flow"][t, 28:44, left + 4 : left + 20].astype(float)
        assert np.median(inside[..., 0]) == pytest.approx(3 * forward, abs=0.4)
        assert abs(np.median(inside[..., 1])) < 0.2
        assert np.abs(data["flow"][t, :14]).max() < 0.3
    assert not data["flow"][~data["valid"]].any()
    assert attributes["backend"] == "dis-medium"
    assert attributes["reason"].startswith("auto")
    assert attributes["gap"] == 1
    magnitude = np.linalg.norm(data["flow"][data["valid"]].astype(float), axis=-1)
    assert attributes["scale_px"] == pytest.approx(np.percentile(magnitude, 98), rel=0.02)


def test_flow_that_is_set_to_zero_is_certain_whatever_the_estimator_said():
    """On a flickering floor DIS drifts there and back by different ways."""
    x, y = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    frames = np.empty((COUNT, *SIZE, 3), np.uint8)
    for t, frame in enumerate(frames):
        light = 150 + 30 * np.sin(x / 40) * np.cos(y / 30) + 2 * np.sin(x / 6 + 3 * t + y / 9)
        frame[:] = light[..., None]
        frame[24:48, 30 + 3 * t : 54 + 3 * t] = texture(24, 24, seed=9)
    write_videos({"a": frames}, params={"compute_flow": {"change_margin": 1.0}})
    homographies(["a"], step=0)
    compute_flow.main()
    data, _ = read("a")
    resting = data["valid"] & ~data["flow"].any(axis=-1)
    assert resting.mean() > 0.4
    assert (data["confidence"][resting] == 255).all()


def test_a_still_scene_is_not_stretched_to_full_colour():
    write_videos({"a": np.stack([texture(*SIZE)] * COUNT)})
    homographies(["a"], step=0)
    compute_flow.main()
    data, attributes = read("a")
    assert not data["flow"].any()
    assert data["valid"].all()
    assert attributes["scale_px"] == 0.5


def test_untrusted_pairs_have_no_flow_and_no_part_in_the_scale():
    write_videos({"a": scene()})
    homographies(["a"], bad=(2, 3))
    compute_flow.main()
    data, attributes = read("a")
    assert data["ok"].tolist() == [True, True, False, False, True, True]
    assert not data["flow"][2:4].any()
    assert not data["valid"][2:4].any()
    magnitude = np.linalg.norm(data["flow"][data["valid"]].astype(float), axis=-1)
    assert attributes["scale_px"] == pytest.approx(np.percentile(magnitude, 98), rel=0.02)


def test_a_gap_is_told():
    write_videos({"a": scene()})
    homographies(["a"], gap=2)
    compute_flow.main()
    assert read("a")[1]["gap"] == 2


def test_artifacts_are_the_same_bytes_on_a_rerun_whatever_the_workers(pool, monkeypatch):
    write_videos({"a": scene(), "b": scene(seed=5)})
    homographies(["a", "b"])
    compute_flow.main()
    first = {path.name: path.read_bytes() for path in paths.FLOW.iterdir()}
    assert sorted(first) == ["a.h5", "b.h5"]
    monkeypatch.setattr(fanout, "run_jobs", pool)
    compute_flow.main()
    assert {path.name: path.read_bytes() for path in paths.FLOW.iterdir()} == first


def test_homographies_of_other_frames_are_refused():
    write_videos({"a": scene(), "b": scene()[:4]})
    homographies(["a", "b"])
    with pytest.raises(BackdropError, match=r"homographies\.parquet: .*6 frames of 'b'.*has 4"):
        compute_flow.main()
    homographies(["a"])
    with pytest.raises(BackdropError, match=r"has homographies for 0 frames of 'b'"):
        compute_flow.main()
    assert not paths.FLOW.exists()


def test_a_table_cut_short_is_named():
    write_videos({"a": scene()})
    homographies(["a"])
    whole = paths.HOMOGRAPHIES_TABLE.read_bytes()
    paths.HOMOGRAPHIES_TABLE.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackdropError, match=r"homographies\.parquet: is damaged or cut short"):
        compute_flow.main()


def test_damaged_frames_are_named_and_nothing_is_half_written():
    write_videos({"a": scene()})
    homographies(["a"])
    file = paths.video_file(paths.FRAMES, "a")
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(BackdropError, match=r"a\.h5: is damaged or cut short"):
        compute_flow.main()
    assert not list(paths.FLOW.glob("*"))


def test_frames_that_are_not_those_of_the_index_are_refused():
    write_videos({"a": scene()})
    homographies(["a"])
    index = read_table(paths.INDEX_TABLE, compute_flow.INDEX)
    write_videos({"a": scene()[:5]})
    write_table(paths.INDEX_TABLE, index.to_dict("records"), compute_flow.INDEX)
    with pytest.raises(BackdropError, match=r"a\.h5: holds 5 frames, .*index\.parquet lists 6"):
        compute_flow.main()


def test_confidence_is_left_out_where_not_asked_for():
    write_videos({"a": scene()}, params={"compute_flow": {"confidence": False}})
    homographies(["a"])
    compute_flow.main()
    assert sorted(read("a")[0]) == ["flow", "ok", "valid"]


def test_a_mesh_is_undone_too():
    write_videos({"a": scene()})
    mesh = np.zeros((*MESH_SIZE, 2), np.float32)
    mesh[..., 1] = 2.0  # two px further down than the homography says: wrong, and seen to be
    homographies(["a"], mesh=mesh.ravel().tolist())
    compute_flow.main()
    data, _ = read("a")
    wall = data["flow"][1, 8:16, 20:80].astype(float)
    assert np.median(wall[..., 1]) == pytest.approx(-2.0, abs=0.3)
    assert abs(np.median(wall[..., 0])) < 0.3


def test_a_network_is_used_named_and_agrees_with_dis(test_data):
    weights = str(test_data / "weights" / "raft-small.pth")
    write_videos(
        {"a": scene()[:3]}, params={"compute_flow": {"weights": weights, "enlarge_to": 256}}
    )
    homographies(["a"], count=3)
    compute_flow.main()
    data, attributes = read("a")
    assert attributes["backend"] == "raft_small c7d41b9cc884"
    assert attributes["reason"].startswith("auto")
    inside = data["flow"][0, 30:42, 36:48].astype(float)
    assert np.median(inside[..., 0]) == pytest.approx(3, abs=0.6)
    assert np.abs(np.median(data["flow"][0, :10].astype(float), axis=(0, 1))).max() < 0.3


def refused_with(monkeypatch, estimate, line):
    """The error of the stage on one video whose estimator does `estimate(targets)`."""

    class StandIn:
        name, batch = "stand-in", 1

        def estimate(self, targets, sources, parts=None, *, as_check=False):
            return estimate(targets)

    monkeypatch.setattr(compute_flow.Choice, "make", lambda self: StandIn())
    write_videos({"a": scene()})
    homographies(["a"])
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
    homographies(["a"])
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
    homographies(["a"])
    with pytest.raises(RuntimeError, match="illegal memory access"):
        compute_flow.main()


def test_dis_on_part_of_the_frame_is_as_on_the_whole_and_flow_stays_zero_around_it():
    found = {}
    for margin in (0.05, 1.0):
        write_videos({"a": scene()}, params={"compute_flow": {"change_margin": margin}})
        homographies(["a"])
        compute_flow.main()
        found[margin], _ = read("a")
    part, whole = found[0.05], found[1.0]
    assert (part["valid"] == whole["valid"]).all()
    lengths = np.linalg.norm(whole["flow"].astype(float), axis=-1)
    apart = np.linalg.norm(part["flow"].astype(float) - whole["flow"].astype(float), axis=-1)
    assert lengths.max() > 2.5
    assert apart[lengths > 0].mean() < 0.1
    assert not apart[lengths == 0].any()


@pytest.mark.parametrize("backward", [True, False])
def test_pairs_without_change_are_not_estimated(monkeypatch, backward):
    asked = []

    class Counting:
        name, batch = "counting", 1

        def estimate(self, targets, sources, parts=None, *, as_check=False):
            asked.append(len(targets))
            return np.ones((*targets.shape[:3], 2), np.float32)

    frames = np.stack([texture(*SIZE)] * COUNT)
    frames[3:, 20:40, 30:60] = texture(20, 30, seed=4)  # something appears between two frames
    monkeypatch.setattr(compute_flow.Choice, "make", lambda self: Counting())
    write_videos({"a": frames}, params={"compute_flow": {"confidence": backward}})
    homographies(["a"], step=0)
    compute_flow.main()
    data, _ = read("a")
    assert sum(asked) == (2 if backward else 1)
    assert [bool(flow.any()) for flow in data["flow"]] == [t == 2 for t in range(COUNT)]
    if backward:  # where nothing changed, standing still is certain
        assert (data["confidence"][[0, 1, 3]] == 255).all()


@pytest.mark.parametrize("threads", [1, 5])
def test_bytes_do_not_depend_on_the_number_of_threads(monkeypatch, threads):
    write_videos({"a": scene()})
    homographies(["a"])
    compute_flow.main()
    first = paths.video_file(paths.FLOW, "a").read_bytes()
    monkeypatch.setattr(compute_flow, "threads_for", lambda choice, videos: threads)
    compute_flow.main()
    assert paths.video_file(paths.FLOW, "a").read_bytes() == first
