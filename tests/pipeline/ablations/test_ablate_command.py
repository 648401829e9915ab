"""`backdrop ablate` on small DVC projects: queue, run, results, and the lines for mistakes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
from helpers_dvc import commit, dvc

from pipeline.ablations.dvc_experiments import untracked
from pipeline.cli import main
from pipeline.errors import BackdropError
from pipeline.params.schema import Params, read_params


def _ablate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["backdrop", "ablate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_dry_run_lists_and_touches_nothing(project, monkeypatch, capsys) -> None:
    before = sorted(project.rglob("*"))
    code, out, _ = _ablate(monkeypatch, capsys, "--dry-run", "--table", "4", "--seeds", "0")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines() if line.startswith("  table4-")]
    assert len(names) == len(set(names)) == 18
    assert "[b [0.2, 0.8], lambda 0.001]  paper: J 0.67, F 0.73" in out
    assert "train_model.loss.mask_prior_lambda=0.001, compute.seed=0" in out
    assert sorted(project.rglob("*")) == before


@pytest.mark.slow
def test_run_then_results(project, monkeypatch, capsys) -> None:
    """Experiments run one by one in copies that hold the user's data; a failed one stops nobody."""
    arguments = ["--table", "ours", "--seeds", "0,1"]
    code, _, err = _ablate(monkeypatch, capsys, "--run", *arguments)
    assert code == 1
    assert "2 of 6 experiments failed: ours-no-flow-s0, ours-no-flow-s1" in err
    code, out, _ = _ablate(monkeypatch, capsys, "--results", "--table", "ours", "--csv", "r.csv")
    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("| w/ flow"))
    # Seeds give 0.5 and 0.6: deviation 0.1 / sqrt(2); the second is called a collapse.
    assert row.endswith("| " + " | ".join(["0.550 ± 0.071"] * 4) + " | 2 | 1 |")
    assert (project / "r.csv").read_text().count("ours-flow-s") == 2
    assert read_params(project / "params.yaml").compute.seed == 0


def test_queue_once_and_refuse_other_params(project, monkeypatch, capsys) -> None:
    arguments = ["--table", "ours", "--seeds", "0"]
    code, out, _ = _ablate(monkeypatch, capsys, *arguments)
    assert (code, "queued 3" in out) == (0, True)
    shown = json.loads(dvc(project, "exp", "show", "--json").stdout)
    queued = {run["name"]: run["executor"]["state"] for run in shown[1]["experiments"]}
    assert queued == {
        "ours-no-flow-s0": "queued",
        "ours-flow-s0": "queued",
        "ours-self-train-s0": "queued",
    }
    code, out, _ = _ablate(monkeypatch, capsys, *arguments)
    assert "3 of 3 are there already" in out
    other = [*arguments, "--set", "train_model.iterations=7"]
    code, _, err = _ablate(monkeypatch, capsys, *other)
    assert code == 1
    assert "is there already (queued), with another train_model.iterations" in err
    code, out, _ = _ablate(monkeypatch, capsys, *other, "--label", "short")
    assert (code, "queued 3" in out) == (0, True)


def test_mistakes_are_one_line(project, tmp_path_factory, monkeypatch, capsys) -> None:
    cases = [(["--results"], "no experiments of these tables yet")]
    cases += [(["--table", "5"], "unknown table 'table5'"), (["--seeds", "x"], "--seeds")]
    cases += [(["--set", "train_model.lose.flow=1"], "did you mean 'loss'?")]
    cases += [(["--results", "--rev", "nowhere"], "DVC cannot list experiments")]
    for arguments, line in cases:
        code, out, err = _ablate(monkeypatch, capsys, *arguments)
        assert (code, out, err.count("\n")) == (1, "", 1), arguments
        assert line in err
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert "no dvc.yaml here" in _ablate(monkeypatch, capsys)[2]
    for name in ("dvc.yaml", "params.yaml"):
        (elsewhere / name).write_text((project / name).read_text())
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(elsewhere.parent))
    assert "is not in a git repository" in _ablate(monkeypatch, capsys)[2]
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert "holds no commit" in _ablate(monkeypatch, capsys)[2]


def test_copies_are_what_git_does_not_hold(project) -> None:
    weights = project / "weights/flow"
    weights.mkdir(parents=True)
    (weights / "README.md").write_text("held")
    commit(project)
    (weights / "raft.pth").write_bytes(b"")
    params = read_params(project / "params.yaml")
    assert untracked(project, params) == ["data/raw/own", "weights/flow/raft.pth"]
    assert untracked(project, Params()) == ["weights/flow/raft.pth"]


def test_a_folder_below_one_that_git_holds_goes_whole(project) -> None:
    """DVC makes no folders on the way to a file."""
    weights = project / "weights/flow"
    (weights / "raft" / "models").mkdir(parents=True)
    (weights / "README.md").write_text("held")
    commit(project)
    (weights / "raft" / "models" / "raft.pth").write_bytes(b"")
    (weights / "own.pth").write_bytes(b"")
    assert untracked(project, Params()) == ["weights/flow/own.pth", "weights/flow/raft"]


def test_data_outside_of_the_project_need_an_absolute_path(project) -> None:
    outside = project.parent / "elsewhere"
    outside.mkdir()
    relative, absolute = (
        Params.model_validate({"prepare_data": {"source": "videos", "root": root}})
        for root in ("../elsewhere", str(outside))
    )
    with pytest.raises(BackdropError, match=r"\.\./elsewhere: lies outside of the project"):
        untracked(project, relative)
    assert untracked(project, absolute) == []


def test_encoders_and_backgrounds_that_git_does_not_hold_go_with_it(project) -> None:
    for path in ("weights/encoder/a.pth", "weights/encoder/b.pth", "data/backgrounds/room.png"):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(b"")
    params = Params.model_validate(
        {
            "train_model": {
                "encoder": "resnet50",
                "encoder_weights": "weights/encoder/a.pth",
                "loss": {"perceptual": 2.0, "perceptual_encoder_weights": "weights/encoder/b.pth"},
            },
            "train_inpainter": {"rgb": {"background": "image"}},
        }
    )
    assert untracked(project, params) == [
        "weights/encoder/a.pth",
        "weights/encoder/b.pth",
        "data/backgrounds",
    ]


def test_a_checkpoint_that_is_missing_is_told_before_anything_is_queued(
    project, monkeypatch, capsys
) -> None:
    told = _ablate(monkeypatch, capsys, "--dry-run", "--checkpoint", "dino.pth")
    assert told[0] == 1
    assert "--checkpoint dino.pth: is missing" in told[2]


def test_a_checkpoint_of_something_else_is_told_before_anything_is_queued(
    project, monkeypatch, capsys
) -> None:
    torch.save({"conv1.weight": torch.zeros(3, 3)}, project / "other.pth")
    (project / "film.mp4").write_bytes(b"not weights at all")
    for file, line in (("other.pth", "does not fit resnet50"), ("film.mp4", "is damaged")):
        told = _ablate(monkeypatch, capsys, "--dry-run", "--table", "3", "--checkpoint", file)
        assert told[0] == 1
        assert line in told[2]


def test_a_name_that_is_no_utf8_is_copied_too(project) -> None:
    (project / "weights/flow").mkdir(parents=True)
    (project / "weights/flow/README.md").write_text("held by git")
    commit(project)
    odd = "weights/flow/r\udce9seau.pt"
    (project / odd).touch()
    params = read_params(Path("params.yaml"))
    flow = params.compute_flow.model_copy(update={"weights": "weights/flow"})
    assert odd in untracked(project, params.model_copy(update={"compute_flow": flow}))
