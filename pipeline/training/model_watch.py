"""Looks at D and S on a fixed set of training frames: all that can be known without labels.

The score, by which an early stop chooses, is the agreement of masks and motion: the mean overlap
(intersection over union) of the soft mask with the pixels that the residual flow shows moving, over
the frames in which something of a subject's size moves. It falls when boxes grow, for the masks
then take in what rests, and when they lose the subject. Without flow it is the error density of the
most probable box, -G of Eq. (4), which falls when boxes grow or stray but prefers small ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.boxes import rectangle_mask
from models.detector import Detector
from models.direct_detector import DirectDetector
from models.model import SegmentationModel
from models.spatial_transformer import uncrop
from pipeline.evaluation.motion import MOVING, speed_at
from pipeline.motion_centre import SUBJECT_MOVES, motion_centre, way
from pipeline.store.hdf5 import FLOW as FLOW_SCHEMA
from pipeline.store.hdf5 import open_artifact
from pipeline.store.paths import FLOW, video_file
from pipeline.training.frames import TrainingFrames
from pipeline.training.model_step import Batch, Frozen, error_density
from pipeline.training.watch import Look

WATCHED = 64
"""Frames looked at, evenly spread over all that is trained on."""
FEWEST_CENTRES = 10
"""Frames with a centre of motion below which the subject is not said to move."""
LIMIT_MARGIN = 0.01
"""Share of the range of box sides that counts as its end."""


@dataclass(frozen=True)
class Motion:
    """What the flow says of the F frames looked at.

    Attributes:
        moving: (F, H, W) 1 where a pixel moves; all zero in a frame whose flow is not trusted, or
            shows nothing of a subject's size, and without flow.
        subject_moves: whether what moves goes from place to place, over all of the frames.
    """

    moving: Tensor
    subject_moves: bool


@dataclass(frozen=True)
class ModelWatch:
    """Looks at D and S.

    Attributes:
        chosen: numbers of the frames looked at, the same for every seed.
        frames, flow, flow_ok, frozen: what D and S are trained on; `flow` is None without it.
        flow_weight: of the flow in G.
        motion: of the frames chosen.
        batch_size: frames at once.
    """

    chosen: list[int]
    frames: TrainingFrames
    flow: TrainingFrames | None
    flow_ok: Tensor
    frozen: Frozen
    flow_weight: float
    motion: Motion
    batch_size: int

    @torch.no_grad()
    def look(self, model: SegmentationModel) -> Look:
        """Values of `model`, which is in evaluation mode.

        Returns:
            entropy: of p, mean over the frames, over log C.
            information: between frame and cell, over log C; 0 where p is the same for all frames.
            box_side: mean, share of the image.
            box_way: how far the box centres range over all frames, share of the image.
            at_limit: share of the boxes both of whose sides are the smallest or largest allowed.
            mask_area: mean mask, share of the image.
            mask_fill: the same over what S could mask, its window's bump.
            density: error density of the most probable box, spreads over the cells.
            agreement: of masks and motion, 0 to 1; 0 without flow.
            score: `agreement` where anything moves, else `density`.
        """
        parts = [
            self._frames(model, slice(first, first + self.batch_size))
            for first in range(0, len(self.chosen), self.batch_size)
        ]
        p, box, area, bump, density, overlap = (
            torch.cat(x).cpu() for x in zip(*parts, strict=True)
        )
        entropy = torch.special.entr(p).sum(dim=1).mean()
        most = math.log(p.shape[1]) or 1.0  # direct regression's one cell leaves nothing to decide
        of_mean = torch.special.entr(p.mean(dim=0)).sum()
        judged = self.motion.moving.flatten(1).any(dim=1)
        seen = {
            "entropy": float(entropy) / most,
            "information": float(of_mean - entropy) / most,
            "box_side": float(box[:, 2:].mean()),
            "box_way": way(box[:, :2].double().numpy()),
            "at_limit": float(at_limit(model.detector, box).float().mean()),
            "mask_area": float(area.mean()),
            "mask_fill": float(area.mean() / bump.mean().clamp(min=1e-6)),
            "density": float(density.mean()),
            "agreement": float(overlap[judged].mean()) if judged.any() else 0.0,
        }
        return {**seen, "score": seen["agreement" if judged.any() else "density"]}

    def _frames(self, model: SegmentationModel, part: slice) -> tuple[Tensor, ...]:
        """Probabilities (F, C), boxes (F, 4), and per frame (F,): area, bump, density, overlap."""
        numbers, device = self.chosen[part], next(model.parameters()).device
        image = self.frames.batch(numbers, device)
        seen = model.predict(image, self.frozen.rgb)
        hole = rectangle_mask(seen.box, *image.shape[2:])
        flow_image = self.flow.batch(numbers, device) if self.flow else image
        batch = Batch(image, flow_image, self.flow_ok[numbers].to(device), flipped=False)
        density, *_ = error_density(
            self.frozen, batch, seen.background, (hole, hole), self.flow_weight
        )
        mask = seen.mask[:, 0]
        bump = uncrop(model.bump.expand(len(image), -1, -1, -1), seen.box, *image.shape[2:])
        overlap = soft_overlap(mask, self.motion.moving[part].to(device))
        area, most = mask.mean(dim=(1, 2)), bump.mean(dim=(1, 2, 3))
        return seen.probability, seen.box, area, most, density, overlap


def watched_frames(frames: TrainingFrames) -> list[int]:
    """Numbers of the frames to look at."""
    count = min(WATCHED, len(frames))
    return [int(number) for number in np.linspace(0, len(frames) - 1, count).round()]


def watched_motion(chosen: list[int], flow: TrainingFrames, flow_ok: Tensor) -> Motion:
    """What moves in the frames chosen, from the flow's artifacts."""
    moving = np.zeros((len(chosen), flow.height, flow.width), np.float32)
    centres = []
    for row, number in enumerate(chosen):
        if not flow_ok[number]:
            continue
        speed = _relative_speed(flow, number)
        x, y = motion_centre(speed, MOVING)
        if not math.isnan(x):
            moving[row] = speed > MOVING
            centres.append((x, y))
    least = SUBJECT_MOVES * max(flow.height, flow.width)
    moves = len(centres) >= FEWEST_CENTRES and way(np.array(centres)) > least
    return Motion(torch.from_numpy(moving), moves)


def no_motion(chosen: list[int], frames: TrainingFrames) -> Motion:
    """Without flow nothing is known of motion."""
    return Motion(torch.zeros(len(chosen), frames.height, frames.width), subject_moves=False)


def soft_overlap(mask: Tensor, moving: Tensor) -> Tensor:
    """Intersection over union of soft masks and pixels in motion: (F, H, W) each, to (F,)."""
    both = (mask * moving).sum(dim=(1, 2))
    return both / (mask.sum(dim=(1, 2)) + moving.sum(dim=(1, 2)) - both).clamp(min=1e-6)


def at_limit(detector: Detector | DirectDetector, boxes: Tensor) -> Tensor:
    """Whether both sides of each box (F, 4) are at the smallest or largest allowed: (F,) bool."""
    low, high = detector.scale_min, detector.scale_max
    share = (boxes[:, 2:] - low) / (high - low)
    return ((share < LIMIT_MARGIN) | (share > 1 - LIMIT_MARGIN)).all(dim=1)


def _relative_speed(flow: TrainingFrames, number: int) -> NDArray[np.float32]:
    """Speed (H, W) over the video's `scale_px`, at the network's size."""
    video, frame = flow.places[number]
    with open_artifact(video_file(FLOW, video), FLOW_SCHEMA) as file:
        speed = speed_at(file, frame) / np.float32(file.attrs["scale_px"])
    size = (flow.width, flow.height)
    return np.asarray(cv2.resize(speed, size, interpolation=cv2.INTER_AREA), np.float32)
