"""Residual flow over a clip: ours against the loop one would write.

    python benchmarks/flow.py ../shared/data/clips/one_by_one_person.mp4
    python benchmarks/flow.py CLIP --backend raft_small --weights ../shared/data/weights

Both take the same frames, homographies and estimator and write the flow to HDF5, in one run, in
turns. The loop decodes, resizes and warps each pair as it comes, with OpenCV's own threads; ours is
`compute_flow`'s: frames from the cache, runs of pairs on all cores (or the GPU). On a GPU the share
of the time in which it computes is told.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch

from pipeline.flow_image import MagnitudeHistogram
from pipeline.frames import FrameReader, FrameWriter
from pipeline.optical_flow.choose import Choice, choose_estimator
from pipeline.optical_flow.residual import change_weight
from pipeline.optical_flow.stream import FlowStream, StabilisedPair
from pipeline.params.flow import ComputeFlow
from pipeline.pool import worker_count
from pipeline.store import hdf5
from pipeline.video.decode import iter_frames
from pipeline.video.resize import Framing, plan
from stages.compute_flow import FlowWriter

TURNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--side", type=int, default=320, help="longest side, px")
    parser.add_argument("--backend", default="dis")
    parser.add_argument("--weights", default="weights/flow")
    arguments = parser.parse_args()
    choice = choose_estimator(
        ComputeFlow(backend=arguments.backend, weights=arguments.weights, confidence=False)
    )
    framing = framing_of(arguments.clip, arguments.side)
    pairs = some_pairs(arguments.frames)
    print(
        f"{choice.name} ({choice.reason}), {framing.width}x{framing.height} px, {len(pairs)} pairs"
    )
    with tempfile.TemporaryDirectory() as folder:
        cache, out = Path(folder) / "frames.h5", Path(folder) / "flow.h5"
        decode = timed(lambda: fill_cache(cache, arguments.clip, arguments.frames, framing))

        def loop_way() -> None:
            plain_loop(out, arguments.clip, pairs, framing, choice)

        def our_way() -> None:
            stage_way(out, cache, pairs, choice)

        loops, ours = zip(*((timed(loop_way), timed(our_way)) for _ in range(TURNS)), strict=True)
    loop, own = min(loops), min(ours)
    for name, runs in (("plain loop", loops), ("ours", ours)):
        each = ", ".join(f"{seconds:.2f}" for seconds in runs)
        print(f"{name:12} {len(pairs) / min(runs):7.1f} pairs/s   ({each} s)")
    print(f"ours with decoding into the cache, done once for all stages: + {decode:.2f} s")
    print(f"speed-up {loop / own:.2f}, with decoding {loop / (own + decode):.2f}")


def timed(work: Callable[[], None]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def framing_of(clip: Path, side: int) -> Framing:
    """The size that the frames are brought to."""
    first = next(iter_frames(clip))
    return plan(first.width, first.height, 1.0, side, None)


def some_pairs(frames: int) -> list[StabilisedPair]:
    """Neighbours under a small known homography: as much work as a real one."""
    H = np.array([[1.001, 0.001, 0.8], [-0.001, 1.001, -0.5], [0, 0, 1.0]])
    return [StabilisedPair(t, t + 1, H, None) for t in range(frames - 1)]


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
    """Frame by frame: decode, resize, warp, estimate, drop drift, write."""
    cv2.setNumThreads(-1)
    torch.set_num_threads(worker_count())
    estimator = choice.make()
    video = cv2.VideoCapture(str(clip))
    size = (framing.width, framing.height)

    def read() -> np.ndarray:
        _, image = video.read()
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)

    magnitudes = MagnitudeHistogram()
    with h5py.File(out, "w") as file:
        shape = (len(pairs) + 1, *size[::-1], 2)
        flows = file.create_dataset("flow", shape, np.float16, chunks=(1, *shape[1:]))
        target = read()
        for pair in pairs:
            source = read()
            shown = cv2.warpPerspective(source, pair.H, size)
            flow = estimator.estimate(target[None], shown[None])[0]
            flow *= change_weight(target, shown, 5.0)[..., None]
            flows[pair.target] = flow
            magnitudes.add(np.linalg.norm(flow, axis=-1))
            target = source


def stage_way(out: Path, cache: Path, pairs: list[StabilisedPair], choice: Choice) -> None:
    """As `compute_flow` does for one clip."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with FrameReader(cache) as reader, hdf5.create(out, hdf5.FLOW) as file:
        writer = FlowWriter(file, reader, choice.settings.confidence)
        for result in FlowStream(reader, choice, worker_count()).flows(pairs):
            writer.write(result)


if __name__ == "__main__":
    main()
