"""DAVIS's region similarity J and contour accuracy F of one mask against one ground truth.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation",
CVPR 2016, section 5; conventions of its code (`davis-2016`: db_eval_iou, db_eval_boundary).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BoolMask = NDArray[np.bool_]

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""0.05, 0.10, ... 0.95: where a soft mask may be cut (DESIGN section 4)."""


def region_similarity(mask: BoolMask, truth: BoolMask) -> float:
    """J: intersection over union of two masks `(H, W)`, in 0..1; 1 where both are empty.

    Raises:
        ValueError: the shapes differ.

    >>> region_similarity(np.array([[True, True]]), np.array([[True, False]]))
    0.5
    """
    _same_shape(mask, truth)
    union = int(np.count_nonzero(mask | truth))
    return int(np.count_nonzero(mask & truth)) / union if union else 1.0


def region_similarities(
    soft: NDArray[np.float32], truth: BoolMask, thresholds: tuple[float, ...] = THRESHOLDS
) -> NDArray[np.float64]:
    """J of `soft > threshold` for every ascending threshold, in one pass over the pixels.

    Args:
        soft: `(H, W)`, 0..1.
        truth: `(H, W)`.

    Returns:
        `(len(thresholds),)`, each as `region_similarity` gives it.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(soft, truth)
    levels = np.asarray(thresholds, dtype=np.float32)
    passed = np.searchsorted(levels, soft.ravel(), side="left")  # thresholds below the pixel
    all_pixels = np.bincount(passed, minlength=len(levels) + 1)
    true_pixels = np.bincount(passed[truth.ravel()], minlength=len(levels) + 1)
    above = np.cumsum(all_pixels[::-1])[::-1][1:]  # pixels of `soft > threshold`
    both = np.cumsum(true_pixels[::-1])[::-1][1:]
    union = above + int(true_pixels.sum()) - both
    return np.where(union > 0, both / np.maximum(union, 1), 1.0)


def boundary_measure(mask: BoolMask, truth: BoolMask, tolerance: float = 0.008) -> float:
    """F: harmonic mean of the precision and recall of the contour pixels, in 0..1.

    A contour pixel matches when a contour pixel of the other mask lies within a disk of radius
    `ceil(tolerance * diagonal)` px. Where one mask has no contour, F is 0; where neither has, 1.

    Args:
        mask, truth: `(H, W)`.
        tolerance: share of the image diagonal (DAVIS: 0.008).

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(mask, truth)
    radius = int(np.ceil(tolerance * np.hypot(*mask.shape)))
    contour, true_contour = contour_map(mask), contour_map(truth)
    if not contour.any() or not true_contour.any():
        return float(contour.any() == true_contour.any())
    window = _window(contour | true_contour)
    contour, true_contour = contour[window], true_contour[window]
    precision = float(_near(true_contour, radius)[contour].mean())
    recall = float(_near(contour, radius)[true_contour].mean())
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def contour_map(mask: BoolMask) -> BoolMask:
    """Pixels `(H, W)` that differ from their right, lower or lower-right neighbour.

    The contour so lies half a pixel up and left, one pixel wide (`seg2bmap` of the BSDS and DAVIS
    code); the last row and column look along themselves only.
    """
    contour = np.zeros_like(mask)
    contour[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    contour[:-1, :] |= mask[:-1, :] ^ mask[1:, :]
    contour[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return contour


def _near(contour: BoolMask, radius: int) -> BoolMask:
    """Pixels within `radius` px (Euclidean, inclusive) of a contour pixel: dilation by a disk.

    Through the exact distance transform: its cost does not depend on the radius.
    """
    far = cv2.distanceTransform((~contour).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(far < np.sqrt(radius**2 + 0.5))  # squared distances are whole numbers


def _window(pixels: BoolMask) -> tuple[slice, slice]:
    """The rows and columns that hold pixels; nothing outside can match anything."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _same_shape(mask: NDArray[np.generic], truth: BoolMask) -> None:
    if mask.shape != truth.shape:
        raise ValueError(f"mask {mask.shape} and ground truth {truth.shape} differ in size")
