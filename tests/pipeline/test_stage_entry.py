from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import BackdropError
from pipeline.params.data import ExtractFrames
from pipeline.params.read import load_section
from pipeline.params.training import Compute, Network
from pipeline.progress import Progress
from pipeline.stage import run_stage, stage_lock, start_log
from pipeline.store.paths import LOCKS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_users_mistake_is_one_line_and_exit_1(capsys):
    def fail():
        raise BackdropError("is broken", where="clip.mp4", remedy="mend it")

    with pytest.raises(SystemExit) as stopped:
        run_stage("toy", fail)
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: toy: clip.mp4: is broken — mend it\n"


def test_a_mistake_in_another_stages_params_is_told_before_any_work(capsys):
    Path("params.yaml").write_text("calibrate: {student_treshold: 0.4}\n")
    with pytest.raises(SystemExit) as stopped:
        run_stage("toy", lambda: pytest.fail("the stage has run"))
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("error: toy: params.yaml: calibrate.student_treshold: is not a known")
    assert "student_threshold" in told


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (
            "compute_flow: {weights: weights/raft.pth}",
            "compute_flow.weights: 'weights/raft.pth' is missing — put it there",
        ),
        (
            "train_inpainter: {rgb: {background_images: empty.png}}",
            "train_inpainter.rgb.background_images: 'empty.png' is missing — put it there",
        ),
        ("compute_flow: {weights: ''}", "compute_flow.weights: '' is no path"),
        ("compute_flow: {weights: .}", "compute_flow.weights: '.' holds artifacts, or lies in it"),
        (
            "train_model: {loss: {perceptual_encoder_weights: random}}",
            "train_model.loss.perceptual_encoder_weights: there is no file 'random'",
        ),
        (
            "train_model: {encoder: resnet50, encoder_weights: dino.pth}",
            "train_model.encoder_weights: there is no file 'dino.pth'",
        ),
        (
            "train_model: {loss: {perceptual_encoder_weights: mine.pth}}",
            "train_model.loss.perceptual_encoder_weights: there is no file 'mine.pth'",
        ),
    ],
)
def test_what_the_params_name_is_looked_for_before_any_work(params, told, capsys):
    Path("params.yaml").write_text(params)
    with pytest.raises(SystemExit):
        run_stage("toy", lambda: pytest.fail("the stage has run"))
    assert capsys.readouterr().err.startswith(f"error: toy: params.yaml: {told}")


def test_what_the_params_name_may_be_there(capsys):
    for name in ("raft.pth", "empty.png", "dino.pth", "mine.pth"):
        Path(name).touch()
    Path("params.yaml").write_text(
        "compute_flow: {weights: raft.pth}\n"
        "train_inpainter: {rgb: {background_images: empty.png}}\n"
        "train_model: {encoder: resnet50, encoder_weights: dino.pth,"
        " loss: {perceptual_encoder_weights: mine.pth}}\n"
    )
    run_stage("toy", lambda: None)


def test_a_lock_that_cannot_be_written_is_one_line(monkeypatch):
    def refuse(self, timeout):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pipeline.stage.FileLock.acquire", refuse)
    with pytest.raises(BackdropError, match=r"toy\.lock: cannot be made \(Read-only"):
        stage_lock("toy")


def test_a_full_disk_is_one_line_whoever_wrote(capsys):
    def fill():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "artifacts/curves/loss.tsv")

    with pytest.raises(SystemExit) as stopped:
        run_stage("toy", fill)
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("error: toy: artifacts/curves/loss.tsv: cannot write (No space left")
    assert told.count("\n") == 1


def test_params_changed_meanwhile_are_told_since_dvc_would_record_them(capsys):
    """DVC reads params when a command has ended; results of others must not pass for theirs."""
    before = "compute: {seed: 1}\nnetwork: {height: 64, width: 64}\n"
    Path("params.yaml").write_text(before)

    def work(after, section, kind):
        load_section(kind, section)
        Path("params.yaml").write_text(after)

    after = before.replace("seed: 1", "seed: 2")
    run_stage("toy", lambda: work(after, "network", Network))  # not its section
    Path("params.yaml").write_text(before)
    with pytest.raises(SystemExit) as stopped:
        run_stage("toy", lambda: work(after, "compute", Compute))
    assert stopped.value.code == 1
    assert capsys.readouterr().err == (
        "error: toy: params.yaml: compute.seed: was 1 when this began, and is 2 now"
        " — run again; to go on with what was begun, set it back to 1 first\n"
    )
    with pytest.raises(SystemExit):
        run_stage("toy", lambda: work(before, "compute", Compute))
    assert "compute.seed: was 2 when this began, and is 1 now" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_stage("toy", lambda: work("network: {height: 64, width: 64}\n", "compute", Compute))
    assert "compute.seed: was 1 when this began, and is not set now" in capsys.readouterr().err
    Path("params.yaml").write_text("extract_frames: {crop: null}\n")
    with pytest.raises(SystemExit):
        run_stage("toy", lambda: work("extract_frames: {}\n", "extract_frames", ExtractFrames))
    assert "crop: was None when this began, and is not set now" in capsys.readouterr().err
    Path("params.yaml").write_text(before)
    after = before.replace("seed: 1", "seed: 1, checkpoint_every: 7")  # changes no result
    run_stage("toy", lambda: work(after, "compute", Compute))


def test_a_gpu_without_memory_is_one_line_and_other_errors_are_not_hidden(capsys):
    def fill():
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nCompile with ...")

    def stumble():
        raise RuntimeError("sizes of tensors must match")

    with pytest.raises(SystemExit) as stopped:
        run_stage("toy", fill)
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("error: toy: the GPU's memory is too small (CUDA out of memory. Tried")
    assert "batch_size" in told
    assert told.count("\n") == 1
    with pytest.raises(RuntimeError, match="must match"):
        run_stage("toy", stumble)


def test_ctrl_c_is_exit_130_without_a_traceback(capsys):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        run_stage("toy", interrupt)
    assert stopped.value.code == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_level_of_the_log_in_small_letters_and_one_that_is_none(monkeypatch, capsys):
    monkeypatch.setenv("BACKDROP_LOG", "debug")
    start_log()
    monkeypatch.setenv("BACKDROP_LOG", "loud")
    with pytest.raises(SystemExit, match=r"BACKDROP_LOG: 'loud' is no level"):
        start_log()


def test_a_folder_for_locks_that_cannot_be_made_is_one_line():
    LOCKS.parent.parent.mkdir(parents=True, exist_ok=True)
    LOCKS.parent.write_text("a file where a folder should be")
    with pytest.raises(BackdropError, match="cannot be made"):
        stage_lock("toy")


def test_a_lock_held_by_another_process_is_refused_and_freed_with_it():
    code = "from pipeline.stage import stage_lock; l = stage_lock('toy'); print('held'); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        for _ in range(2):  # a refusal does not lose the number
            with pytest.raises(BackdropError, match="another process is still running") as refused:
                stage_lock("toy")
            assert f"stop it (`kill {other.pid}`)" in str(refused.value)
        other.kill()
    with stage_lock("toy"):
        with pytest.raises(BackdropError, match=rf"`kill {os.getpid()}`"):
            stage_lock("toy")
        (LOCKS / "toy.pid").unlink()
        with pytest.raises(BackdropError, match="stop it and run again, which goes on from there"):
            stage_lock("toy")


def test_progress_line_has_share_and_eta_and_does_not_count_what_was_done_before():
    with Progress("work", 100, "frames") as progress:
        progress.resume_at(50)
        progress.started -= 10  # ten seconds ago
        progress.advance(10)
        assert progress.line("clip") == "work 60/100 frames (60%), ETA 0:40  clip"


def test_progress_line_promises_nothing_while_nothing_is_done():
    with Progress("work", 100, "frames") as progress:
        progress.started -= 10
        assert progress.line() == "work 0/100 frames (0%), ETA ?"
        progress.resume_at(50)
        assert progress.line("clip") == "work 50/100 frames (50%), ETA ?  clip"
