"""A network as a flow estimator: batches on its device, halved where its memory is too small."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.flow.estimator import OutOfMemoryError, Part
from models.gpu_memory import ran_out

log = logging.getLogger("backdrop")


class FlowNetwork(Protocol):
    """A network (an `nn.Module`) that takes two images and gives the flow between them."""

    def __call__(self, target: Tensor, source: Tensor) -> Tensor:
        """Flow (B, 2, H, W), px, such that target(x) ~ source(x + flow(x)).

        Args:
            target, source: (B, 3, H, W) RGB in [0, 1], of any size that `min_side` allows; the
                network brings them to the values and the multiples of px that it was made for.
        """


class Turns:
    """Who is at work on a device: any number of threads together, or one of them alone."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.working = self.claims = 0  # threads at work; those that want or have it alone

    @contextmanager
    def together(self) -> Iterator[None]:
        """Beside other threads; waits while one wants the device alone."""
        with self.changed:
            self.changed.wait_for(lambda: not self.claims)
            self.working += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits for all that are at work; nobody begins before this thread is through."""
        with self.changed:
            self.claims += 1
            self.changed.wait_for(lambda: not self.working)
            self.working += 1
        try:
            yield
        finally:
            self._leave(claims=1)

    def _leave(self, claims: int = 0) -> None:
        with self.changed:
            self.working -= 1
            self.claims -= claims
            self.changed.notify_all()


class NetworkFlow:
    """A `FlowEstimator` around a `FlowNetwork`; several threads may use it at once.

    On a GPU each thread has its own stream: one's copies overlap with another's network. Memory is
    shared: where one pair of each thread is too much at once, threads take turns.

    Args:
        name: of network and weights.
        network: in eval mode, on `device`.
        batch: pairs at once at first.
        half: autocast to float16; on CUDA only.
        enlarge_to: px; frames whose longest side is shorter are shown to the network enlarged.
            Networks look at an eighth of the resolution: at 128 px, twice the size halves
            RAFT-small's error (docs/flow.md).
    """

    def __init__(
        self,
        name: str,
        network: FlowNetwork,
        device: torch.device,
        *,
        batch: int,
        half: bool = False,
        enlarge_to: int = 0,
    ) -> None:
        self.name, self.network, self.device, self.half = name, network, device, half
        self.batch, self.enlarge_to = batch, enlarge_to
        self.own, self.lock, self.turns = threading.local(), threading.Lock(), Turns()

    def estimate(
        self,
        targets: NDArray[np.uint8],
        sources: NDArray[np.uint8],
        parts: Sequence[Part] | None = None,  # noqa: ARG002  (whole frames)
        *,
        as_check: bool = False,  # noqa: ARG002  (no network is cheaper at less care)
    ) -> NDArray[np.float32]:
        """As `FlowEstimator.estimate`.

        Raises:
            OutOfMemoryError: one pair does not fit the device, with no other thread at work on it.
        """
        flows: list[NDArray[np.float32]] = []
        done = 0
        while done < len(targets):
            part = slice(done, done + self.batch)
            pairs = targets[part], sources[part]
            with self.turns.together():
                found = self._attempt(*pairs)
            if isinstance(found, str) and len(pairs[0]) == 1:
                found = self._alone(*pairs)
            if isinstance(found, str):
                self._halve(len(pairs[0]), found)
                continue
            flows.append(found)
            done += len(found)
        return np.concatenate(flows)

    def _attempt(
        self, targets: NDArray[np.uint8], sources: NDArray[np.uint8]
    ) -> NDArray[np.float32] | str:
        """Flow; where memory was too small, what was said of it.

        The error ends here: its traceback would keep the attempt's activations on the device.
        """
        try:
            return self._estimate(targets, sources)
        except RuntimeError as error:
            if not ran_out(error):
                raise
            return str(error).strip().split("\n", 1)[0]

    def _alone(self, targets: NDArray[np.uint8], sources: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Flow of one pair that was too much beside the other threads'."""
        with self.turns.alone():
            torch.cuda.empty_cache()
            found = self._attempt(targets, sources)
        if isinstance(found, str):
            raise OutOfMemoryError(f"one pair alone does not fit the memory of the GPU ({found})")
        return found

    def _halve(self, tried: int, told: str) -> None:
        """After so many pairs were too many; once, where several threads tried the same number."""
        with self.lock:
            torch.cuda.empty_cache()
            if tried <= self.batch:
                self.batch //= 2
                now = f"pairs at once from now: {self.batch}"
                log.warning("%s: out of memory (%s); %s", self.name, told, now)

    @torch.inference_mode()
    def _estimate(
        self, targets: NDArray[np.uint8], sources: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        height, width = targets.shape[1:3]
        scale = max(1.0, self.enlarge_to / max(height, width))
        seen_at = (round(height * scale), round(width * scale))
        autocast = torch.autocast(self.device.type, torch.float16, enabled=self.half)
        with self._stream(), autocast:
            images = [_resized(self._images(frames), seen_at) for frames in (targets, sources)]
            flow = self.network(images[0], images[1]).float()
            if scale > 1:
                flow = F.interpolate(flow, (height, width), mode="area") / scale
            result: NDArray[np.float32] = flow.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return result

    def _stream(self) -> AbstractContextManager[object]:
        if self.device.type != "cuda":
            return nullcontext()
        if not hasattr(self.own, "stream"):
            self.own.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            # The weights were brought there on the device's default stream.
            self.own.stream.wait_stream(torch.cuda.current_stream(self.device))
        return torch.cuda.stream(self.own.stream)

    def _images(self, images: NDArray[np.uint8]) -> Tensor:
        """(B, 3, H, W) in [0, 1] on the device; copied there as bytes, without waiting."""
        tensor = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        on_device = tensor.to(self.device, non_blocking=True)
        return on_device.permute(0, 3, 1, 2).float() / 255


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bicubic", align_corners=False).clamp(0, 1)
