"""One prediction against one ground truth, at the ground truth's own size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.blob import ellipse_mask
from models.crf import DenseCrf
from models.detection_metrics import box_iou, hit, mask_box
from models.segmentation_metrics import (
    THRESHOLDS,
    boundary_measure,
    region_similarities,
    region_similarity,
)
from pipeline.evaluation.calibration import crf_setting
from pipeline.evaluation.collect import FrameResult
from pipeline.evaluation.controls import BlobChoice, Controls

Mask = NDArray[np.bool_]


def at_size_of(values: NDArray[np.float32], truth: Mask) -> NDArray[np.float32]:
    """`values` `(H, W)` resized bilinearly to the truth's size."""
    height, width = truth.shape
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR))


def hard_at_size_of(mask: Mask, truth: Mask) -> Mask:
    """A hard mask `(H, W)` at the truth's size: resized bilinearly, cut at a half."""
    return np.asarray(at_size_of(mask.astype(np.float32), truth) > 0.5)


def blob(frame: FrameResult, scale: float) -> NDArray[np.float32]:
    """The control: a soft ellipse `(H, W)` in each predicted box, all subjects' together."""
    height, width = frame.soft.shape
    ellipses = ellipse_mask(frame.boxes.astype(np.float32), height, width, scale)
    return np.asarray(ellipses.max(axis=0, initial=0))


def refined_blob(frame: FrameResult, choice: BlobChoice) -> Mask:
    """The control after its own CRF, `(H, W)`."""
    return refined(
        DenseCrf(frame.image, crf_setting(choice.crf)),
        blob(frame, choice.scale_crf),
        choice.threshold_crf,
        choice.iterations,
    )


def refined(crf: DenseCrf, soft: NDArray[np.float32], threshold: float, iterations: int) -> Mask:
    """Hard mask `(H, W)` after CRF."""
    return np.asarray(crf.refine(soft, threshold, iterations) > 0.5)


def score(
    frame: FrameResult,
    truth: Mask,
    masks: tuple[Mask, Mask],
    threshold: float,
    tolerance: float,
) -> tuple[dict[str, float | None], NDArray[np.float64]]:
    """All that PER_FRAME says of a frame's masks and box, but for the oracle's J.

    Args:
        frame: what was predicted.
        truth: `(H', W')`.
        masks: `(H, W)` after CRF, and what of it moves.
        threshold: of the soft mask.
        tolerance: of F.

    Returns:
        values by column, None where the frame has no subject to find; J at every threshold
        `(len(THRESHOLDS),)`, for the oracle.
    """
    ours, moving = (hard_at_size_of(mask, truth) for mask in masks)
    soft = at_size_of(frame.soft, truth)
    raw = soft > threshold
    values = {
        "J": region_similarity(ours, truth),
        "F": boundary_measure(ours, truth, tolerance),
        "J_no_crf": region_similarity(raw, truth),
        "F_no_crf": boundary_measure(raw, truth, tolerance),
        "J_moving": region_similarity(moving, truth),
        "F_moving": boundary_measure(moving, truth, tolerance),
        **_detection(frame, truth),
    }
    return values, region_similarities(soft, truth, THRESHOLDS)


def score_controls(frame: FrameResult, truth: Mask, controls: Controls) -> dict[str, float | None]:
    """J of the controls: the blob in the frame's box, with and without CRF, and the flow."""
    choice = controls.blob
    raw_blob = at_size_of(blob(frame, choice.scale), truth) > choice.threshold
    moving = at_size_of(frame.speed, truth) > controls.flow_threshold_px
    refined_one = hard_at_size_of(refined_blob(frame, choice), truth)
    return {
        "J_blob": region_similarity(refined_one, truth),
        "J_blob_no_crf": region_similarity(raw_blob, truth),
        "J_flow_threshold": region_similarity(moving, truth),
    }


def _detection(frame: FrameResult, truth: Mask) -> dict[str, float | None]:
    """Box against the box of the truth; None where the frame has no subject.

    The truth does not tell subjects apart: it is the box around all of them that is compared.
    """
    target = mask_box(truth)
    if target is None:
        return {"box_iou": None, "hit": None}
    size = np.array(frame.soft.shape[::-1])  # x, y
    scale = np.tile(truth.shape[::-1] / size, 2)
    box = around(frame.boxes)
    seen = inside(box, size)  # the truth knows nothing of what lies beyond the frame
    return {
        "box_iou": box_iou(seen * scale, target),
        "hit": float(hit(box * scale, target)),
    }


def inside(box: NDArray[np.float64], size: NDArray[np.int64]) -> NDArray[np.float64]:
    """The part of a box `(4,)` that lies in a frame of `size` `(2,)`, width and height px.

    >>> inside(np.array([-1.0, 2, 3, 9]), np.array([8, 6])).tolist()
    [0.0, 2.0, 2.0, 4.0]
    """
    low, high = np.clip(box[:2], 0, size), np.clip(box[:2] + box[2:], 0, size)
    return np.concatenate([low, high - low])


def around(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The box `(4,)` around boxes `(K, 4)`, K >= 1; x, y, width, height px.

    >>> around(np.array([[1.0, 2, 3, 4], [0.0, 5, 2, 2]])).tolist()
    [0.0, 2.0, 4.0, 5.0]
    """
    low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    return np.concatenate([low, high - low])
