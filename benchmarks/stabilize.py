"""Stabilisation and flow: ms per pair and what is left, against simpler ways.

    python -m benchmarks.stabilize [CLIP.mp4 ...] [--frames 120] [--side 128 320]

Without clips, those of `$BACKDROP_TEST_DATA/clips`. One thread. "keypoints" stops at the homography
that keypoints give. The peer, "per pair", finds SIFT keypoints of both frames of each pair and
matches them by brute force, as tutorials do; it does not enlarge small frames. "left" and
DIS (on frames that ours stabilised) are over the pairs that every way has a homography for.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from models.alignment import align, look
from models.flow.dis import DisFlow
from models.keypoints import KeypointDetector
from models.stabilization import HomographySettings, estimate_homography
from models.warping import warp_onto
from pipeline.params.data import Stabilize
from pipeline.video.decode import iter_frames

Result = TypeVar("Result")
Frames = Sequence[NDArray[np.uint8]]
Pairs = Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
"""Target and source."""
Homographies = Sequence[NDArray[np.float64]]
DATA = Path(os.environ.get("BACKDROP_TEST_DATA", "../shared/data"))


def read(clip: Path, count: int, side: int) -> Frames:
    """The first `count` frames with a longest side of `side` px, RGB uint8 (H, W, 3)."""
    images = [frame.image for frame in islice(iter_frames(clip), count)]
    scale = side / max(images[0].shape)
    size = (round(images[0].shape[1] * scale), round(images[0].shape[0] * scale))
    return [np.asarray(cv2.resize(i, size, interpolation=cv2.INTER_AREA), np.uint8) for i in images]


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def ours(frames: Frames, params: Stabilize) -> list[NDArray[np.float64]]:
    """Keypoints once per frame, made exact by tracked corners."""
    detector = KeypointDetector(params.keypoints, params.contrast, params.enlarge_to)
    views = [look(detector, grey(frame)) for frame in frames]
    limits = HomographySettings()
    return [align(source, target, limits, mesh=False).pair.H for target, source in pairwise(views)]


def keypoints_alone(frames: Frames, params: Stabilize) -> list[NDArray[np.float64]]:
    """Keypoints once per frame, spread over it."""
    detector = KeypointDetector(params.keypoints, params.contrast, params.enlarge_to)
    found = [detector.detect(grey(frame)) for frame in frames]
    settings, (height, width) = HomographySettings(), frames[0].shape[:2]
    return [
        estimate_homography(source, target, (height, width), settings).H
        for target, source in pairwise(found)
    ]


def per_pair(frames: Frames, params: Stabilize) -> list[NDArray[np.float64]]:
    """The peer: everything anew for each pair."""
    homographies = []
    for target, source in pairwise(frames):
        sift = cv2.SIFT.create(params.keypoints, contrastThreshold=params.contrast)
        (start, a), (end, b) = (
            sift.detectAndCompute(grey(frame), None) for frame in (source, target)
        )
        matches = cv2.BFMatcher().knnMatch(a, b, k=2) if len(start) and len(end) else []
        nearest = [two for two in matches if len(two) == 2]
        good = [m for m, n in nearest if m.distance < params.ratio * n.distance]
        H = None
        if len(good) >= params.min_inliers:
            H, _ = cv2.findHomography(
                np.array([start[m.queryIdx].pt for m in good]),
                np.array([end[m.trainIdx].pt for m in good]),
                cv2.RANSAC,
                params.threshold_px,
            )
        homographies.append(np.full((3, 3), np.nan) if H is None else np.asarray(H, np.float64))
    return homographies


def flow(pairs: Pairs, homographies: Homographies) -> None:
    """Residual flow of every pair, by DIS."""
    estimator = DisFlow()
    for (target, source), H in zip(pairs, homographies, strict=True):
        shown, _ = warp_onto(source, H, None, (target.shape[0], target.shape[1]))
        estimator.estimate(target[None], shown[None])


def alignment(pairs: Pairs, homographies: Homographies) -> float:
    """Median over pairs of the mean grey-level difference left after the warp; lower is better."""
    left = []
    for (target, source), H in zip(pairs, homographies, strict=True):
        warped = cv2.warpPerspective(
            source, H, target.shape[1::-1], dst=target.copy(), borderMode=cv2.BORDER_TRANSPARENT
        )
        left.append(float(cv2.absdiff(warped, target).mean()))
    return float(np.median(left)) if left else float("nan")


def timed(work: Callable[[], Result], pairs: int) -> tuple[Result, float]:
    """What `work` returns, and CPU ms per pair."""
    began = time.process_time()
    result = work()
    return result, 1000 * (time.process_time() - began) / pairs


def measure(frames: Frames) -> str:
    """The numbers of one clip at one size."""
    pairs = list(pairwise(frames))
    ways = (ours, keypoints_alone, per_pair)
    found = [timed(partial(way, frames, Stabilize()), len(pairs)) for way in ways]
    solved = [t for t in range(len(pairs)) if all(np.isfinite(way[t]).all() for way, _ in found)]
    common = [pairs[t] for t in solved]
    columns = []
    for homographies, ms in found:
        left = alignment(common, [homographies[t] for t in solved])
        columns += [f"{ms:.1f}", f"{left:.2f}"]
    by_ours = [found[0][0][t] for t in solved]
    _, ms = timed(partial(flow, common, by_ours), max(1, len(common)))
    return " | ".join([*columns, f"{ms:.1f}"])


def main() -> None:
    """Print a line per clip and size."""
    parser = argparse.ArgumentParser(description="Speed and accuracy of stabilisation and flow")
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--side", type=int, nargs="+", default=[128, 320])
    asked = parser.parse_args()
    if asked.frames < 2:
        parser.error("--frames: a pair has two")
    cv2.setNumThreads(1)
    print(
        "| clip | px | ours, ms | levels left | keypoints, ms | left "
        "| per pair, ms | left | DIS, ms |"
    )
    print("|---" * 9 + "|")
    for clip in asked.clips or sorted((DATA / "clips").glob("*.mp4")):
        for side in asked.side:
            print(
                f"| {clip.stem} | {side} | {measure(read(clip, asked.frames, side))} |", flush=True
            )


if __name__ == "__main__":
    main()
