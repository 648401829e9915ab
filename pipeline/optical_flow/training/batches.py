"""Batches of synthetic pairs, made ahead of the network by threads.

Every batch comes from `iteration_rng` alone: a resumed training sees the same ones, and the number
of threads changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.optical_flow.training.pairs import Pair, synthesise
from pipeline.params.flow import TrainFlow
from pipeline.training.loop import iteration_rng

AHEAD = 2  # batches
EASY_PX = 8.0  # scale of the motion at the start; of 2 px nothing is learnt (docs/flow.md)
RAMP = 0.4  # of the training until the motion is full


class PairBatches:
    """Batches by iteration.

    Args:
        textures: see `pairs.synthesise`.
        params: sizes, batch, motion, iterations.
        seed, purpose: of the randomness; another purpose gives other pairs.
        threads: that make pairs.
    """

    def __init__(
        self,
        textures: Sequence[NDArray[np.uint8]],
        params: TrainFlow,
        seed: int,
        purpose: int,
        threads: int,
    ) -> None:
        self.textures, self.params, self.seed, self.purpose = textures, params, seed, purpose
        self.pool = ThreadPoolExecutor(threads, "pairs")
        self.coming: deque[tuple[int, list[Future[Pair]]]] = deque()

    def batch(self, iteration: int) -> list[Pair]:
        """The pairs of an iteration; the next ones are begun."""
        while self.coming and self.coming[0][0] != iteration:
            self.coming.popleft()
        for ahead in range(len(self.coming), AHEAD + 1):
            self.coming.append((iteration + ahead, self._begin(iteration + ahead)))
        return [future.result() for future in self.coming.popleft()[1]]

    def close(self) -> None:
        """Stop the threads."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, iteration: int) -> list[Future[Pair]]:
        params = self.params
        generators = iteration_rng(self.seed, iteration, self.purpose).spawn(params.batch_size)
        motion = curriculum(iteration, params.iterations, params.motion_px)
        return [
            self.pool.submit(
                synthesise, self.textures, rng, params.crop_height, params.crop_width, motion
            )
            for rng in generators
        ]


def curriculum(iteration: int, iterations: int, motion_px: float) -> float:
    """Scale of an iteration's motion, px: it grows to `motion_px`, large motion being harder."""
    start = min(EASY_PX, motion_px)
    return start + (motion_px - start) * min(1.0, iteration / (RAMP * iterations))


def to_tensors(pairs: Sequence[Pair], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Targets and sources (B, 3, H, W) in [0, 1], flows (B, 2, H, W) px."""
    targets = torch.from_numpy(np.stack([pair.target for pair in pairs])).to(device)
    sources = torch.from_numpy(np.stack([pair.source for pair in pairs])).to(device)
    flows = torch.from_numpy(np.stack([pair.flow for pair in pairs])).to(device)
    images = [images.permute(0, 3, 1, 2).float() / 255 for images in (targets, sources)]
    return images[0], images[1], flows.permute(0, 3, 1, 2)
