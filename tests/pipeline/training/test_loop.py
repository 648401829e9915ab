"""Interrupting a training and going on gives, bit for bit, what an uninterrupted one gives."""

from __future__ import annotations

import io
import math
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_files import dead_process
from torch import Tensor, nn

from pipeline.errors import BackdropError
from pipeline.params.optimisation import Optimisation
from pipeline.params.training import Compute
from pipeline.store.paths import CURVES
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import Training, iteration_rng, train
from pipeline.training.optimiser import learning_rate_at
from pipeline.training.watch import Watch

COMPUTE = Compute(checkpoint_every=5)


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class PowerCutError(Exception):
    """Stands for a power cut."""


def training(die_at: int | None = None, broken_at: int | None = None) -> Training:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        if iteration == die_at:
            raise PowerCutError
        x = torch.from_numpy(iteration_rng(0, iteration).normal(size=(16, 4))).float()
        loss = (module(x)[:, 0] - x.sum(dim=1)).square().mean()
        if iteration == broken_at:
            loss = loss * math.nan
        return loss, {"loss": loss.detach()}

    return Training("train_toy", module, step, 20, 0.05)


def watched(die_at: int | None = None, scores: tuple[float, ...] = ()) -> Training:
    """With average and watch; the looks see `scores`, or the weights themselves."""
    run = training(die_at)
    seen = iter(scores)

    def look() -> dict[str, float]:
        assert not run.module.training
        weight = float(run.module[0].weight.sum())
        return {"weight": weight, "score": next(seen, math.sin(100 * weight))}

    run.optimisation = Optimisation(ema=0.9, schedule="constant", clip_norm=1.0)
    run.watch = Watch(3, look, lambda trail: None, patience=3)
    return run


def checkpoint(resume="auto", fingerprint="a") -> Checkpoint:
    return Checkpoint("train_toy", fingerprint, resume)


def curve_bytes() -> dict[str, bytes]:
    files = sorted((CURVES / "train_toy").rglob("*.tsv"))
    return {str(path): path.read_bytes() for path in files}


def run_whole(make=training) -> tuple[dict[str, Tensor], dict[str, bytes]]:
    whole = make()
    train(whole, COMPUTE, checkpoint())
    return whole.module.state_dict(), curve_bytes()


@pytest.mark.parametrize("make", [training, watched])
def test_resumed_training_is_bit_identical_with_the_same_curves(make):
    expected, curves = run_whole(make)
    checkpoint().remove()
    with pytest.raises(PowerCutError):
        train(make(die_at=13), COMPUTE, checkpoint())
    assert checkpoint().load()["iteration"] == 10
    resumed = make()
    train(resumed, COMPUTE, checkpoint("require"))
    for name, value in resumed.module.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert curve_bytes() == curves
    assert curves


def interrupted_at(run: Training, iteration: int) -> Training:
    """Ctrl-C in the midst of an iteration."""
    plain = run.step

    def step(now: int) -> tuple[Tensor, dict[str, Tensor]]:
        if now == iteration:
            signal.raise_signal(signal.SIGINT)
        return plain(now)

    run.step = step
    return run


@pytest.mark.parametrize("make", [training, watched])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("every", [1, 1000])
def test_ctrl_c_saves_the_iteration_at_hand_and_changes_nothing(make, last, every):
    expected, curves = run_whole(make)
    checkpoint().remove()
    compute = Compute(checkpoint_every=every)
    losses = (CURVES / "train_toy" / "plots" / "metrics" / "loss.tsv").read_text().splitlines()
    at = len(losses) - 2 if last else 7  # the watch ends the watched one early
    with pytest.raises(KeyboardInterrupt):
        train(interrupted_at(make(), at), compute, checkpoint())
    assert checkpoint().load()["iteration"] == at + 1
    resumed = make()
    train(resumed, compute, checkpoint("require"))
    for name, value in resumed.module.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert curve_bytes() == curves


def test_looking_changes_nothing_of_the_training():
    plain, observed = training(), watched()
    plain.optimisation = observed.optimisation
    observed.watch = Watch(3, observed.watch.look, lambda trail: None)
    for run in (plain, observed):
        train(run, COMPUTE, checkpoint())
        checkpoint().remove()
    for name, value in plain.module.state_dict().items():
        assert torch.equal(observed.module.state_dict()[name], value), name


def test_early_stop_keeps_the_weights_of_the_best_look(caplog):
    """Looks after iterations 3, 6, 9, ...; the second is best, the fifth is the third worse one."""
    run = watched(scores=(0.1, 0.7, 0.3, 0.7, 0.2, 0.9))
    with caplog.at_level("INFO", "backdrop"):
        train(run, Compute(checkpoint_every=1), checkpoint())
    assert checkpoint().load()["iteration"] == 15
    assert "keeps iteration 6, score 0.700" in caplog.text
    shorter = watched(scores=(0.1, 0.7))
    shorter.iterations = 6  # the schedule is constant
    checkpoint().remove()
    train(shorter, COMPUTE, checkpoint())
    for name, value in shorter.module.state_dict().items():
        assert torch.equal(run.module.state_dict()[name], value), name


def test_curves_hold_rate_gradient_and_looks():
    run_whole(watched)
    metrics = CURVES / "train_toy" / "plots" / "metrics"
    names = {p.relative_to(metrics).with_suffix("").as_posix() for p in metrics.rglob("*.tsv")}
    watch = {"watch/weight", "watch/score"}
    assert names == {"loss", "learning_rate", "grad_norm", "ema_distance"} | watch
    rates = (metrics / "learning_rate.tsv").read_text().splitlines()
    assert float(rates[4].split("\t")[1]) == pytest.approx(0.05 * 4 / 100)
    looks = (metrics / "watch" / "score.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in looks] == ["3", "6", "9", "12", "15", "18"][
        : len(looks)
    ]


def test_a_term_is_averaged_over_the_iterations_that_had_it():
    run = training()
    plain = run.step

    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = plain(iteration)
        return loss, {**terms, "late": torch.tensor(6.0)} if iteration >= 205 else terms

    run.step, run.iterations = step, 1000  # a point of the curves every 10 iterations
    train(run, COMPUTE, checkpoint())
    late = (CURVES / "train_toy" / "plots" / "metrics" / "late.tsv").read_text().splitlines()
    assert [line.split("\t") for line in late[1:3]] == [["210", "6.0"], ["220", "6.0"]]


def test_the_gradient_is_clipped_to_the_norm_asked_for():
    run = training()
    run.optimisation, run.iterations = Optimisation(clip_norm=0.01), 1
    train(run, COMPUTE, checkpoint())
    norm = torch.stack([p.grad.norm() for p in run.module.parameters()]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)


def test_it_learns():
    run = training()
    run.iterations = 200
    losses = []
    step = run.step
    run.step = lambda i: losses.append(step(i)) or losses[-1]
    train(run, COMPUTE, checkpoint())
    assert float(losses[-1][0].detach()) < 0.2 * float(losses[0][0].detach())


def test_another_fingerprint_starts_over_or_is_refused_in_words(caplog):
    with pytest.raises(PowerCutError):
        train(training(die_at=7), COMPUTE, checkpoint())
    with pytest.raises(BackdropError, match="other params, data, code or libraries"):
        checkpoint("require", fingerprint="b").load()
    with caplog.at_level("INFO", "backdrop"):
        assert checkpoint("auto", fingerprint="b").load() is None
    assert "starting over" in caplog.text
    assert checkpoint("never").load() is None


def test_damaged_checkpoint_starts_over_and_missing_one_is_refused_if_required():
    with pytest.raises(BackdropError, match="no checkpoint"):
        checkpoint("require").load()
    checkpoint().save({"iteration": 3})
    whole = checkpoint().path.read_bytes()
    checkpoint().path.write_bytes(whole[: len(whole) // 2])
    assert checkpoint("auto").load() is None


def damaged() -> Iterator[bytes]:
    """Another's file, noise, pickles of noise, and checkpoints with some wrong bytes."""
    rng, foreign = np.random.default_rng(0), io.BytesIO()
    torch.save([1, 2], foreign)
    checkpoint().save({"iteration": 3, "w": torch.arange(50.0)})
    whole = np.frombuffer(checkpoint().path.read_bytes(), np.uint8)
    yield from (foreign.getvalue(), b"")
    for _ in range(100):
        yield rng.bytes(rng.integers(1, 400))
        yield b"\x80\x02" + rng.bytes(rng.integers(1, 60))
        wrong = whole.copy()
        wrong[rng.integers(0, len(wrong), 3)] = rng.integers(0, 256, 3)
        yield wrong.tobytes()


def test_a_checkpoint_of_wrong_bytes_starts_over_whatever_they_are():
    for content in damaged():
        checkpoint().path.write_bytes(content)
        state = checkpoint("auto").load()
        assert state is None or state["iteration"] == 3  # the bytes between the records


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_what_a_killed_run_has_half_written_goes_when_the_next_begins(resume):
    path = checkpoint().path
    killed = path.with_name(f".train_toy.{dead_process()}.partial.pt")
    other = path.with_name(f".train_other.{dead_process()}.partial.pt")
    path.parent.mkdir(parents=True)
    for file in (killed, other):
        file.touch()
    train(training(), COMPUTE, checkpoint(resume))
    assert {file.name for file in path.parent.iterdir()} == {path.name, other.name}


def test_a_loss_that_is_not_finite_stops_with_a_line():
    with pytest.raises(BackdropError, match=r"nan at iteration 4.*learning_rate"):
        train(training(broken_at=4), COMPUTE, checkpoint())


def test_a_gradient_that_is_not_finite_stops_even_the_last_iteration():
    """sqrt at 0: the loss is 0, its slope infinite; what it would leave is weights that are NaN."""

    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        loss = toy.weight.sum() * 0 if iteration < 19 else (toy.weight.sum() * 0).sqrt()
        return loss, {}

    toy = nn.Linear(1, 1)
    with pytest.raises(BackdropError, match=r"^train_toy: the gradient's norm became nan"):
        train(Training("train_toy", toy, step, 20, 0.05), COMPUTE, checkpoint())


def test_a_step_that_cannot_draw_any_more_is_told_like_a_loss_that_diverged():
    def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
        raise FloatingPointError("the cells' probabilities became nan")

    broken = Training("train_toy", nn.Linear(1, 1), step, 20, 0.05)
    with pytest.raises(BackdropError, match=r"^train_toy: .* nan at iteration 0 . lower its lear"):
        train(broken, COMPUTE, checkpoint())


def test_checkpoint_holds_no_code(tmp_path: Path):
    checkpoint().save({"iteration": 1})
    state = torch.load(checkpoint().path, weights_only=True)
    assert state == {"iteration": 1, "fingerprint": "a"}


def test_learning_rate_rises_then_falls_to_a_hundredth():
    rates = [learning_rate_at(i, 1000, 0.5) for i in range(1000)]
    assert rates[0] == pytest.approx(0.005)
    assert max(rates) == pytest.approx(0.5, rel=0.05)
    assert rates.index(max(rates)) == 99
    assert rates[-1] == pytest.approx(0.005, rel=0.01)


def test_constant_learning_rate_stays_after_its_rise():
    rates = [learning_rate_at(i, 1000, 0.5, "constant") for i in range(1000)]
    assert rates[:99] == sorted(rates[:99])
    assert set(rates[99:]) == {0.5}


def test_a_repository_without_a_commit_is_named():
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    with pytest.raises(BackdropError, match=r"git repository cannot be used.*commit something"):
        train(training(), COMPUTE, checkpoint())


def test_looks_begin_after_the_warm_up_and_the_last_is_at_the_end():
    asked = Watch(3, dict, lambda trail: None, after=7)
    assert [done for done in range(1, 15) if asked.due(done, 13)] == [9, 12]  # too soon for another
    assert [done for done in range(1, 15) if asked.due(done, 14)] == [9, 12, 14]
    for every in (14, 40):  # none was before
        asked = Watch(every, dict, lambda trail: None, after=7)
        assert [done for done in range(1, 15) if asked.due(done, 14)] == [14]


def test_a_look_sees_the_weights_that_would_be_kept():
    """The average, not where the last step went; the training then goes on from there."""
    run, seen = training(), []
    run.optimisation = Optimisation(ema=0.9, schedule="constant")

    def look() -> dict[str, float]:
        seen.append(run.module[0].weight.detach().clone())
        return {"score": 0.0}

    run.watch = Watch(20, look, lambda trail: None)
    train(run, COMPUTE, checkpoint())
    assert torch.equal(seen[-1], run.module[0].weight)  # the average, after 20 of 20 iterations
    last = training()
    last.optimisation = Optimisation(schedule="constant")
    train(last, COMPUTE, checkpoint(fingerprint="b"))
    assert not torch.allclose(seen[-1], last.module[0].weight, atol=1e-3)
