from __future__ import annotations

import pytest

from pipeline.training.watch import best, stalled


def trail(*scores: float) -> list[dict[str, float]]:
    return [{"iteration": 10 * (i + 1), "score": score} for i, score in enumerate(scores)]


RISE_AND_FALL = (0.1, 0.3, 0.5, 0.55, 0.5, 0.45, 0.4, 0.3)
"""As DESIGN section 7 saw box IoU: a peak about halfway, then boxes grow."""


def test_the_first_of_equal_scores_is_best():
    assert best(trail(0.2, 0.6, 0.6, 0.1)) == 1


@pytest.mark.parametrize(
    ("patience", "stops_after"), [(0, None), (1, 5), (2, 6), (4, 8), (5, None)]
)
def test_it_stops_patience_looks_after_the_peak(patience, stops_after):
    lengths = range(1, len(RISE_AND_FALL) + 1)
    stops = [n for n in lengths if stalled(trail(*RISE_AND_FALL[:n]), patience)]
    assert stops[:1] == ([] if stops_after is None else [stops_after])


def test_a_dip_shorter_than_the_patience_is_waited_out():
    assert not stalled(trail(0.5, 0.4, 0.3, 0.6), 3)
    assert not any(stalled(trail(*range(n)), 1) for n in range(1, 9))
