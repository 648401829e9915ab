"""The stage in this process on a tiny project: cut off anywhere, it ends with the same bytes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import h5py
import pytest
import yaml
from helpers_artifacts import make_project
from helpers_records import record_training_set
from helpers_training import TINY, write_inpainter

from pipeline.errors import BackdropError
from pipeline.store.paths import CURVES, FRAMES, MODEL, video_file
from pipeline.training.collapse_watch import CollapseError
from stages import train_model

NETWORK = {"height": 48, "width": 64}
TRAINING = {
    **TINY,
    "iterations": 9,
    "warmup_iterations": 3,
    "warmup_frames": 4,
    "optimisation": {"ema": 0.5},
    "watch": {"every": 2, "early_stop": 3, "collapse": "warn"},
}


class PowerCutError(Exception):
    """Stands for a power cut."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, videos=["train", "train"], frames=8)
    for kind in ("rgb", "flow"):
        write_inpainter(**NETWORK, kind=kind)
    set_params()


def set_params(**changes: object) -> None:
    params = {
        "compute": {"threads": 1, "checkpoint_every": 2},
        "network": NETWORK,
        "train_model": {**TRAINING, **changes},
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))


def cut_off_at(iteration: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step = train_model.ModelStep.__call__

    def cut(self, now: int):
        if now == iteration:
            raise PowerCutError
        return step(self, now)

    with monkeypatch.context() as patch:
        patch.setattr(train_model.ModelStep, "__call__", cut)
        with pytest.raises(PowerCutError):
            train_model.main()


def interrupt_at(iteration: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step = train_model.ModelStep.__call__

    def interrupted(self, now: int):
        if now == iteration:
            signal.raise_signal(signal.SIGINT)
        return step(self, now)

    with monkeypatch.context() as patch:
        patch.setattr(train_model.ModelStep, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_model.main()


def results() -> dict[str, bytes]:
    files = [*MODEL.iterdir(), *(CURVES / "train_model").rglob("*.tsv")]
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize("iteration", [2, 7])
def test_cut_off_in_warm_up_or_later_it_ends_with_the_same_bytes(project, monkeypatch, iteration):
    train_model.main()
    expected = results()
    assert any(name.endswith("watch/agreement.tsv") for name in expected)
    cut_off_at(iteration, monkeypatch)
    train_model.main()
    assert results() == expected


@pytest.mark.parametrize("iteration", [0, 6, 8])
def test_after_ctrl_c_it_goes_on_from_there_to_the_same_bytes(
    project, monkeypatch, caplog, iteration
):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["compute"]["checkpoint_every"] = 200
    Path("params.yaml").write_text(yaml.safe_dump(params))
    train_model.main()
    expected = results()
    interrupt_at(iteration, monkeypatch)
    with caplog.at_level("INFO", "backdrop"):
        train_model.main()
    assert f"going on from iteration {iteration + 1}" in caplog.text
    assert results() == expected


def test_cut_off_on_other_frames_it_starts_over(project, monkeypatch, caplog):
    """A background that is given, unlike an inpainter, is the same whatever the frames show."""
    cut_off_at(7, monkeypatch)
    with h5py.File(video_file(FRAMES, "clip_0"), "r+") as file:
        file["frames"][0, :9] = 7
    with pytest.raises(
        BackdropError, match=r"clip_0\.h5: is not the file .*dvc repro training_set"
    ):
        train_model.main()
    record_training_set()
    with caplog.at_level("INFO"):
        train_model.main()
    assert "starting over" in caplog.text


def test_a_collapse_restarts_with_another_seed_which_config_json_tells(project, monkeypatch):
    judged = []

    def collapse_once(self, trail):
        judged.append(len(trail))
        if judged.count(3) == 1 and len(trail) == 3:
            raise CollapseError("COLLAPSE")

    monkeypatch.setattr(train_model.CollapseWatch, "__call__", collapse_once)
    set_params(restarts=1, watch={**TRAINING["watch"], "collapse": "stop"})
    train_model.main()
    assert json.loads((MODEL / "config.json").read_text())["attempt"] == 1
    other = (MODEL / "model.safetensors").read_bytes()
    train_model.main()  # judged a second time: this one does not collapse
    assert json.loads((MODEL / "config.json").read_text())["attempt"] == 0
    assert (MODEL / "model.safetensors").read_bytes() != other


def test_after_a_collapse_warn_goes_on_from_the_checkpoint(project, monkeypatch, caplog):
    set_params(watch={**TRAINING["watch"], "collapse": "stop"})
    cut_off_at(7, monkeypatch)
    set_params(restarts=2)
    with caplog.at_level("INFO", "backdrop"):
        train_model.main()
    assert "going on from iteration 6" in caplog.text


def test_after_two_collapses_warn_gives_what_it_gives_without_a_checkpoint(project, monkeypatch):
    """The first attempt: results must not depend on what ran before."""
    set_params(restarts=1)  # warn
    train_model.main()
    expected = results()
    stop = {**TRAINING["watch"], "collapse": "stop"}

    def collapse(self, trail):
        if len(trail) == 3:
            raise CollapseError("COLLAPSE")

    with monkeypatch.context() as patch:
        patch.setattr(train_model.CollapseWatch, "__call__", collapse)
        set_params(restarts=1, watch=stop)
        with pytest.raises(CollapseError):
            train_model.main()
    set_params(restarts=1)
    train_model.main()
    assert results() == expected
