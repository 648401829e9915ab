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

import numpy as np
from numpy.typing import NDArray

from models.flow.estimator import FlowEstimator
from models.stabilization import Matrix
from pipeline.frames import FrameReader
from pipeline.optical_flow.choose import Choice
from pipeline.optical_flow.residual import consistency, residual, stabilised

LEAST_RUN = 8  # pairs of a run; neighbouring pairs share a frame, which is then decoded once


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

        Raises:
            ValueError: the estimator gave a value that is not finite; names the frame.
        """
        run = max(LEAST_RUN, self.settings.batch_size if self.shared else 0)
        runs = [pairs[start : start + run] for start in range(0, len(pairs), run)]
        waiting: deque[Future[list[ResidualFlow]]] = deque()
        with ThreadPoolExecutor(self.threads, "flow") as pool:
            try:
                for part in runs:
                    waiting.append(pool.submit(self._run, part))
                    if len(waiting) > 2 * self.threads:
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
        targets = np.stack([frames[pair.target] for pair in pairs])
        warped = [
            stabilised(frames[pair.target], frames[pair.source], pair.H, pair.mesh)
            for pair in pairs
        ]
        shown = np.stack([image for image, _ in warped])
        estimator = self._estimator()
        forward = estimator.estimate(targets, shown)
        backward = estimator.estimate(shown, targets) if self.settings.confidence else None
        return [
            self._finish(
                pair.target,
                forward[place],
                None if backward is None else backward[place],
                (targets[place], *warped[place]),
            )
            for place, pair in enumerate(pairs)
        ]

    def _finish(
        self,
        frame: int,
        forward: NDArray[np.float32],
        backward: NDArray[np.float32] | None,
        aligned: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]],
    ) -> ResidualFlow:
        if not np.isfinite(forward).all():
            raise ValueError(f"the flow of frame {frame} is not finite")
        target, shown, valid = aligned
        return ResidualFlow(
            frame,
            residual(forward, target, shown, valid, self.settings.change_levels),
            valid,
            None if backward is None else consistency(forward, backward, valid),
        )

    def _estimator(self) -> FlowEstimator:
        """The network that all threads share, or this thread's own DIS."""
        if self.shared is not None:
            return self.shared
        if not hasattr(self.own, "estimator"):
            self.own.estimator = self.choice.make()
        made: FlowEstimator = self.own.estimator
        return made
