"""What still moves in a pair of frames once the source is brought onto the target.

shown, valid = stabilised(target, source, H, mesh)
weight = change_weight(target, shown, change_levels) * valid
flow = weight[..., None] * estimator.estimate(target[None], shown[None])[0]
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.stabilization import Matrix
from models.warping import pixel_grid, warp_onto

BORDER_PX = 4  # at the warp's edge, interpolation and DIS's patches see what is not there
# Of the longest side. Twice as wide leaves two fifths more flow on the background and finds no
# subject better (docs/experiments.md).
CHANGE_WIDTH = 0.05
# Forward and backward flow agree up to a share of their length and a constant (Sundaram, Brox and
# Keutzer 2010, Eq. 5); what errs by just that much has a confidence of one half.
RELATIVE, ABSOLUTE_PX2 = 0.01, 0.5
CERTAIN = 255  # confidence, where the way back leads home exactly


def stabilised(
    target: NDArray[np.uint8],
    source: NDArray[np.uint8],
    H: Matrix,
    mesh: NDArray[np.float32] | None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The source as the target's camera would have seen it, and where that is known.

    Where the warp reaches beyond the source, the target itself stands in, which moves nowhere:
    the warp's edge then makes no motion of its own.

    Args:
        target, source: uint8 RGB (H, W, 3).
        H: (3, 3), source px to target px. mesh: see `warp_onto`.

    Returns:
        shown uint8 (H, W, 3); valid bool (H, W).
    """
    shown, seen = warp_onto(source, H, mesh, target.shape[:2])
    seen_by = seen.astype(np.uint8)
    shown = np.asarray(cv2.copyTo(shown, seen_by, target.copy()), np.uint8)
    side = 2 * BORDER_PX + 1
    valid = cv2.erode(seen_by, np.ones((side, side), np.uint8)).astype(bool)
    return shown, valid


def change_weight(
    target: NDArray[np.uint8], warped: NDArray[np.uint8], levels: float
) -> NDArray[np.float32]:
    """How much two aligned frames (H, W, 3) differ nearby: (H, W), 0 to `levels`, 1 from twice it.

    With `levels` 0, it is 1 everywhere.

    Where they do not differ, standing still explains the image as well as any flow, and what an
    estimator gives there is drift (a bare floor under flickering light). "Nearby" is an ellipse
    `CHANGE_WIDTH` of the frame wide, so that the inside of a plain limb counts with its outline;
    that of a plain body further than half of it from any change does not.
    """
    if levels == 0:
        return np.ones(target.shape[:2], np.float32)
    before, after = (cv2.blur(image, (3, 3)) for image in (target, warped))
    width = int(CHANGE_WIDTH * max(target.shape)) | 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    red, green, blue = cv2.split(cv2.absdiff(before, after))
    change = cv2.dilate(cv2.max(cv2.max(red, green), blue), ellipse)
    weight = np.clip(change.astype(np.float32) / np.float32(levels) - 1, 0, 1)
    smooth: NDArray[np.float32] = cv2.blur(weight, (3, 3))
    return smooth


def consistency(
    forward: NDArray[np.float32], backward: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Confidence of the forward flow: does the backward flow lead home again?

    Args:
        forward: target to source; backward: source to target; both (H, W, 2) px.
        valid: (H, W).

    Returns:
        uint8 (H, W): 255 where they agree exactly, 128 at Sundaram's limit, 0 where not valid or
        where the flow leaves the frame by more than half a px.
    """
    height, width = valid.shape
    u, v = cv2.split(forward)
    at_x, at_y = cv2.split(pixel_grid((height, width)) + forward)
    home = cv2.remap(backward, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    home_u, home_v = cv2.split(home)
    error = (u + home_u) ** 2 + (v + home_v) ** 2
    allowed = RELATIVE * (u * u + v * v + home_u * home_u + home_v * home_v) + ABSOLUTE_PX2
    inside = (np.abs(at_x - (width - 1) / 2) <= width / 2) & (
        np.abs(at_y - (height - 1) / 2) <= height / 2
    )
    confidence = np.where(valid & inside, CERTAIN / (1 + error / allowed), 0)
    return np.rint(confidence).astype(np.uint8)
