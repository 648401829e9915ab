"""A collapsed training starts again with another seed, also when it is killed in between."""

from __future__ import annotations

import signal

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import BackdropError
from pipeline.params.training import Compute
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.collapse_watch import CollapseError
from pipeline.training.loop import Training, iteration_rng
from pipeline.training.restarts import attempt_seed, train_with_restarts
from pipeline.training.watch import Watch

COMPUTE = Compute(checkpoint_every=4)


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class PowerCutError(Exception):
    """Stands for a power cut."""


def builder(sound_from: int, die: tuple[int, int] | None = None):
    """Trainings that collapse at iteration 6 before attempt `sound_from`; die at (attempt, i)."""
    steps: list[tuple[int, int]] = []

    def build(attempt: int) -> Training:
        seed = attempt_seed(0, attempt)
        torch.manual_seed(seed)
        module = nn.Linear(3, 1)

        def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
            if (attempt, iteration) == die:
                raise PowerCutError
            steps.append((attempt, iteration))
            x = torch.from_numpy(iteration_rng(seed, iteration).normal(size=(8, 3))).float()
            return module(x).square().mean(), {}

        def judge(trail: list[dict[str, float]]) -> None:
            if attempt < sound_from and trail[-1]["iteration"] == 6:
                raise CollapseError("COLLAPSE")

        watch = Watch(2, lambda: {"score": 0.0}, judge)
        return Training("train_toy", module, step, 12, 0.01, watch=watch, attempt=attempt)

    return build, steps


def run(build, restarts, resume="auto") -> Training:
    return train_with_restarts(build, restarts, COMPUTE, Checkpoint("train_toy", "a", resume))


def test_the_attempt_that_does_not_collapse_is_kept_and_has_its_own_seed(caplog):
    build, steps = builder(sound_from=2)
    with caplog.at_level("WARNING", "backdrop"):
        trained = run(build, restarts=3)
    assert trained.attempt == 2
    assert steps == [(0, i) for i in range(6)] + [(1, i) for i in range(6)] + [
        (2, i) for i in range(12)
    ]
    assert "starting over, attempt 2 of 4" in caplog.text
    sound, _ = builder(sound_from=0)
    weights = [run(sound, 0, "never").module.weight, trained.module.weight]
    assert not torch.equal(*weights)


def test_without_restarts_or_when_they_are_used_up_it_stops():
    for restarts in (0, 2):
        build, steps = builder(sound_from=9)
        with pytest.raises(CollapseError):
            run(build, restarts, "never")
        assert {attempt for attempt, _ in steps} == set(range(restarts + 1))


@pytest.mark.parametrize("die", [(1, 1), (1, 5), (1, 11), (2, 2), (2, 5)])
def test_killed_in_a_later_attempt_it_ends_with_the_same_weights(die):
    whole = run(builder(sound_from=2)[0], 2, "never")
    Checkpoint("train_toy", "a", "auto").remove()
    build, _ = builder(sound_from=2 if die[1] < 6 else 1, die=die)
    with pytest.raises(PowerCutError):
        run(build, 2)
    build, steps = builder(sound_from=2 if die[1] < 6 else 1)
    resumed = run(build, 2, "require")
    assert steps[0] != (0, 0)  # from a checkpoint
    if die[1] < 6:
        assert torch.equal(resumed.module.weight, whole.module.weight)
    else:  # the second attempt was sound: it went on with that one
        assert resumed.attempt == 1
        assert steps[0] == (1, 8)


def test_ctrl_c_in_the_iteration_that_collapses_is_no_restart():
    build, steps = builder(sound_from=1)

    def interrupt(attempt: int) -> Training:
        training = build(attempt)
        plain = training.step

        def step(iteration: int) -> tuple[Tensor, dict[str, Tensor]]:
            if iteration == 5:
                signal.raise_signal(signal.SIGINT)
            return plain(iteration)

        training.step = step
        return training

    with pytest.raises(KeyboardInterrupt):
        run(interrupt, restarts=2)
    assert steps == [(0, i) for i in range(6)]
    assert run(build, 2, "require").attempt == 1


@pytest.mark.parametrize("allowed", [0, 1])
def test_an_attempt_that_the_params_do_not_come_to_is_not_gone_on_from(caplog, allowed):
    """What ran before (an attempt 2) must not show in what the same params give from the start."""
    whole = run(builder(sound_from=allowed)[0], allowed, "never")
    Checkpoint("train_toy", "a", "auto").remove()
    with pytest.raises(CollapseError):
        run(builder(sound_from=9)[0], restarts=2)
    build, steps = builder(sound_from=allowed)
    with pytest.raises(BackdropError, match=r"'require', but the checkpoint is of attempt 3, and"):
        run(build, allowed, "require")
    with caplog.at_level("INFO", "backdrop"):
        trained = run(build, allowed)
    assert steps[0] == (0, 0)
    assert "starting over" in caplog.text
    assert "going on" not in caplog.text
    assert torch.equal(trained.module.weight, whole.module.weight)


def test_more_restarts_go_on_from_the_attempt_that_collapsed_last():
    with pytest.raises(CollapseError):
        run(builder(sound_from=9)[0], restarts=1)
    build, steps = builder(sound_from=2)
    assert run(build, restarts=2).attempt == 2
    assert steps[0] == (1, 4)  # the second attempt's checkpoint


def test_seeds_of_attempts_are_none_of_the_neighbouring_seeds():
    seeds = {attempt_seed(seed, attempt) for seed in range(20) for attempt in range(10)}
    assert len(seeds) == 200
    assert attempt_seed(7, 0) == 7
