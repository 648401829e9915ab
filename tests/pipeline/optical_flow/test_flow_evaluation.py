"""Scores of estimators on pairs: means over known px, the warm-up, and the real triplets."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from models.flow.dis import DisFlow
from models.flow.estimator import OutOfMemoryError
from models.flow.network import NetworkFlow
from models.flow.raft import load
from pipeline.errors import BackdropError
from pipeline.optical_flow.benchmark_pairs import find_pairs
from pipeline.optical_flow.evaluation import (
    ZERO,
    PairScore,
    Summary,
    evaluate,
    format_table,
    summarise,
)
from pipeline.optical_flow.formats import write_flow


class Constant:
    """Says the same flow everywhere, and counts how often it is asked."""

    batch = 1

    def __init__(self, name, flow=(0.0, 0.0), error=None):
        self.name, self.flow, self.error, self.asked = name, flow, error, 0

    def estimate(self, targets, sources):
        assert targets.shape == sources.shape
        assert targets.dtype == sources.dtype == np.uint8
        self.asked += 1
        if self.error:
            raise self.error
        return np.full((*targets.shape[:3], 2), self.flow, np.float32)


@pytest.fixture
def pairs(tmp_path):
    """Two pairs of other sizes; true flow (3, 4), in the second known in one px of 96 only."""
    known = np.zeros((8, 12), bool)
    known[2, 3] = True
    for name, mask in (("a", np.ones((4, 5), bool)), ("b", known)):
        for frame in (1, 2):
            picture = np.zeros((*mask.shape, 3), np.uint8)
            cv2.imwrite(str(tmp_path / f"{name}_img{frame}.ppm"), picture)
        write_flow(tmp_path / f"{name}_flow.flo", np.full((*mask.shape, 2), (3.0, 4.0)), mask)
    return find_pairs(tmp_path)


def test_scores_and_summary(pairs):
    right, wrong = Constant("right", (3.0, 4.0)), Constant("wrong", (3.0, 5.5))
    counted = []
    results = list(evaluate([right, wrong], pairs, counted.append))
    assert sum(counted) == 4
    assert (right.asked, wrong.asked) == (3, 3), "the first pair warms up once"
    assert [set(result.flows) for result in results] == [{ZERO, "right", "wrong"}] * 2
    scores = [score for result in results for score in result.scores]
    assert [score.px for score in scores] == [20] * 3 + [1] * 3
    zero, first, second = summarise(scores)
    assert (zero.backend, zero.epe_px, zero.outliers, zero.pairs) == (ZERO, 5.0, 1.0, 2)
    assert math.isnan(zero.ms)
    assert (first.epe_px, first.outliers) == (0.0, 0.0)
    assert (second.epe_px, second.outliers) == (1.5, 0.0)
    assert second.ms > 0


def test_means_are_over_px_not_over_pairs():
    scores = [PairScore("x", "a", 30, 1.0, 0.0, 10.0), PairScore("x", "b", 10, 5.0, 1.0, 30.0)]
    assert summarise(scores) == [Summary("x", 2.0, 0.25, 20.0, 2)]


def test_the_table_is_aligned():
    table = format_table(
        [Summary(ZERO, 4.583, 0.3621, math.nan, 7), Summary("raft_small", 1.2561, 0.069, 4321.0, 7)]
    )
    assert table.splitlines() == [
        "backend     EPE px  Fl %  ms/pair  pairs",
        "zero flow     4.58  36.2        -      7",
        "raft_small    1.26   6.9     4321      7",
    ]


@pytest.mark.parametrize("error", [ValueError("too small"), OutOfMemoryError("too large")])
def test_a_pair_that_an_estimator_cannot_take_is_told(pairs, error):
    with pytest.raises(BackdropError) as refused:
        list(evaluate([Constant("big", error=error)], pairs, lambda count: None))
    line = str(refused.value)
    assert line.startswith("big: ")
    assert f"a_img1.ppm: cannot take this pair ({error})" in line


def test_dis_beats_zero_flow_on_real_pairs(test_data):
    results = list(evaluate([DisFlow()], find_pairs(test_data / "flow"), lambda count: None))
    zero, dis = summarise([score for result in results for score in result.scores])
    assert zero.epe_px == pytest.approx(4.585, abs=0.001)
    assert dis.epe_px == pytest.approx(2.78, abs=0.1)
    assert dis.outliers < zero.outliers / 2


@pytest.mark.slow
def test_raft_small_beats_dis_on_real_pairs(test_data):
    path = test_data / "weights" / "raft-small.pth"
    network = load(torch.load(path, map_location="cpu", weights_only=True))
    estimator = NetworkFlow("raft", network, torch.device("cpu"), batch=1, half=False)
    results = list(evaluate([estimator], find_pairs(test_data / "flow"), lambda count: None))
    _, raft = summarise([score for result in results for score in result.scores])
    # 1.2561 px by the reference network of tests/models/flow/test_raft_reference.py
    assert raft.epe_px == pytest.approx(1.2561, rel=0.02)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_flow_that_is_not_finite_is_an_error_and_no_score(pairs, value):
    with pytest.raises(BackdropError) as refused:
        list(evaluate([Constant("mad", (3.0, value))], pairs, lambda count: None))
    line = str(refused.value)
    assert line.startswith("mad: a_img1: the endpoint error is not finite — ")
    assert "--backend" in line
