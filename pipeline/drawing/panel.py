"""The panel of one frame: what goes in, what each step makes of it, and the truth beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.boxes import HOLE_SCALE
from pipeline.drawing.captions import resize, resize_mask
from pipeline.drawing.colours import GREY, WHITE
from pipeline.drawing.marks import Image, draw_box, draw_detection, draw_instances
from pipeline.drawing.masks import (
    flow_colours,
    ground_truth,
    heat,
    overlay,
    overlay_at_rest,
    overlay_instances,
)


class StudentResult(NamedTuple):
    """As in `FrameResult`, but the student's; its `box` holds the main parts of `soft`."""

    soft: Image
    hard: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    box: NDArray[np.floating]


@dataclass(frozen=True)
class FrameResult:
    """All that is known of one frame; sizes are px of the cached frame `(H, W)`.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        box: (4,) `x, y, w, h` px.
        cell: index of the winning cell.
        cell_probability: (C,).
        soft: (H, W) uint8, the soft mask.
        hard: (H, W) bool, the mask after CRF, and `moving`, what of it moves in the video.
        student: what the student makes of the frame, or None without self-training.
        flow: (H, W, 2) px, residual flow, or None where the pair of frames was not aligned; and
            `flow_scale_px` of its encoding.
        background: (H, W, 3) uint8, the frame with the inpainter's picture in the 1.1x box.
        truth: ground truth (h, w) bool at its own size, or None.
        instances: of several subjects, boxes (K, 4) with NaN for who is not there, and labels
            (H, W), 0 background, 1..K; or None.
    """

    image: Image
    box: NDArray[np.floating]
    cell: int
    cell_probability: NDArray[np.floating]
    soft: Image
    hard: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    flow: NDArray[np.floating] | None
    flow_scale_px: float
    background: Image
    student: StudentResult | None = None
    truth: NDArray[np.bool_] | None = None
    instances: tuple[NDArray[np.floating], Image] | None = None


class Picture(NamedTuple):
    """One picture of a panel, `(h, width, 3)` uint8 RGB, and what it shows."""

    caption: str
    image: Image


def draw_panel(frame: FrameResult, width: int) -> list[Picture]:
    """The pictures of one frame, each `width` px wide, in the order of the method.

    Marks are drawn after enlarging, so that they are sharp however small the frame is.
    """
    large = resize(frame.image, width)
    height, scale = large.shape[0], width / frame.image.shape[1]
    box = np.asarray(frame.box, dtype=np.float64) * scale
    hole = draw_box(resize(frame.background, width), _grown(box, HOLE_SCALE), WHITE)
    detected = draw_detection(large, box, frame.cell, frame.cell_probability)
    result = overlay(large, resize_mask(frame.hard, height, width))
    at_rest = resize_mask(frame.hard & ~frame.moving, height, width)
    if frame.instances is not None:
        boxes, labels = frame.instances
        detected = draw_instances(detected, boxes * scale)
        result = overlay_instances(large, resize(labels, width, smooth=False))
    pictures = [
        Picture("Input", detected),
        _flow_picture(frame, width),
        Picture("Inpainted", hole),
        Picture("Soft mask", heat(resize(frame.soft, width))),
        Picture("CRF mask", overlay_at_rest(result, large, at_rest)),
    ]
    if frame.student is not None:
        pictures += _student_pictures(frame.student, large, scale)
    if frame.truth is not None:
        truth = resize_mask(frame.truth, height, width)
        pictures.append(Picture("Ground truth", ground_truth(large, truth)))
    return pictures


def _flow_picture(frame: FrameResult, width: int) -> Picture:
    """Grey where there is no flow: the colour of no motion would claim that nothing moves."""
    if frame.flow is None:
        empty = np.full_like(frame.image, GREY)
        return Picture("No flow: frames not aligned", resize(empty, width))
    return Picture("Flow", resize(flow_colours(frame.flow, frame.flow_scale_px), width))


def _student_pictures(student: StudentResult, large: Image, scale: float) -> list[Picture]:
    height, width = large.shape[:2]
    learnt = overlay(large, resize_mask(student.hard, height, width))
    at_rest = resize_mask(student.hard & ~student.moving, height, width)
    mask = overlay_at_rest(learnt, large, at_rest)
    if student.hard.any():  # else the box is a guess
        mask = draw_box(mask, np.asarray(student.box, dtype=np.float64) * scale)
    return [
        Picture("Student", heat(resize(student.soft, width))),
        Picture("Student, CRF mask", mask),
    ]


def _grown(box: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    x, y, width, height = box
    grow_x, grow_y = (factor - 1) * width / 2, (factor - 1) * height / 2
    return np.asarray([x - grow_x, y - grow_y, factor * width, factor * height])
