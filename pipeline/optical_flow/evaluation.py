"""Endpoint error, outliers and time of flow estimators on pairs whose flow is known.

for result in evaluate(choices, pairs, advance):
    ...  # each backend on one pair
format_table(summarise(results))
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.flow.estimator import FlowEstimator, OutOfMemoryError
from models.flow.metrics import endpoint_error, outliers
from pipeline.errors import BackdropError
from pipeline.optical_flow.benchmark_pairs import BenchmarkPair, LoadedPair, load_pair
from pipeline.pool import Advance

ZERO = "zero flow"  # the floor: what saying "nothing moves" scores


@dataclass(frozen=True)
class PairScore:
    """A backend on one pair.

    Attributes:
        backend: its name.
        pair: name.
        px: whose true flow is known.
        epe_px: mean endpoint error over these.
        outliers: share of these that are outliers, 0..1 (`models.flow.metrics.outliers`).
        ms: time of the estimate; NaN for zero flow.
    """

    backend: str
    pair: str
    px: int
    epe_px: float
    outliers: float
    ms: float


@dataclass(frozen=True)
class PairResult:
    """What all backends make of one pair; flows are float32 (H, W, 2) px by backend."""

    pair: BenchmarkPair
    loaded: LoadedPair
    flows: Mapping[str, NDArray[np.float32]]
    scores: Sequence[PairScore]


@dataclass(frozen=True)
class Summary:
    """A backend over all pairs: means over all px, KITTI's way; ms is a mean over pairs."""

    backend: str
    epe_px: float
    outliers: float
    ms: float
    pairs: int


def evaluate(
    estimators: Sequence[FlowEstimator], pairs: Sequence[BenchmarkPair], advance: Advance
) -> Iterator[PairResult]:
    """Run all estimators on one pair after the other; the first pair warms them up, untimed.

    Raises:
        BackdropError: a pair cannot be read, or an estimator cannot take it or gives flow for it
            that is not finite.
    """
    warm = False
    for pair in pairs:
        loaded = load_pair(pair)
        flows = {ZERO: np.zeros_like(loaded.flow)}
        scores = [_score(ZERO, pair.name, flows[ZERO], loaded, float("nan"))]
        for estimator in estimators:
            if not warm:
                _estimate(estimator, pair, loaded)
            started = time.perf_counter()
            flow = _estimate(estimator, pair, loaded)
            ms = 1000 * (time.perf_counter() - started)
            flows[estimator.name] = flow
            scores.append(_score(estimator.name, pair.name, flow, loaded, ms))
            advance(1)
        warm = True
        yield PairResult(pair, loaded, flows, scores)


def summarise(scores: Sequence[PairScore]) -> list[Summary]:
    """A summary per backend, in the order of their first scores."""
    return [
        _summary(backend, [score for score in scores if score.backend == backend])
        for backend in dict.fromkeys(score.backend for score in scores)
    ]


def format_table(summaries: Sequence[Summary]) -> str:
    """Aligned lines: backend, EPE px, Fl %, ms/pair, pairs."""
    rows = [("backend", "EPE px", "Fl %", "ms/pair", "pairs")]
    for each in summaries:
        ms = "-" if np.isnan(each.ms) else f"{each.ms:.0f}"
        share = f"{100 * each.outliers:.1f}"
        rows.append((each.backend, f"{each.epe_px:.2f}", share, ms, str(each.pairs)))
    first, *others = ([len(cell) for cell in column] for column in zip(*rows, strict=True))
    return "\n".join(
        f"{row[0]:<{max(first)}}"
        + "".join(f"  {cell:>{max(width)}}" for cell, width in zip(row[1:], others, strict=True))
        for row in rows
    )


def _estimate(
    estimator: FlowEstimator, pair: BenchmarkPair, loaded: LoadedPair
) -> NDArray[np.float32]:
    try:
        flows = estimator.estimate(loaded.target[None], loaded.source[None])
    except (ValueError, OutOfMemoryError) as error:
        raise BackdropError(
            f"cannot take this pair ({error})",
            where=f"{estimator.name}: {pair.target}",
            remedy="leave this backend out with --backend",
        ) from error
    return np.asarray(flows[0])


def _score(
    backend: str, pair: str, flow: NDArray[np.float32], truth: LoadedPair, ms: float
) -> PairScore:
    ours, theirs = flow[truth.known], truth.flow[truth.known]
    epe_px = float(endpoint_error(ours, theirs).mean(dtype=np.float64))
    if not np.isfinite(epe_px):
        raise BackdropError(
            "the endpoint error is not finite",
            where=f"{backend}: {pair}",
            remedy="leave this backend out with --backend, or give it other weights",
        )
    return PairScore(
        backend,
        pair,
        px=len(theirs),
        epe_px=epe_px,
        outliers=float(outliers(ours, theirs).mean()),
        ms=ms,
    )


def _summary(backend: str, scores: Sequence[PairScore]) -> Summary:
    px = [score.px for score in scores]
    return Summary(
        backend,
        epe_px=float(np.average([score.epe_px for score in scores], weights=px)),
        outliers=float(np.average([score.outliers for score in scores], weights=px)),
        ms=float(np.mean([score.ms for score in scores])),
        pairs=len(scores),
    )
