"""Stabilisation and flow: pairs per second, against keypoints found anew for every pair.

    python -m benchmarks.stabilize [CLIP.mp4 ...] [--frames 120] [--side 128 320]

Without clips, those of `$BACKDROP_TEST_DATA/clips`. One thread. The peer finds SIFT keypoints of
both frames of each pair and matches them by brute force, as tutorials do; it does not enlarge small
frames, which at 128 px makes it faster and less exact.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from models.flow import choose_estimator
from models.keypoints import KeypointDetector
from models.stabilization import HomographySettings, estimate_homography
from pipeline.flow_image import residual_flow
from pipeline.params.data import ComputeFlow, Stabilize
from pipeline.video.decode import iter_frames

Result = TypeVar("Result")
Frames = Sequence[NDArray[np.uint8]]
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
        good = [m for m, n in matches if m.distance < params.ratio * n.distance]
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


def flow(frames: Frames, homographies: list[NDArray[np.float64]], params: ComputeFlow) -> None:
    """Residual flow of every pair that has a homography."""
    estimator, _ = choose_estimator(params.backend, params.dis_preset)
    for (target, source), H in zip(pairwise(frames), homographies, strict=True):
        if np.isfinite(H).all():
            residual_flow(target, source, H, estimator, params.change_levels)


def alignment(frames: Frames, homographies: list[NDArray[np.float64]]) -> float:
    """Median over pairs of the mean grey-level difference left after the warp; lower is better."""
    left = []
    for (target, source), H in zip(pairwise(frames), homographies, strict=True):
        if np.isfinite(H).all():
            warped = cv2.warpPerspective(
                source, H, target.shape[1::-1], dst=target.copy(), borderMode=cv2.BORDER_TRANSPARENT
            )
            left.append(float(cv2.absdiff(warped, target).mean()))
    return float(np.median(left)) if left else float("nan")


def timed(work: Callable[[], Result], pairs: int) -> tuple[Result, float]:
    """What `work` returns, and pairs per CPU second."""
    began = time.process_time()
    result = work()
    return result, pairs / (time.process_time() - began)


def measure(frames: Frames) -> str:
    """The numbers of one clip at one size."""
    pairs = len(frames) - 1
    H_ours, speed = timed(lambda: ours(frames, Stabilize()), pairs)
    H_peer, peer_speed = timed(lambda: per_pair(frames, Stabilize()), pairs)
    _, flow_speed = timed(lambda: flow(frames, H_ours, ComputeFlow()), pairs)
    return (
        f"{speed:.0f} | {peer_speed:.0f}; {alignment(frames, H_ours):.2f} | "
        f"{alignment(frames, H_peer):.2f}; {flow_speed:.0f}"
    )


def main() -> None:
    """Print a line per clip and size."""
    parser = argparse.ArgumentParser(description="Speed and accuracy of stabilisation and flow")
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--side", type=int, nargs="+", default=[128, 320])
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    print("clip, px: pairs/s ours | per pair; grey levels left ours | per pair; flow pairs/s")
    for clip in asked.clips or sorted((DATA / "clips").glob("*.mp4")):
        for side in asked.side:
            print(f"{clip.stem}, {side}: {measure(read(clip, asked.frames, side))}")


if __name__ == "__main__":
    main()
