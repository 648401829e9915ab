"""Which flow estimator a machine gets, and why; the choice is logged and kept in every artifact.

    choice = choose_estimator(ComputeFlow())
    choice.name, choice.reason
    flow = choice.make().estimate(targets, sources)

PyTorch is imported only where a network is in play: DIS alone starts in a tenth of the time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.flow.dis import DisFlow
from models.flow.estimator import FlowEstimator
from pipeline.errors import BackdropError
from pipeline.params.flow import ComputeFlow
from pipeline.store.digest import file_sha256

if TYPE_CHECKING:
    from pipeline.optical_flow.weights import Weights

log = logging.getLogger("backdrop")

# Best first. RAFT-small and DIS: measured, docs/flow.md. The others: published errors on Sintel's
# training set (clean pass, trained on chairs and things): 1.4, 2.0, 2.1, 2.2 px; RAFT-small 2.2.
BY_ERROR = ("raft_large", "flownet2", "flownet2_css", "flownet2_cs", "raft_small")
ON_CPU = ("raft_small",)  # the others take seconds a pair there
PUBLISHED_WIDTH = 1.0
SMALLEST_SIDE = 64  # px that networks need
SUFFIXES = (".pth", ".pt", ".tar", ".safetensors")
DOWNLOADED = ("raft_small", "raft_large")
RAFT_FROM = (
    "put a file of princeton-vl/RAFT's raft-models.zip there, or run once with a network: "
    "torchvision downloads its own"
)
FLOWNET2_FROM = (
    "put the checkpoint that the README of NVIDIA/flownet2-pytorch links there, name it in "
    "params.yaml: compute_flow.weights, or train one (`backdrop train-flow`)"
)


@dataclass(frozen=True)
class Choice:
    """A backend that can run here; picklable.

    Attributes:
        backend: as in `compute_flow.backend`, never `auto`.
        name: backend and what else decides its result: DIS's preset, the weights' hash.
        reason: why this one.
        weights: file that it takes; None for DIS, and for what torchvision downloads.
        device: `cpu` or `cuda`.
        settings: how it is run.
    """

    backend: str
    name: str
    reason: str
    weights: Path | None
    device: str
    settings: ComputeFlow

    def make(self) -> FlowEstimator:
        """The estimator: of DIS a new one, of a network the process's only one.

        Raises:
            BackdropError: the weights do not fit or cannot be downloaded; or the network does not
                fit the GPU.
        """
        if self.backend == "dis":
            return DisFlow(self.settings.dis_preset)
        from pipeline.optical_flow.weights import make_network

        return make_network(self)


def choose_estimator(settings: ComputeFlow, shortest_side: int = SMALLEST_SIDE) -> Choice:
    """The estimator asked for, or for `auto` the best that weights, device and frames allow.

    Args:
        settings: backend, weights and device above all.
        shortest_side: of the frames, px.

    Raises:
        BackdropError: the backend's weights or a path that is not the default folder are missing, a
            file of weights cannot be read, or the frames are too small.
    """
    backend, weights = settings.backend, Path(settings.weights)
    if backend == "dis":
        return _dis("asked for", settings)
    _require_there(weights)
    if shortest_side < SMALLEST_SIDE:
        if backend == "auto":
            told = f"auto: frames of {shortest_side} px are too small for networks"
            return _dis(told, settings)
        raise BackdropError(
            f"needs frames of at least {SMALLEST_SIDE} px, these have {shortest_side}",
            where=f"compute_flow.backend: {backend}",
            remedy="raise extract_frames.longest_side, or take the backend 'dis'",
        )
    if backend == "auto" and not weight_files(weights):
        return _dis(f"auto: there are no weights in {weights}", settings)
    from pipeline.usable_device import choose_device

    device = choose_device(settings.device, "compute_flow.device")
    found = _read_all(weights)
    if backend == "auto":
        return _best(found, device, settings)
    fitting = [w for w in found if w.backend == backend]
    if fitting:
        path = _first(fitting).path
        return _network(backend, f"asked for, with {path.name}", path, device, settings)
    if weights.is_file() or backend not in DOWNLOADED:
        raise BackdropError(
            f"there are no weights of '{backend}'", where=str(weights), remedy=source_of(backend)
        )
    return _network(backend, "asked for, with torchvision's weights", None, device, settings)


def available(settings: ComputeFlow) -> list[Choice]:
    """DIS, and a choice for every file of weights that is there, whatever `settings.backend`.

    Raises:
        BackdropError: the weights are missing, and are not the default folder; or a file of weights
            cannot be read.
    """
    weights = Path(settings.weights)
    _require_there(weights)
    if not weight_files(weights):
        return [_dis(f"no weights in {weights}: DIS alone", settings)]
    from pipeline.usable_device import choose_device

    device = choose_device(settings.device, "compute_flow.device")
    return [_dis("runs everywhere", settings)] + [
        _network(w.backend, f"with {w.path.name}", w.path, device, settings)
        for w in _read_all(weights)
    ]


def weight_files(where: Path) -> list[Path]:
    """The files of weights in a folder, by name; or the file itself; nothing if it is missing."""
    if where.is_file():
        return [where]
    return sorted(
        path for path in where.glob("[!.]*") if path.suffix in SUFFIXES and path.is_file()
    )


def source_of(backend: str) -> str:
    """Where a backend's weights come from, as a remedy."""
    return RAFT_FROM if backend in DOWNLOADED else FLOWNET2_FROM


def _dis(reason: str, settings: ComputeFlow) -> Choice:
    return Choice("dis", f"dis-{settings.dis_preset}", reason, None, "cpu", settings)


def _network(
    backend: str, reason: str, path: Path | None, device: str, settings: ComputeFlow
) -> Choice:
    name = f"{backend} {file_sha256(path)[:12] if path else 'torchvision'}"
    return Choice(backend, name, reason, path, device, settings)


def _require_there(weights: Path) -> None:
    """The default folder may be missing; what somebody named may not: DIS would hide the slip."""
    if not weights.exists() and weights != Path(ComputeFlow().weights):
        raise BackdropError(
            "is missing",
            where=str(weights),
            remedy="correct the path (compute_flow.weights, or --weights); see docs/flow.md",
        )


def _read_all(weights: Path) -> list[Weights]:
    from pipeline.optical_flow.weights import read_weights

    return [read_weights(path) for path in weight_files(weights)]


def _best(found: list[Weights], device: str, settings: ComputeFlow) -> Choice:
    """What `auto` takes."""
    machine = "a GPU" if device == "cuda" else "a CPU"
    for backend in BY_ERROR if device == "cuda" else ON_CPU:
        fitting = [w for w in found if w.backend == backend and _is_published(w)]
        if fitting:
            path = _first(fitting).path
            reason = f"auto: {path.name} is the best on {machine} of what is in {settings.weights}"
            return _network(backend, reason, path, device, settings)
    own = [w for w in found if w.beats_dis]
    if own:
        first = _first(own)
        reason = f"auto: {first.path.name} beat DIS when it was trained"
        return _network(first.backend, reason, first.path, device, settings)
    names = ", ".join(w.backend for w in found)
    told = f"auto: what is in {settings.weights} ({names}) does not pay on {machine}"
    return _dis(told, settings)


def _is_published(weights: Weights) -> bool:
    return not weights.own and weights.width == PUBLISHED_WIDTH


def _first(fitting: Sequence[Weights]) -> Weights:
    """Of several files that would do, by name; `fitting` is in that order."""
    if len(fitting) > 1:
        names = ", ".join(w.path.name for w in fitting)
        log.warning(
            "%s: %s would all do; %s is taken, the first by name (compute_flow.weights names one)",
            *(fitting[0].path.parent, names, fitting[0].path.name),
        )
    return fitting[0]
