"""The command as a whole: each input's folder appears whole or not at all, and nothing is lost."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_files import dead_process
from helpers_trained import make_trained
from helpers_video import cut_file, numbered, texture, walker, write_pictures, write_video

from pipeline.errors import BackdropError
from pipeline.new_material import command, results
from pipeline.progress import Progress

ROOT = Path(__file__).resolve().parents[3]


def digests(*folders: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def in_this_process(jobs, worker, progress: Progress, workers=None):
    return {job.video: worker(job, progress.advance) for job in jobs}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "run_jobs", in_this_process)
    monkeypatch.setattr(command.signal, "signal", lambda number, handler: None)
    return make_trained(tmp_path, monkeypatch, student=True, count=3)


def predict(*paths: Path, to: Path, **asked: bool) -> list[str]:
    said: list[str] = []
    options = {"moving": False, "overlay": True, "force": False, "keep": False} | asked
    command.predict(paths, to, stride=1, **options, say=said.append)
    return said


def test_each_input_has_a_folder_and_the_project_is_left_alone(project, tmp_path):
    frames = write_pictures(tmp_path / "walk", numbered(3))
    before = digests(tmp_path / "artifacts", tmp_path / "walk")
    said = predict(project.source, frames, to=tmp_path / "new/out")
    assert {path.name for path in (tmp_path / "new/out").iterdir()} == {"clip", "walk"}
    assert said[0].startswith(f"wrote {tmp_path / 'new/out/clip'}: 3 frame(s), 0 of them")
    assert digests(tmp_path / "artifacts", tmp_path / "walk") == before


def test_the_same_bytes_again(project, tmp_path):
    predict(project.source, to=tmp_path / "out")
    first = digests(tmp_path / "out")
    predict(project.source, to=tmp_path / "out", force=True)
    assert digests(tmp_path / "out") == first


def test_with_moving_a_video_is_looked_at_as_a_whole_and_a_picture_is_not(
    project, tmp_path, monkeypatch
):
    """Stood in for, as masks of random weights tell nothing: all of the clip's is left out."""

    def nothing_moves(source, found, params, scratch, advance):
        assert scratch.is_dir()
        yield from (replace(one, mask=np.zeros_like(one.mask)) for one in found)

    monkeypatch.setattr(results, "only_moving", nothing_moves)
    (picture,) = write_pictures(tmp_path / "one", walker(1)).iterdir()
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params + "compute_flow: {backend: dis}\n")
    said = predict(project.source, picture, to=tmp_path / "out", moving=True)
    assert said[0].endswith("clip: 3 frame(s), 3 of them with an empty mask")
    assert said[1].endswith(": 1 frame(s), 0 of them with an empty mask")
    clip = tmp_path / "out/clip"
    assert {path.name for path in clip.iterdir()} == {"masks", "boxes.csv", "overlay.mp4"}
    first = digests(clip)
    predict(project.source, to=tmp_path / "out", moving=True, force=True)
    assert digests(clip) == first
    predict(picture, to=tmp_path / "alone")
    alone, beside = digests(tmp_path / "alone"), digests(tmp_path / "out" / picture.stem)
    assert list(alone.values()) == list(beside.values())


def test_with_keep_what_is_there_stays_and_the_rest_is_predicted(project, tmp_path):
    predict(project.source, to=tmp_path / "out", overlay=False)
    before = digests(tmp_path / "out")
    frames = write_pictures(tmp_path / "walk", numbered(3))
    said = predict(project.source, frames, to=tmp_path / "out", overlay=False, keep=True)
    assert [line.split(":")[0] for line in said] == [
        f"kept {tmp_path / 'out/clip'}",
        f"wrote {tmp_path / 'out/walk'}",
    ]
    assert digests(tmp_path / "out/clip") == before
    assert predict(frames, to=tmp_path / "out", keep=True) == [f"kept {tmp_path / 'out/walk'}"]
    with pytest.raises(BackdropError, match="--force, --keep: either"):
        predict(frames, to=tmp_path / "out", keep=True, force=True)


def test_all_inputs_that_cannot_be_read_are_named_before_any_work(project, tmp_path):
    for name in ("words.mp4", "notes.mp4"):
        (tmp_path / name).write_text("no video")
    given = [tmp_path / "words.mp4", project.source, tmp_path / "notes.mp4"]
    with pytest.raises(BackdropError, match=r"notes\.mp4: .*\(and .*words\.mp4"):
        predict(*given, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_overlay_there_is_none(project, tmp_path):
    predict(project.source, to=tmp_path / "out", overlay=False)
    assert {path.name for path in (tmp_path / "out/clip").iterdir()} == {"masks", "boxes.csv"}


def test_results_are_replaced_only_if_asked_for_and_nothing_else_ever(project, tmp_path):
    predict(project.source, to=tmp_path / "out", overlay=False)
    with pytest.raises(BackdropError, match=r"is there already — add --keep .* --force"):
        predict(project.source, to=tmp_path / "out")
    (tmp_path / "out/clip/notes.txt").write_text("mine")
    before = digests(tmp_path / "out")
    with pytest.raises(
        BackdropError, match=r"holds other things than earlier results \(notes.txt\)"
    ):
        predict(project.source, to=tmp_path / "out", force=True)
    assert digests(tmp_path / "out") == before


def test_an_input_is_not_replaced_by_its_own_result(project, tmp_path):
    folder = tmp_path / "out/overlay"
    folder.mkdir(parents=True)
    write_video(folder / "overlay.mp4", numbered(2))
    with pytest.raises(BackdropError, match=r"holds overlay\.mp4, which is to be predicted"):
        predict(folder / "overlay.mp4", to=tmp_path / "out", force=True)
    assert (folder / "overlay.mp4").exists()


def test_a_folder_of_ones_own_masks_is_no_earlier_result(project, tmp_path):
    mine = tmp_path / "out/clip/masks/0.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(BackdropError, match=r"holds other things than earlier results \(masks\)"):
        predict(project.source, to=tmp_path / "out", force=True)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("to", ["artifacts", "artifacts/student/new", "data/raw/mine"])
def test_nothing_is_written_into_the_project(project, tmp_path, to):
    with pytest.raises(BackdropError, match="belongs to the project itself"):
        predict(project.source, to=tmp_path / to)


def test_bad_input_is_told_before_any_work(project, tmp_path):
    (tmp_path / "words.mp4").write_text("words")
    with pytest.raises(BackdropError, match=r"words\.mp4: is not a video"):
        predict(project.source, tmp_path / "words.mp4", to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_another_predict_has_half_done_in_the_same_folder_is_left_to_it(project, tmp_path):
    """Its process lives: here, that which runs the tests."""
    theirs = tmp_path / f"out/.clip.{os.getppid()}.partial/masks/0.png"
    killed = tmp_path / f"out/.clip.{dead_process()}.partial/masks/0.png"
    for mask in (theirs, killed):
        mask.parent.mkdir(parents=True)
        mask.touch()
    predict(project.source, to=tmp_path / "out", overlay=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clip", theirs.parts[-3]}
    assert theirs.exists()


def run_command(root: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BACKDROP_WORKERS": "2"}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "predict", *arguments],
        cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_video_that_turns_out_damaged_costs_the_others_nothing(tmp_path, monkeypatch):
    project = make_trained(tmp_path, monkeypatch, student=True, count=3)
    textures = [texture(48, 64, seed) for seed in range(40)]
    bad = cut_file(write_video(tmp_path / "bad.mp4", textures, faststart=True), 0.6)
    cv2.imwrite(str(tmp_path / "photo.jpg"), textures[0])
    process = run_command(
        tmp_path, str(bad), str(project.source), "photo.jpg", "--to", str(tmp_path / "out")
    )
    said, told = process.communicate(timeout=300)
    assert process.returncode == 1, told
    last = told.splitlines()[-1]
    assert last.startswith(f"error: {bad}: is damaged or cut short")
    assert "1 of 3 videos failed; the work on the others is kept" in last
    assert f"wrote {tmp_path / 'out/clip'}: 3 frame(s), 0 of them with an empty mask" in said
    assert "Traceback" not in told
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip", "photo"]
    assert len(list((tmp_path / "out/clip/masks").iterdir())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_nothing_half_done(tmp_path, monkeypatch, how):
    make_trained(tmp_path, monkeypatch, student=True, count=3)
    write_video(tmp_path / "long.mp4", (texture(96, 128, n % 9) for n in range(1500)))
    process = run_command(tmp_path, "long.mp4", "--to", "out")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/.long.*.partial/masks/*.png")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert list((tmp_path / "out").iterdir()) == []
