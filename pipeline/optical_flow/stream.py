"""The residual flow of a video's pairs, in order, with all cores or the GPU kept busy.

A thread takes a run of pairs from reading to finished flow; several are at it at once. OpenCV,
HDF5's decoding and PyTorch release Python's lock, so that on a CPU the threads share the cores, and
on a GPU one thread reads, warps and copies while another one's pairs are in the network.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.flow.estimator import FlowEstimator, Part
from models.stabilization import Matrix
from pipeline.frames import FrameReader
from pipeline.optical_flow.choose import Choice
from pipeline.optical_flow.parts import changed_part
from pipeline.optical_flow.residual import CERTAIN, change_weight, consistency, stabilised

LEAST_RUN = 8  # pairs of a run; neighbouring pairs share a frame, which is then decoded once
RUNS_A_THREAD = 2  # in memory, with those under way and the one that is being taken


@dataclass(frozen=True)
class StabilisedPair:
    """What is known of a pair whose homography is trusted.

    Attributes:
        target, source: frames. H: (3, 3), source px to target px. mesh: see `warp_onto`.
    """

    target: int
    source: int
    H: Matrix
    mesh: NDArray[np.float32] | None


@dataclass(frozen=True)
class ResidualFlow:
    """The result of a pair.

    Attributes:
        target: frame on whose grid it lies.
        flow: float32 (H, W, 2) px. valid: bool (H, W).
        confidence: uint8 (H, W), see `consistency`; None where not asked for.
    """

    target: int
    flow: NDArray[np.float32]
    valid: NDArray[np.bool_]
    confidence: NDArray[np.uint8] | None


class _Aligned(NamedTuple):
    """A pair's frames uint8 (H, W, 3), the source warped; valid bool and weight float32 (H, W)."""

    target: NDArray[np.uint8]
    shown: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    weight: NDArray[np.float32]
    part: Part | None  # where flow is kept; None where nothing changed


class FlowStream:
    """Residual flows of a video.

    Args:
        reader: of its frames; opened here.
        choice: of the estimator, with its settings.
        threads: runs of pairs at once.
    """

    def __init__(self, reader: FrameReader, choice: Choice, threads: int) -> None:
        self.reader, self.choice, self.threads = reader, choice, threads
        self.settings = choice.settings
        self.own = threading.local()
        self.shared = None if choice.backend == "dis" else choice.make()
        _ = reader.count  # opens the file, before threads race for it

    def flows(self, pairs: Sequence[StabilisedPair]) -> Iterator[ResidualFlow]:
        """In the order of `pairs`.

        At most `2 * threads` runs are in memory, of `LEAST_RUN` pairs or a network's batch,
        whichever is more; 8 pairs of 640x360 px take about 60 MB under way, 20 MB when done.

        Raises:
            ValueError: the estimator gave a value that is not finite; names the frame.
        """
        run = max(LEAST_RUN, self.settings.batch_size if self.shared else 0)
        runs = [pairs[start : start + run] for start in range(0, len(pairs), run)]
        # Results come in order. With less room, threads stand idle behind a run of much change:
        # with one run a thread, two of them 1 % of the time, four up to 7 %, eight up to 21 %
        # (simulated from the measured times of runs at 320 px).
        most = RUNS_A_THREAD * self.threads
        waiting: deque[Future[list[ResidualFlow]]] = deque()
        with ThreadPoolExecutor(self.threads, "flow") as pool:
            try:
                for part in runs:
                    waiting.append(pool.submit(self._run, part))
                    if len(waiting) == most:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, pairs: Sequence[StabilisedPair]) -> list[ResidualFlow]:
        frames = {
            index: self.reader.read(index)
            for index in sorted({i for pair in pairs for i in (pair.target, pair.source)})
        }
        aligned = [
            self._align(frames[pair.target], frames[pair.source], pair.H, pair.mesh)
            for pair in pairs
        ]
        forward, backward = self._estimate(aligned)
        results = []
        for place, (pair, found) in enumerate(zip(pairs, aligned, strict=True)):
            flow, valid = forward[place], found.valid
            back = None if backward is None else backward[place]
            for found_flow in (flow,) if back is None else (flow, back):
                if not np.isfinite(found_flow).all():
                    raise ValueError(f"the flow of frame {pair.target} is not finite")
            home = None if back is None else consistency(flow, back, valid)
            if home is not None:  # there the flow becomes 0, whatever the estimator said
                home[valid & (found.weight == 0)] = CERTAIN
            flow *= found.weight[..., None]  # in place: the run's largest array is not there twice
            results.append(ResidualFlow(pair.target, flow, valid, home))
        return results

    def _align(
        self,
        target: NDArray[np.uint8],
        source: NDArray[np.uint8],
        H: Matrix,
        mesh: NDArray[np.float32] | None,
    ) -> _Aligned:
        shown, valid = stabilised(target, source, H, mesh)
        weight = change_weight(target, shown, self.settings.change_levels) * valid
        part = changed_part(weight, self.settings.change_margin)
        return _Aligned(target, shown, valid, weight, part)

    def _estimate(
        self, aligned: Sequence[_Aligned]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Flow forward and, for the confidence, backward (B, H, W, 2); zero where all rests."""
        forward = np.zeros((len(aligned), *aligned[0].weight.shape, 2), np.float32)
        backward = np.zeros_like(forward) if self.settings.confidence else None
        changed = [place for place, found in enumerate(aligned) if found.part]
        if changed:
            targets = np.stack([aligned[place].target for place in changed])
            shown = np.stack([aligned[place].shown for place in changed])
            parts = [part for found in aligned if (part := found.part)]
            estimator = self._estimator()
            forward[changed] = estimator.estimate(targets, shown, parts)
            if backward is not None:
                backward[changed] = estimator.estimate(shown, targets, parts, as_check=True)
        return forward, backward

    def _estimator(self) -> FlowEstimator:
        """The network that all threads share, or this thread's own DIS."""
        if self.shared is not None:
            return self.shared
        if not hasattr(self.own, "estimator"):
            self.own.estimator = self.choice.make()
        made: FlowEstimator = self.own.estimator
        return made
