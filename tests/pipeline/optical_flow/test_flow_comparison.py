"""The picture of a pair: same colours for same flow, errors bright, the unknown grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.drawing.captions import GAP
from pipeline.optical_flow.benchmark_pairs import BenchmarkPair, LoadedPair
from pipeline.optical_flow.comparison import NOT_KNOWN, WIDTH, draw_comparison
from pipeline.optical_flow.evaluation import ZERO, PairResult, PairScore

SIZE = (48, 80)


@pytest.fixture
def result():
    frame = np.full((*SIZE, 3), 90, np.uint8)
    truth, known = np.zeros((*SIZE, 2), np.float32), np.ones(SIZE, bool)
    truth[:, 40:] = (8.0, 0.0)
    known[:, :10] = False
    far, bad = truth.copy(), truth.copy()
    far[:, 40:] = (80.0, 0.0)  # beyond the scale
    bad[:, 20:] = (0.0, -8.0)
    flows = {ZERO: np.zeros_like(truth), "right": truth, "far": far, "wrong": bad}
    scores = [PairScore(name, "pair", 1, 1.5, 0.0, 1.0) for name in flows]
    pair = BenchmarkPair("pair", Path("a.ppm"), Path("b.ppm"), Path("c.flo"))
    return PairResult(pair, LoadedPair(frame, frame, truth, known), flows, scores)


def test_a_row_of_pictures_for_each_backend(result):
    picture = draw_comparison(result)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 5 * WIDTH + 4 * GAP  # frames, truth, three backends
    upper, lower = WIDTH * SIZE[0] // SIZE[1] // 2, len(picture) * 3 // 4

    def at(column, x, y):
        return picture[y, column * (WIDTH + GAP) + x].tolist()

    right_side, left_side, unknown = WIDTH * 3 // 4, WIDTH * 3 // 8, WIDTH // 16
    assert at(1, unknown, upper) == [NOT_KNOWN] * 3
    assert at(1, left_side, upper) == [255] * 3, "what stands still is white"
    red, green, blue = at(1, right_side, upper)
    assert red > 200 > max(green, blue), "to the right is red in Middlebury's wheel"
    assert at(2, right_side, upper) == at(3, right_side, upper) == [red, green, blue]
    assert at(4, right_side, upper) != [red, green, blue]
    assert at(2, unknown, lower) == at(4, unknown, lower) == [NOT_KNOWN] * 3
    assert sum(at(2, right_side, lower)) < 30 < 500 < sum(at(4, right_side, lower))


def test_nothing_moves(result):
    still = {name: np.zeros_like(flow) for name, flow in result.flows.items()}
    loaded = result.loaded._replace(flow=still[ZERO])
    picture = draw_comparison(PairResult(result.pair, loaded, still, result.scores))
    assert picture[80, WIDTH + GAP + WIDTH // 2].tolist() == [255] * 3
