"""What stabilisation is worth: overlap of thresholded residual flow with DAVIS's ground truth.

    python -m benchmarks.stabilization_iou [SEQUENCE ...] [--side 480] [--every 3]
        [--backend dis] [--weights FILE] [--enlarge-to 256]

The sequences of `$BACKDROP_TEST_DATA/davis2016_train`. Flow between neighbours: without
stabilisation, with a homography by keypoints alone, with ours, and with ours and its mesh. One
threshold for all, found on car-turn and horsejump-low (their mean IoU is highest, and flat, from
0.002 to 0.005 of the longest side) and scored on the other four. Ground truth scores, no more.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.alignment import Alignment, View, align, look
from models.flow.estimator import FlowEstimator
from models.keypoints import KeypointDetector
from models.segmentation_metrics import region_similarity
from models.stabilization import HomographySettings, estimate_homography
from pipeline.errors import BackdropError
from pipeline.optical_flow.choose import choose_estimator
from pipeline.optical_flow.residual import stabilised
from pipeline.params.flow import ComputeFlow

Image = NDArray[np.uint8]
DAVIS = Path(os.environ.get("BACKDROP_TEST_DATA", "../shared/data")) / "davis2016_train"
SCORED = ("lucia", "rollerblade", "hike", "tennis")
CHOSEN_ON = ("car-turn", "horsejump-low")
THRESHOLD = 0.003  # of the longest side
WAYS = ("none", "keypoints", "ours", "ours + mesh")


def pairs(sequence: str, side: int, every: int) -> Iterator[tuple[Image, Image, NDArray[np.bool_]]]:
    """Target and source RGB (H, W, 3), and the target's true mask (H, W)."""
    folder = DAVIS / "JPEGImages" / "480p" / sequence
    paths = sorted(folder.glob("*.jpg"))
    if len(paths) < 2:
        sys.exit(f"error: {folder}: holds no frames — set BACKDROP_TEST_DATA to where DAVIS lies")
    for target, source in list(pairwise(paths))[::every]:
        mask = DAVIS / "Annotations" / "480p" / sequence / f"{target.stem}.png"
        yield read(target, side), read(source, side), read(mask, side)[..., 0] > 127


def read(path: Path, side: int) -> Image:
    """RGB uint8 (H, W, 3) with a longest side of `side` px."""
    image = cv2.cvtColor(np.asarray(cv2.imread(str(path))), cv2.COLOR_BGR2RGB)
    scale = side / max(image.shape)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def alignments(source: View, target: View) -> list[Alignment | None]:
    """One for each of `WAYS`."""
    limits = HomographySettings()
    size = target.grey.shape[0], target.grey.shape[1]
    by_keypoints = estimate_homography(source.keypoints, target.keypoints, size, limits)
    plane = align(source, target, limits, mesh=False)
    return [None, Alignment(by_keypoints, "keypoints"), plane, align(source, target, limits, True)]


def moving(
    target: Image, source: Image, found: Alignment | None, flow: FlowEstimator
) -> NDArray[np.bool_]:
    """Where residual flow exceeds the threshold (H, W); nowhere for a pair that is not ok."""
    if found is None:
        shown, valid = stabilised(target, source, np.eye(3), None)
    elif found.pair.ok:
        shown, valid = stabilised(target, source, found.pair.H, found.mesh)
    else:
        return np.zeros(target.shape[:2], bool)
    magnitude = np.linalg.norm(flow.estimate(target[None], shown[None])[0], axis=-1)
    return np.asarray(valid & (magnitude > THRESHOLD * max(target.shape)))


def score(sequence: str, side: int, every: int, flow: FlowEstimator) -> tuple[list[float], float]:
    """Mean overlap for each of `WAYS`, and the median parallax, px."""
    detector = KeypointDetector(400)
    overlaps, parallax = [], []
    for target, source, truth in pairs(sequence, side, every):
        views = [
            look(detector, np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8))
            for image in (source, target)
        ]
        found = alignments(*views)
        overlaps.append(
            [region_similarity(moving(target, source, one, flow), truth) for one in found]
        )
        parallax.append(found[-1].parallax_px if found[-1] else np.nan)
    return list(np.mean(overlaps, axis=0)), float(np.nanmedian(parallax))


def main() -> None:
    """Print a table in markdown."""
    parser = argparse.ArgumentParser(description="Residual flow against DAVIS's ground truth")
    parser.add_argument("sequences", nargs="*", default=[*SCORED, *CHOSEN_ON])
    parser.add_argument("--side", type=int, default=480, help="longest side, px")
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--backend", default="dis", help="as compute_flow.backend")
    parser.add_argument("--weights", default="weights/flow", help="as compute_flow.weights")
    parser.add_argument(
        "--enlarge-to", type=int, default=256, help="as compute_flow.enlarge_to, px"
    )
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        flow = choose_estimator(
            ComputeFlow(backend=asked.backend, weights=asked.weights, enlarge_to=asked.enlarge_to)
        ).make()
    except BackdropError as error:
        sys.exit(f"error: {error}")
    print(
        f"IoU of residual flow ({flow.name}) above {THRESHOLD * asked.side:.2f} px, "
        f"every {asked.every}. frame\n"
    )
    print("| sequence | " + " | ".join(WAYS) + " | parallax, px |")
    print("|---" * (len(WAYS) + 2) + "|")
    for sequence in asked.sequences:
        overlaps, parallax = score(sequence, asked.side, asked.every, flow)
        cells = [f"{value:.2f}" for value in (*overlaps, parallax)]
        note = " (threshold found here)" if sequence in CHOSEN_ON else ""
        print(f"| {sequence}{note} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
