"""Batches of synthetic pairs, made ahead of the network by processes.

Every batch comes from `iteration_rng` alone: a resumed training sees the same ones, and the number
of processes changes nothing. Threads would hold each other up: much of the work is done under
Python's lock.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import BackdropError
from pipeline.optical_flow.training import worker
from pipeline.optical_flow.training.pairs import Pair
from pipeline.params.flow import TrainFlow
from pipeline.pool import for_children, why_died
from pipeline.store.atomic import write_bytes
from pipeline.training.loop import iteration_rng

EASY_PX = 8.0  # scale of the motion at the start; of 2 px nothing is learnt (docs/flow.md)
RAMP = 0.4  # of the training until the motion is full


class PairBatches:
    """Batches by iteration.

    Args:
        textures: see `pairs.synthesise`.
        params: sizes, batch, motion, iterations.
        seed, purpose: of the randomness; another purpose gives other pairs.
        workers: processes; each makes one batch at a time.
        folder: for the textures, until `close`; what an interrupted run left there is replaced.
    """

    def __init__(
        self,
        textures: Sequence[NDArray[np.uint8]],
        params: TrainFlow,
        seed: int,
        purpose: int,
        workers: int,
        folder: Path,
    ) -> None:
        self.params, self.seed, self.purpose, self.workers = params, seed, purpose, workers
        self.folder = folder
        # A file that all map into memory: copies would take gigabytes on a machine of many cores.
        file = folder / "textures"
        write_bytes(file, b"".join(texture.tobytes() for texture in textures))
        self.others = set(active_children())
        self.children: set[BaseProcess] = set()
        self.pool = ProcessPoolExecutor(
            workers,
            get_context("spawn"),
            worker.start,
            (file, [texture.shape for texture in textures]),
        )
        self.coming: deque[tuple[int, Future[list[Pair]]]] = deque()

    def batch(self, iteration: int) -> list[Pair]:
        """The pairs of an iteration; the next ones are begun.

        Raises:
            BackdropError: a process died.
        """
        while self.coming and self.coming[0][0] != iteration:
            self.coming.popleft()
        try:
            with for_children():  # processes are started as they are needed
                for ahead in range(len(self.coming), self.workers + 1):
                    self.coming.append((iteration + ahead, self._begin(iteration + ahead)))
            self.children |= set(active_children()) - self.others
            return self.coming.popleft()[1].result()
        except BrokenProcessPool as error:
            self.pool.shutdown(wait=True)  # it collects the exit codes
            why, _ = why_died(self.children)
            raise BackdropError(
                f"a process that makes pairs died at iteration {iteration}; {why}",
                where="train_flow",
                remedy="run it again with BACKDROP_WORKERS=1; it goes on from its last checkpoint",
            ) from error

    def close(self) -> None:
        """Stop the processes."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self.folder)

    def _begin(self, iteration: int) -> Future[list[Pair]]:
        params = self.params
        generators = iteration_rng(self.seed, iteration, self.purpose).spawn(params.batch_size)
        motion = curriculum(iteration, params.iterations, params.motion_px)
        size = params.crop_height, params.crop_width
        with_dis = params.variant == "dis_corrected"
        return self.pool.submit(worker.make_pairs, generators, *size, motion, with_dis)


def curriculum(iteration: int, iterations: int, motion_px: float) -> float:
    """Scale of an iteration's motion, px: it grows to `motion_px`, large motion being harder."""
    start = min(EASY_PX, motion_px)
    return start + (motion_px - start) * min(1.0, iteration / (RAMP * iterations))


def to_tensors(pairs: Sequence[Pair], device: torch.device) -> tuple[list[Tensor], Tensor]:
    """What the network is given: targets and sources (B, 3, H, W) in [0, 1], and DIS's flows
    (B, 2, H, W) px where the pairs have them; and the true flows (B, 2, H, W) px."""
    images = [
        _stacked([pair.target for pair in pairs], device).float() / 255,
        _stacked([pair.source for pair in pairs], device).float() / 255,
    ]
    dis = [pair.dis for pair in pairs if pair.dis is not None]
    given = [*images, _stacked(dis, device)] if dis else images
    return given, _stacked([pair.flow for pair in pairs], device)


def _stacked(images: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """(B, C, H, W) of images (H, W, C)."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
