from pathlib import Path

import numpy as np
import pytest
from helpers_flow import COUNT, SIZE, one_after_the_other, read_flow, scene, write_homographies
from helpers_motion import texture, write_videos

from models.warping import MESH_SIZE
from pipeline import fanout
from pipeline.store import paths
from stages import compute_flow


@pytest.fixture(autouse=True)
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "2")
    real = fanout.run_jobs
    monkeypatch.setattr(fanout, "run_jobs", one_after_the_other)
    return real


def test_the_square_moves_and_the_wall_rests():
    write_videos({"a": scene()})
    write_homographies(["a"])
    compute_flow.main()
    data, attributes = read_flow("a")
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
    write_homographies(["a"], step=0)
    compute_flow.main()
    data, _ = read_flow("a")
    resting = data["valid"] & ~data["flow"].any(axis=-1)
    assert resting.mean() > 0.4
    assert (data["confidence"][resting] == 255).all()


@pytest.mark.parametrize("percent", [92.0, 100.0])
def test_the_scale_is_the_percentile_that_is_asked_for(percent):
    write_videos({"a": scene()}, params={"compute_flow": {"scale_percentile": percent}})
    write_homographies(["a"])
    compute_flow.main()
    data, attributes = read_flow("a")
    magnitude = np.linalg.norm(data["flow"][data["valid"]].astype(float), axis=-1)
    assert attributes["scale_px"] == pytest.approx(np.percentile(magnitude, percent), rel=0.02)


@pytest.mark.parametrize(("params", "scale"), [({}, 0.5), ({"min_scale_px": 2.0}, 2.0)])
def test_a_still_scene_is_not_stretched_to_full_colour(params, scale):
    write_videos({"a": np.stack([texture(*SIZE)] * COUNT)}, params={"compute_flow": params})
    write_homographies(["a"], step=0)
    compute_flow.main()
    data, attributes = read_flow("a")
    assert not data["flow"].any()
    assert data["valid"].all()
    assert attributes["scale_px"] == scale


def test_untrusted_pairs_have_no_flow_and_no_part_in_the_scale():
    write_videos({"a": scene()})
    write_homographies(["a"], bad=(2, 3))
    compute_flow.main()
    data, attributes = read_flow("a")
    assert data["ok"].tolist() == [True, True, False, False, True, True]
    assert not data["flow"][2:4].any()
    assert not data["valid"][2:4].any()
    magnitude = np.linalg.norm(data["flow"][data["valid"]].astype(float), axis=-1)
    assert attributes["scale_px"] == pytest.approx(np.percentile(magnitude, 98), rel=0.02)


def test_a_gap_is_told():
    write_videos({"a": scene()})
    write_homographies(["a"], gap=2)
    compute_flow.main()
    assert read_flow("a")[1]["gap"] == 2


def test_artifacts_are_the_same_bytes_on_a_rerun_whatever_the_workers(pool, monkeypatch):
    write_videos({"a": scene(), "b": scene(seed=5)})
    write_homographies(["a", "b"])
    compute_flow.main()
    first = {path.name: path.read_bytes() for path in paths.FLOW.iterdir()}
    assert sorted(first) == ["a.h5", "b.h5"]
    monkeypatch.setattr(fanout, "run_jobs", pool)
    compute_flow.main()
    assert {path.name: path.read_bytes() for path in paths.FLOW.iterdir()} == first


def test_another_file_beside_the_weights_is_no_reason_to_compute_again(monkeypatch):
    """What asks for all to be done again (`--force`) is a run for which nothing has changed."""
    write_videos({"a": scene()})
    write_homographies(["a"])
    seen = []

    def record(*_, fingerprint, occasion, **__):
        seen.append((fingerprint, occasion))

    monkeypatch.setattr(compute_flow, "fan_out", record)
    compute_flow.main()
    compute_flow.main()
    Path("weights/flow").mkdir(parents=True, exist_ok=True)
    Path("weights/flow/notes.txt").write_text("mine")
    compute_flow.main()
    (made, first), (_, same), (still, other) = seen
    assert made == still
    assert first == same != other


def test_confidence_is_left_out_where_not_asked_for():
    write_videos({"a": scene()}, params={"compute_flow": {"confidence": False}})
    write_homographies(["a"])
    compute_flow.main()
    assert sorted(read_flow("a")[0]) == ["flow", "ok", "valid"]


def test_a_mesh_is_undone_too():
    write_videos({"a": scene()})
    mesh = np.zeros((*MESH_SIZE, 2), np.float32)
    mesh[..., 1] = 2.0  # two px further down than the homography says: wrong, and seen to be
    write_homographies(["a"], mesh=mesh.ravel().tolist())
    compute_flow.main()
    data, _ = read_flow("a")
    wall = data["flow"][1, 8:16, 20:80].astype(float)
    assert np.median(wall[..., 1]) == pytest.approx(-2.0, abs=0.3)
    assert abs(np.median(wall[..., 0])) < 0.3


def test_a_network_is_used_named_and_agrees_with_dis(test_data):
    weights = str(test_data / "weights" / "raft-small.pth")
    write_videos(
        {"a": scene()[:3]}, params={"compute_flow": {"weights": weights, "enlarge_to": 256}}
    )
    write_homographies(["a"], count=3)
    compute_flow.main()
    data, attributes = read_flow("a")
    assert attributes["backend"] == "raft_small c7d41b9cc884"
    assert attributes["reason"].startswith("auto")
    inside = data["flow"][0, 30:42, 36:48].astype(float)
    assert np.median(inside[..., 0]) == pytest.approx(3, abs=0.6)
    assert np.abs(np.median(data["flow"][0, :10].astype(float), axis=(0, 1))).max() < 0.3


def test_dis_on_part_of_the_frame_is_as_on_the_whole_and_flow_stays_zero_around_it():
    found = {}
    for margin in (0.05, 1.0):
        write_videos({"a": scene()}, params={"compute_flow": {"change_margin": margin}})
        write_homographies(["a"])
        compute_flow.main()
        found[margin], _ = read_flow("a")
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
    write_homographies(["a"], step=0)
    compute_flow.main()
    data, _ = read_flow("a")
    assert sum(asked) == (2 if backward else 1)
    assert [bool(flow.any()) for flow in data["flow"]] == [t == 2 for t in range(COUNT)]
    if backward:  # where nothing changed, standing still is certain
        assert (data["confidence"][[0, 1, 3]] == 255).all()


@pytest.mark.parametrize("threads", [1, 5])
def test_bytes_do_not_depend_on_the_number_of_threads(monkeypatch, threads):
    write_videos({"a": scene()})
    write_homographies(["a"])
    compute_flow.main()
    first = paths.video_file(paths.FLOW, "a").read_bytes()
    monkeypatch.setattr(compute_flow, "threads_for", lambda choice, videos: threads)
    compute_flow.main()
    assert paths.video_file(paths.FLOW, "a").read_bytes() == first
