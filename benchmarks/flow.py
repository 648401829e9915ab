"""Residual flow over a clip: ours against the loop one would write.

    python -m benchmarks.flow ../shared/data/clips/one_by_one_person.mp4
    python -m benchmarks.flow ../shared/data/davis2016_train/JPEGImages/480p/lucia --frames 70
    python -m benchmarks.flow CLIP --backend dis raft_small --weights ../shared/data/weights

Both take the same frames, homographies (found before, by our stabiliser) and estimator and write
flow, validity and confidence to HDF5, in one run, in turns. The loop decodes, resizes and warps
each pair as it comes and estimates on whole frames, with OpenCV's own threads; ours is
`compute_flow`'s: frames from the cache, runs of pairs on all cores (or the GPU), DIS where
something changed, the way back with less care. What follows the estimator (drift, confidence) is
the same code. How far the two flows differ is told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import h5py
import numpy as np
import torch

from benchmarks.gpu_time import TimedNetwork
from models.alignment import align, look
from models.flow.network import NetworkFlow
from models.keypoints import KeypointDetector
from models.stabilization import HomographySettings
from pipeline.errors import BackdropError
from pipeline.flow_image import MagnitudeHistogram
from pipeline.frames import FrameReader, FrameWriter
from pipeline.optical_flow.choose import Choice, choose_estimator
from pipeline.optical_flow.residual import change_weight, consistency, stabilised
from pipeline.optical_flow.stream import FlowStream, StabilisedPair
from pipeline.optical_flow.video_flow import FlowWriter
from pipeline.params.flow import ComputeFlow
from pipeline.pool import worker_count
from pipeline.store import hdf5
from pipeline.video.decode import iter_frames
from pipeline.video.folder import folder_images
from pipeline.video.resize import Framing, plan
from stages.compute_flow import threads_for

TURNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--side", type=int, default=320, help="longest side, px")
    parser.add_argument("--backend", nargs="+", default=["dis"])
    parser.add_argument("--weights", default="weights/flow")
    parser.add_argument("--no-confidence", action="store_true")
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_args()
    framing = framing_of(arguments.clip, arguments.side)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "frames.h5"
        frames = sum(1 for _ in islice(iter_frames(arguments.clip), arguments.frames))
        decode = timed(lambda: fill_cache(cache, arguments.clip, frames, framing))
        pairs = aligned_pairs(cache, frames)
        if not pairs:
            raise BackdropError("no two neighbouring frames align", where=str(arguments.clip))
        print(f"{framing.width}x{framing.height} px, {len(pairs)} pairs")
        clip = Clip(arguments.clip, cache, framing, pairs)
        for backend in arguments.backend:
            settings = ComputeFlow(
                backend=backend,
                weights=arguments.weights,
                confidence=not arguments.no_confidence,
            )
            choice = choose_estimator(settings)
            print(f"\n{choice.name}")
            loops, ours = side_by_side(clip, choice, Path(folder), arguments.turns)
            tell(loops, ours, decode, len(pairs))


class Clip(NamedTuple):
    """What is computed on: the file, its frames in the cache, and the pairs of them."""

    file: Path
    cache: Path
    framing: Framing
    pairs: list[StabilisedPair]


def side_by_side(
    clip: Clip, choice: Choice, folder: Path, turns: int
) -> tuple[list[Took], list[Took]]:
    """How long the loop and ours take, in turns; tells how far their flows differ."""
    loops_flow, our_flow = folder / "loop.h5", folder / "ours.h5"

    def loop_way() -> None:
        plain_loop(loops_flow, clip.file, clip.pairs, clip.framing, choice)

    def our_way() -> None:
        stage_way(our_flow, clip.cache, clip.pairs, choice)

    taken = [(timed(loop_way), timed(our_way)) for _ in range(turns)]
    tell_difference(loops_flow, our_flow)
    if choice.device == "cuda":
        print(f"the GPU computes for {gpu_share(our_way, choice):.0%} of our time")
    return [loop for loop, _ in taken], [ours for _, ours in taken]


def tell(loops: list[Took], ours: list[Took], decode: Took, pairs: int) -> None:
    """Pairs per second of both, and how much faster ours is."""
    loop, own = min(loops), min(ours)
    for name, runs in (("plain loop", loops), ("ours", ours)):
        each = ", ".join(f"{took.wall:.2f}" for took in runs)
        cpu = min(took.cpu for took in runs)
        print(f"{name:12} {pairs / min(runs).wall:7.1f} pairs/s   ({each} s; CPU {cpu:.2f} s)")
    print(f"ours with decoding into the cache, once for all stages: + {decode.wall:.2f} s")
    print(
        f"speed-up {loop.wall / own.wall:.2f}, with decoding "
        f"{loop.wall / (own.wall + decode.wall):.2f}; CPU time {loop.cpu / own.cpu:.2f}"
    )


class Took(NamedTuple):
    """Seconds of a call, by the clock and of all cores together."""

    wall: float
    cpu: float


def timed(work: Callable[[], None]) -> Took:
    """How long a call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def framing_of(clip: Path, side: int) -> Framing:
    """The size that the frames are brought to."""
    first = next(iter_frames(clip))
    return plan(clip, first.width, first.height, 1.0, side, None)


def aligned_pairs(cache: Path, frames: int) -> list[StabilisedPair]:
    """Neighbours whose homography is trusted; the stage's own work, not timed here."""
    detector = KeypointDetector(400)
    with FrameReader(cache) as reader:
        greys = [cv2.cvtColor(reader.read(t), cv2.COLOR_RGB2GRAY) for t in range(frames)]
    views = [look(detector, grey) for grey in greys]
    found = [
        align(source, target, HomographySettings(), mesh=False).pair
        for target, source in pairwise(views)
    ]
    return [StabilisedPair(t, t + 1, pair.H, None) for t, pair in enumerate(found) if pair.ok]


def fill_cache(path: Path, clip: Path, frames: int, framing: Framing) -> None:
    """What `extract_frames` does once for all stages."""
    with hdf5.create(path, hdf5.FRAMES) as file:
        writer = FrameWriter(file, frames, framing.height, framing.width, "raw", 95)
        for frame in iter_frames(clip):
            if frame.index == frames:
                break
            writer.write(frame.index, framing.apply(frame.image))
        file.attrs.update({"store": "raw", "frames": frames, "cuts": np.array([], np.int64)})
        file.attrs.update({"height": framing.height, "width": framing.width})


def plain_loop(
    out: Path, clip: Path, pairs: list[StabilisedPair], framing: Framing, choice: Choice
) -> None:
    """Frame by frame: decode, resize, warp, estimate there and back, drop drift, write."""
    cv2.setNumThreads(-1)
    torch.set_num_threads(worker_count())
    estimator = choice.make()
    with_confidence, levels = choice.settings.confidence, choice.settings.change_levels
    images, size = loop_images(clip), (framing.width, framing.height)
    known = {pair.target: pair for pair in pairs}
    magnitudes = MagnitudeHistogram()

    def read() -> np.ndarray:
        small = cv2.resize(next(images), size, interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)

    with h5py.File(out, "w") as file:
        shape = (pairs[-1].source + 1, *size[::-1])
        flows = file.create_dataset("flow", (*shape, 2), np.float16, chunks=(1, *shape[1:], 2))
        valids = file.create_dataset("valid", shape, bool, chunks=(1, *shape[1:]))
        sure = file.create_dataset("confidence", shape, np.uint8, chunks=(1, *shape[1:]))
        target = read()
        for t in range(len(flows) - 1):
            source = read()
            if t in known:
                shown, valid = stabilised(target, source, known[t].H, None)
                flow = estimator.estimate(target[None], shown[None])[0]
                if with_confidence:
                    back = estimator.estimate(shown[None], target[None])[0]
                    sure[t] = consistency(flow, back, valid)
                flow *= (change_weight(target, shown, levels) * valid)[..., None]
                flows[t], valids[t] = flow, valid
                magnitudes.add(np.linalg.norm(flow, axis=-1))
            target = source


def loop_images(clip: Path) -> Iterator[np.ndarray]:
    """BGR frames, decoded one by one."""
    if clip.is_dir():
        yield from (cv2.imread(str(path)) for path in folder_images(clip))
        return
    video = cv2.VideoCapture(str(clip))
    while (read := video.read())[0]:
        yield read[1]


def stage_way(out: Path, cache: Path, pairs: list[StabilisedPair], choice: Choice) -> None:
    """As `compute_flow` does for one clip."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with FrameReader(cache) as reader, hdf5.create(out, hdf5.FLOW) as file:
        writer = FlowWriter(file, reader, choice.settings.confidence)
        for result in FlowStream(reader, choice, threads_for(choice, 1)).flows(pairs):
            writer.write(result)


def gpu_share(our_way: Callable[[], None], choice: Choice) -> float:
    """Of one more run's time, that of the network on the GPU."""
    estimator = choice.make()  # the process's only one, so the one that the run takes
    if not isinstance(estimator, NetworkFlow):
        raise TypeError(f"{estimator.name} is no network")
    estimator.network = watched = TimedNetwork(estimator.network)
    wall = timed(our_way).wall
    return watched.seconds() / wall


def tell_difference(loops: Path, ours: Path) -> None:
    """Between the flows, where either is not zero."""
    with h5py.File(loops) as a, h5py.File(ours) as b:
        flows = a["flow"][...].astype(np.float32), b["flow"][...].astype(np.float32)
    lengths = [np.linalg.norm(flow, axis=-1) for flow in flows]
    moving = (lengths[0] > 0) | (lengths[1] > 0)
    if not moving.any():
        print("neither finds any flow")
        return
    apart = np.linalg.norm(flows[0] - flows[1], axis=-1)[moving]
    print(
        f"flows differ by {apart.mean():.3f} px, 99 % by less than {np.percentile(apart, 99):.2f}; "
        f"their mean length is {lengths[0][moving].mean():.2f} px on {moving.mean():.0%} of the px"
    )


if __name__ == "__main__":
    try:
        main()
    except BackdropError as error:
        sys.exit(f"error: {error}")
