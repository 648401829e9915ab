import logging

import cv2
import numpy as np
import pytest
from helpers_motion import corner_error, pan, texture, write_videos

from models.warping import read_mesh
from pipeline import align_video
from pipeline.errors import BackdropError
from pipeline.frame_pool import FEWEST
from pipeline.store.paths import FRAMES, HOMOGRAPHIES_TABLE, INDEX_TABLE, UNFINISHED, video_file
from pipeline.store.tables import HOMOGRAPHIES, read_table
from stages import stabilize

SIZE = (72, 96)


def one_after_the_other(jobs, worker, progress):
    """Stands in for the pool, whose processes take seconds to start; it has tests of its own."""
    return {job.video: worker(job, progress.advance) for job in jobs}


@pytest.fixture(autouse=True)
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "2")
    real = stabilize.run_jobs
    monkeypatch.setattr(stabilize, "run_jobs", one_after_the_other)
    return real


def run(video=None):
    stabilize.main()
    table = read_table(HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    return table if video is None else table[table["video"] == video]


def matrix(row):
    return np.array([[row[f"h{i}{j}"] for j in range(3)] for i in range(3)])


def test_a_pan_is_followed_from_source_to_target():
    write_videos({"pan": pan(6, SIZE, 2.0)}, params={"stabilize": {"gap": 2}})
    rows = run()
    assert rows["target"].tolist() == [0, 1, 2, 3, 4, 5]
    assert rows["source"].tolist() == [2, 3, 4, 5, 2, 3]
    assert rows["ok"].all()
    assert set(rows["camera"]) == {"rotating"}
    for row in rows.to_dict("records"):
        moved = 2.0 * (row["source"] - row["target"])  # what is at x - moved in the later frame
        assert corner_error(matrix(row), np.array([[1, 0, moved], [0, 1, 0], [0, 0, 1]]), SIZE) < 1


def test_a_static_camera_gets_the_exact_identity():
    rng = np.random.default_rng(0)
    frames = np.stack([texture(*SIZE)] * 6) + rng.integers(0, 4, (6, *SIZE, 3), np.uint8)
    write_videos({"still": frames})
    rows = run()
    assert set(rows["camera"]) == {"static"}
    assert rows["ok"].all()
    assert all((matrix(row) == np.eye(3)).all() for row in rows.to_dict("records"))
    assert (rows["error_px"] < 0.5).all()


def test_a_bare_arena_needs_no_keypoints():
    frames = np.full((8, *SIZE, 3), 190, np.uint8)
    for t, frame in enumerate(frames):
        cv2.circle(frame, (20 + 3 * t, 40), 6, (40, 40, 40), -1)
    write_videos({"arena": frames})
    rows = run()
    assert set(rows["camera"]) == {"static"}
    assert rows["ok"].all()
    assert (rows["inliers"] == 0).any()


def test_a_camera_that_is_said_to_stand_still_does_whatever_the_frames_say():
    write_videos({"pan": pan(6, SIZE, 2.0)}, params={"stabilize": {"camera": "static"}})
    rows = run()
    assert set(rows["camera"]) == {"static"}
    assert rows["ok"].all()
    assert all((matrix(row) == np.eye(3)).all() for row in rows.to_dict("records"))


def test_a_shift_beyond_the_limit_is_not_trusted():
    limits = {"max_shift": 3 / max(SIZE)}
    videos = {"slow": pan(6, SIZE, 2.0), "fast": pan(6, SIZE, 4.0)}
    write_videos(videos, params={"stabilize": limits})
    rows = run()
    assert dict(rows.groupby("video")["reason"].unique().map(list)) == {
        "slow": [""],
        "fast": ["shift"],
    }


def shots(*frames):
    """One video of them, one after the other."""
    write_videos(
        {"cut": np.concatenate(frames)},
        cuts=np.cumsum([len(one) for one in frames])[:-1].tolist(),
    )


def test_no_pair_crosses_a_cut():
    shots(pan(5, SIZE, 2.0, seed=1), pan(5, SIZE, 2.0, seed=2))
    rows = run()
    assert rows["source"].tolist() == [1, 2, 3, 4, 3, 6, 7, 8, 9, 8]
    assert rows["ok"].all()


def test_a_shot_shorter_than_the_gap_is_flagged():
    shots(pan(5, SIZE, 2.0, seed=1), pan(1, SIZE, 2.0, seed=3), pan(5, SIZE, 2.0, seed=2))
    rows = run()
    bad = rows[~rows["ok"]]
    assert bad["target"].tolist() == [5]
    assert bad["reason"].tolist() == ["scene cut"]
    assert np.isnan(matrix(bad.iloc[0])).all()


def test_a_static_video_with_a_cut_keeps_its_flag():
    shots(*(np.stack([texture(*SIZE, seed)] * count) for seed, count in ((1, 4), (3, 1), (2, 4))))
    rows = run()
    assert set(rows["camera"]) == {"static"}
    assert rows.loc[~rows["ok"], "reason"].tolist() == ["scene cut"]


def fog(count):
    """Textureless, and changing too much for a camera that stands still."""
    x = np.arange(SIZE[1])
    frames = [127 + 120 * np.sin(x / 15 + t) for t in range(count)]
    return np.stack(frames).astype(np.uint8)[:, None, :, None].repeat(SIZE[0], 1).repeat(3, 3)


def test_a_video_without_texture_is_warned_of_and_the_others_go_on(caplog):
    write_videos({"fog": fog(6), "pan": pan(6, SIZE, 2.0)})
    with caplog.at_level(logging.WARNING, "backdrop"):
        rows = run("fog")
    assert not rows["ok"].any()
    assert set(rows["reason"]) == {"no texture"}
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "fog" in warnings[0]
    assert "no texture" in warnings[0]


def test_no_pair_at_all_is_an_error_and_leaves_no_table():
    write_videos({"fog": fog(6)})
    with pytest.raises(BackdropError, match=r"fog: no pair .*no texture.*lower stabilize.contrast"):
        run()
    assert not HOMOGRAPHIES_TABLE.exists()


def test_a_video_shorter_than_the_gap_is_named():
    write_videos({"short": pan(5, SIZE, 2.0)}, params={"stabilize": {"gap": 3}})
    with pytest.raises(BackdropError, match=r"short: has 5 frames.*stabilize\.gap"):
        run()


def test_the_table_is_the_same_bytes_on_a_rerun_whatever_the_workers(pool, monkeypatch):
    write_videos({"a": pan(6, SIZE, 2.0), "b": pan(6, SIZE, -3.0, seed=4)})
    run()
    first = HOMOGRAPHIES_TABLE.read_bytes()
    monkeypatch.setattr(stabilize, "run_jobs", pool)
    run()
    assert HOMOGRAPHIES_TABLE.read_bytes() == first
    assert not (UNFINISHED / "stabilize").exists()


def test_one_video_is_shared_between_cores_and_gives_the_same_bytes(monkeypatch):
    write_videos({"a": pan(2 * FEWEST, SIZE, 1.0)})
    real, used, written = align_video.in_order, [], []

    def watched(make, items, processes, where):
        used.append(processes)
        return real(make, items, processes, where)

    monkeypatch.setattr(align_video, "in_order", watched)
    for workers in ("1", "2"):
        monkeypatch.setenv("BACKDROP_WORKERS", workers)
        run()
        written.append(HOMOGRAPHIES_TABLE.read_bytes())
    assert used == [1, 2]
    assert written[0] == written[1]


def test_a_damaged_frames_artifact_is_named_and_the_other_video_is_not_done_again(monkeypatch):
    write_videos({"a": pan(6, SIZE, 2.0), "b": pan(6, SIZE, 2.0)})
    whole = video_file(FRAMES, "b").read_bytes()
    video_file(FRAMES, "b").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackdropError, match=r"b\.h5: is damaged or cut short.*dvc repro"):
        run()
    video_file(FRAMES, "b").write_bytes(whole)
    done = []
    monkeypatch.setattr(
        stabilize,
        "run_jobs",
        lambda jobs, *rest: (
            done.extend(job.video for job in jobs) or one_after_the_other(jobs, *rest)
        ),
    )
    assert len(run()) == 12
    assert done == ["b"]


def test_a_missing_index_is_named():
    write_videos({"a": pan(4, SIZE, 2.0)})
    INDEX_TABLE.unlink()
    with pytest.raises(BackdropError, match=r"index\.parquet: is missing"):
        run()


def test_a_row_tells_how_it_was_found_and_what_it_leaves():
    write_videos({"pan": pan(8, SIZE, 2.0)}, params={"stabilize": {"local": "on"}})
    rows = run()
    assert set(rows["method"]) == {"tracks"}
    assert (rows["parallax_px"] < 0.2).all()
    for values in rows["mesh"]:
        assert np.abs(read_mesh(values)).max() < 0.3, "a wall has no parallax"


def test_a_plane_alone_has_no_mesh(caplog):
    write_videos({"pan": pan(8, SIZE, 2.0)})
    with caplog.at_level(logging.INFO, "backdrop"):
        rows = run()
    assert all(read_mesh(values) is None for values in rows["mesh"])
    assert "8 of 8 pairs stabilised, parallax 0.0" in caplog.text


def test_a_chain_can_be_asked_for():
    write_videos({"pan": pan(8, SIZE, 2.0)}, params={"stabilize": {"gap": 3, "chain": "always"}})
    rows = run()
    assert set(rows["method"]) == {"chain"}
    assert rows["ok"].all()


@pytest.mark.parametrize("size", [(16, 512), (8, 256), (512, 16), (400, 9), (8, 4096), (2, 512)])
@pytest.mark.parametrize("step", [0.0, 0.4, 2.0])
def test_a_strip_is_stabilised_or_refused_in_words(size, step):
    write_videos({"strip": pan(12, size, step)}, params={"stabilize": {"gap": 2, "local": "on"}})
    told = ""
    try:
        stabilize.main()
    except BackdropError as error:
        told = str(error)
    if step == 0:
        assert not told, "a camera that stands still needs no texture"
    if told:
        assert "strip: no pair of frames of any video could be stabilised" in told
    else:
        rows = read_table(HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
        assert rows["target"].tolist() == list(range(12))


def test_a_strip_is_followed():
    size = (16, 512)
    write_videos({"strip": pan(6, size, 2.0)})
    rows = run()
    assert rows["ok"].all()
    for row in rows.to_dict("records"):
        moved = 2.0 * (row["source"] - row["target"])
        assert corner_error(matrix(row), np.array([[1, 0, moved], [0, 1, 0], [0, 0, 1]]), size) < 1
