"""`backdrop eval-flow`: its table, CSV and pictures, and its mistakes in one line."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch
from helpers_motion import texture

from models.flownet2.variants import FlowNet2SD
from pipeline.cli import main
from pipeline.optical_flow import eval_command
from pipeline.optical_flow.formats import write_flow
from pipeline.optical_flow.weights import save_own


@dataclass
class Stub:
    """A choice that is its own estimator and always right."""

    name: str
    reason: str = "asked for"
    device: str = "cpu"
    batch: int = 1

    def make(self):
        return self

    def estimate(self, targets, sources):
        return np.full((*targets.shape[:3], 2), (2.0, 0.0), np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two pairs that move 2 px to the right, one of them in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set" / "more").mkdir(parents=True)
    wall = texture(64, 98)
    for name in ("set/a", "set/more/b"):
        cv2.imwrite(f"{name}_img1.ppm", wall[:, 2:])
        cv2.imwrite(f"{name}_img2.ppm", wall[:, :-2])
        flow = np.full((64, 96, 2), (2.0, 0.0))
        write_flow(tmp_path / f"{name}_flow.flo", flow, np.ones((64, 96), bool))
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["backdrop", "eval-flow", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_table_csv_and_pictures(folder, monkeypatch, capsys):
    asked = ["set", "--backend", "dis", "--csv", "out/scores.csv", "--pictures", "out"]
    assert run(monkeypatch, *asked) == 0
    told = capsys.readouterr().out
    assert "dis-medium: asked for" in told
    assert "2 pairs in set; CPU with" in told
    header, zero, dis = [line.split() for line in told.splitlines()[-3:]]
    assert header == ["backend", "EPE", "px", "Fl", "%", "ms/pair", "pairs"]
    assert zero == ["zero", "flow", "2.00", "0.0", "-", "2"]
    assert dis[0] == "dis-medium"
    assert float(dis[1]) < 0.5
    with (folder / "out" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["backend"], row["pair"]) for row in rows] == [
        ("zero flow", "a_img1"),
        ("dis-medium", "a_img1"),
        ("zero flow", "more/b_img1"),
        ("dis-medium", "more/b_img1"),
    ]
    assert rows[0]["epe_px"] == "2.0"
    assert rows[0]["ms"] == ""
    assert float(rows[1]["ms"]) > 0
    assert sorted(path.name for path in (folder / "out").glob("*.png")) == [
        "a_img1.png",
        "more_b_img1.png",
    ]


def test_all_that_can_run_here_by_default(folder, monkeypatch, capsys):
    monkeypatch.setattr(
        eval_command, "available", lambda settings: [Stub("x"), Stub(settings.weights)]
    )
    monkeypatch.setattr(eval_command, "choose_estimator", lambda settings: Stub("x"))
    assert run(monkeypatch, "set", "--weights", "there") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert names == ["backend", "zero", "x", "there"]
    assert run(monkeypatch, "set", "--backend", "all", "--backend", "dis") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert names == ["backend", "zero", "x", "weights/flow"], "x is there once"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere: is no folder — looked for FlyingChairs"),
        (["half"], "c_flow.flo: is half a pair: there is no c_img1.ppm and no c_img2.ppm"),
        (["set", "--backend", "dsi"], "--backend dsi: is no backend — did you mean 'dis'?"),
        (["set", "--backend", "dis", "--csv", "set"], "set: cannot be written"),
        (
            ["set", "--backend", "dis", "--csv", "new", "--pictures", "new"],
            "new: is given for both the table and the folder of pictures — give --csv and",
        ),
    ],
)
def test_mistakes_are_one_line(folder, monkeypatch, capsys, arguments, line):
    (folder / "half").mkdir()
    (folder / "half" / "c_flow.flo").touch()
    assert run(monkeypatch, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert line in error
    assert error.count("\n") == 1


def test_a_network_too_large_for_the_gpu_is_one_line(folder, monkeypatch, capsys):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB")

    save_own(folder / "own.safetensors", FlowNet2SD(width=0.05), {"own": 1, "dis-medium": 2})
    monkeypatch.setattr(torch.nn.Module, "to", full)
    assert run(monkeypatch, "set", "--weights", "own.safetensors") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: flownet2_sd ")
    assert "does not fit the memory of the GPU" in error
    assert error.count("\n") == 1


def test_without_weights_it_says_that_dis_is_alone(folder, monkeypatch, capsys):
    assert run(monkeypatch, "set") == 0
    assert "dis-medium: no weights in weights/flow: DIS alone" in capsys.readouterr().out
    assert run(monkeypatch, "set", "--weights", "nowhere") == 1
    assert capsys.readouterr().err.startswith("error: nowhere: is missing")


@pytest.mark.parametrize(
    ("option", "to", "line"),
    [
        ("--csv", "set", "set: cannot be written (Is a directory) — that is a folder"),
        ("--csv", "file/scores.csv", "file/scores.csv: cannot be written (Not a directory) — a "),
        ("--pictures", "file", "file/a_img1.png: cannot be written (Not a directory) — a file"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_estimated(
    folder, monkeypatch, capsys, option, to, line
):
    def never(*_):
        pytest.fail("it was estimated first")

    (folder / "file").touch()
    monkeypatch.setattr(eval_command, "evaluate", never)
    assert run(monkeypatch, "set", "--backend", "dis", option, to) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {line}")
    assert error.count("\n") == 1
