"""The `backdrop` command: mistakes are one line on stderr and exit code 1; help is quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from helpers_dvc import REPOSITORY, make_fan
from helpers_video import texture, write_video

from pipeline.cli import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(make_fan(tmp_path))
    return tmp_path


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["backdrop", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def _start(
    folder: Path, *arguments: str, stdout: IO[str], unbuffered: str
) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": unbuffered},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["init"], "give videos of your own or the built-in ones"),
        (["init", "--preset", "demo", "--videos", "x"], "give videos of your own"),
        (["init", "--preset", "demo", "--name", "mine"], "give videos of your own"),
        (["init", "--videos", "nowhere"], "nowhere: is missing"),
        (["init", "--videos", "empty"], "holds no video"),
        (["init", "--videos", "a.mp4", "sub/a.mp4"], "two videos of the same name 'a'"),
        (["doctor", "nowhere.mp4"], "nowhere.mp4: is missing"),
        (["ablate", "--csv", "results.csv"], "--csv: belongs to --results"),
        (["ablate", "--results", "--seeds", "1"], "--seeds: chooses no --results"),
        (["ablate", "--results", "--set", "compute.seed=1"], "--set: chooses no --results"),
        (["ablate", "--results", "--dry-run"], "--dry-run: chooses no --results"),
        (["ablate", "--results", "--run"], "--run: chooses no --results"),
        (["doctor"], "params.yaml: left: is not a known param"),
        (["run"], "params.yaml: left: is not a known param"),
        (["inspect", "nowhere.h5"], "nowhere.h5: is missing"),
        (["inspect", "dvc.yaml", "--frame", "3"], "--frame and --to go together"),
        (["predict", "a.mp4", "--to", "out"], "not trained yet — run `dvc repro` first"),
    ],
)
def test_mistakes_are_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    line: str,
) -> None:
    (project / "empty").mkdir()
    (project / "sub").mkdir()
    for name in ("a.mp4", "sub/a.mp4"):
        (project / name).write_bytes(b"")
    before = sorted(project.rglob("*"))
    assert _run(monkeypatch, *arguments) == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert line in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [["init", "--preset", "demo"], ["run"], ["train-flow"], ["predict", "a.mp4", "--to", "out"]],
)
def test_outside_a_clone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(monkeypatch, *command) == 1
    assert "no dvc.yaml here — run this in the folder of your clone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["init", "--vdieos"], "--vdieos"),
        (["evl-flow"], "Did you mean 'eval-flow'?"),
        (["inspect"], "Missing argument"),
        (["inspect", "a.h5", "--frame", "first"], "'--frame': Input should be a valid integer"),
        (["ablate", "--tabel", "3"], "--table"),
        (["predict", "a.mp4"], "Missing option '--to'"),
        (["predict", "a.mp4", "--to", "out", "--stride", "0"], "--stride"),
    ],
)
def test_a_mistyped_command_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    line: str,
) -> None:
    assert _run(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: command line: ")
    assert line in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize("arguments", [[], ["--help"], ["ablate", "-h"]])
def test_help_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert _run(monkeypatch, *arguments) == 0
    assert "Usage: backdrop" in capsys.readouterr().out


COMMANDS = [["inspect", "a.json"], ["inspect", "words.json"], ["--help"], ["doctor", "clip.mp4"]]


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """What `COMMANDS` read; of `words.json` more is told than a buffer holds."""
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "words.json").write_text(json.dumps(dict.fromkeys(map(str, range(9999)), "word")))
    write_video(tmp_path / "clip.mp4", (texture(64, 64, seed) for seed in range(3)))
    return tmp_path


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stdout_is_one_line(material: Path, arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = _start(material, *arguments, stdout=full, unbuffered=unbuffered)
        _, told = done.communicate(timeout=120)
    assert done.returncode == 1, told
    assert told.endswith(  # after the progress of `doctor`
        "error: standard output, or the project's folder: cannot write (No space left on device) — "
        "free disk space or make the folder writable, then run the same again\n"
    )
    assert told.count("Error") == told.count("Exception") == 0


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_mistake(material: Path, arguments: list[str], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = _start(material, *arguments, stdout=closed, unbuffered=unbuffered)
        _, told = done.communicate(timeout=120)
    assert done.returncode == 1
    assert "Error" not in told
    assert "error:" not in told


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "cv2", "prefect", "dvc", "pandas", "numpy", "pydantic")
    code = (
        "import sys; sys.argv = ['backdrop', '--help']\n"
        "from pipeline.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("init", "doctor", "run", "predict", "inspect", "version"):
        assert f" {command} " in done.stdout


def test_run_tells_a_missing_root_before_it_starts(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text("prepare_data: {source: videos, root: data/raw/tall}\n")
    assert _run(monkeypatch, "run") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "error: params.yaml: prepare_data.root: 'data/raw/tall' is not a folder — "
        "run `backdrop init --videos PATH`, or give the folder of your videos\n"
    )


@pytest.mark.parametrize(
    ("root", "line"),
    [
        ("", "'' is not a folder — run `backdrop init"),
        (".", "'.' holds the project itself — give a folder of the videos alone"),
        ("out/..", "'out/..' holds the project itself"),
        ("..", "'..' holds the project itself"),
        ("/", "'/' holds the project itself"),
        (5000 * "a", "its path cannot be looked up (File name too long)"),
    ],
)
@pytest.mark.parametrize("command", ["doctor", "run"])
def test_a_root_that_dvc_refuses_is_told_before(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    root: str,
    line: str,
) -> None:
    (project / "out").mkdir()
    Path("params.yaml").write_text(f"prepare_data: {{source: recipe, root: '{root}'}}\n")
    assert _run(monkeypatch, command) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"error: params.yaml: prepare_data.root: {line}")
    assert (told.out, told.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("section", "param"),
    [
        ("compute_flow: {weights: NAME}", "compute_flow.weights"),
        ("train_model: {encoder_weights: NAME}", "train_model.encoder_weights"),
    ],
)
def test_a_path_that_is_too_long_is_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    section: str,
    param: str,
) -> None:
    Path("params.yaml").write_text(section.replace("NAME", 5000 * "a"))
    assert _run(monkeypatch, "doctor") == 1
    assert capsys.readouterr().err == (
        f"error: params.yaml: {param}: its path cannot be looked up (File name too long) — "
        "correct the path, or let this user read its folders\n"
    )
