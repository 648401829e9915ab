"""F and CRF against what a user would pick instead: dilation by a disk, and a fresh CRF per mask.

    python -m benchmarks.metrics

Prints ms (the best of several, one thread), at DAVIS's size for F and at the demo's for the CRF.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import cv2
import numpy as np

from models.crf import CrfSetting, DenseCrf, refine
from models.segmentation_metrics import boundary_measure, contour_map, region_similarity

TRIES = 5
TOLERANCE = 0.008  # share of the image's diagonal, as in DAVIS


def milliseconds(call: Callable[[], object], tries: int = TRIES) -> float:
    """CPU time of the fastest of several calls, ms."""
    times = []
    for _ in range(tries):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def f_by_dilation(mask: np.ndarray, truth: np.ndarray) -> float:
    """The published code's way, whole frames dilated by a disk with OpenCV."""
    radius = math.ceil(TOLERANCE * math.hypot(*mask.shape))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    contour, true_contour = (contour_map(m).astype(np.uint8) for m in (mask, truth))
    precision = (contour & cv2.dilate(true_contour, disk)).sum() / contour.sum()
    recall = (true_contour & cv2.dilate(contour, disk)).sum() / true_contour.sum()
    return float(2 * precision * recall / (precision + recall))


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Image, soft mask, and two shifted masks of a disk on noise of natural smoothness."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(128, 200, (height, width, 3)), (0, 0), 3)
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x - width / 2, y - height / 2) / (height / 4)
    image = np.clip(noise + 60 * (radius < 1)[..., None], 0, 255).astype(np.uint8)
    moved = np.roll(radius < 1, (3, 9), (0, 1))
    return image, np.exp2(-(radius**2)).astype(np.float32), radius < 1, moved


def crf_times(height: int, width: int) -> None:
    """Print what a mask costs, and a second one of the same image."""
    image, soft, _, _ = scene(height, width)
    setting = CrfSetting()
    field = DenseCrf(image, setting)
    first = milliseconds(lambda: refine(soft, image, 0.5, setting, 5), 3)
    second = milliseconds(lambda: field.refine(soft, 0.5, 5), 3)
    print(f"CRF {width}x{height}, 5 iterations: {first:.1f}; a second mask {second:.1f}")


def main() -> None:
    argparse.ArgumentParser(description="Time of J, F and the CRF, ms").parse_args()
    cv2.setNumThreads(1)
    _, _, mask, truth = scene(480, 854)
    print(
        f"J 854x480                     {milliseconds(lambda: region_similarity(mask, truth)):7.2f}"
    )
    print(
        f"F 854x480, ours               {milliseconds(lambda: boundary_measure(mask, truth)):7.2f}"
    )
    print(f"F 854x480, dilation by a disk {milliseconds(lambda: f_by_dilation(mask, truth)):7.2f}")
    difference = boundary_measure(mask, truth) - f_by_dilation(mask, truth)
    print(f"  difference {difference:.1e}")
    for height, width in ((96, 128), (256, 256), (480, 854)):
        crf_times(height, width)


if __name__ == "__main__":
    main()
