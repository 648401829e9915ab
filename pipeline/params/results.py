"""Params of the stages after training: predict, calibrate, refine_masks, keep_moving and on."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.params.base import NonNegative, PositiveInt, Probability, Section


class Predict(Section):
    """Inference: the most probable cell of every frame, and perhaps more (4.5)."""

    batch_size: PositiveInt = 16
    looks: int = Field(
        2,
        ge=1,
        le=4,
        description="1: the mask in D's box, as in the paper; 2: again in the box of that mask",
    )
    max_subjects: int = Field(1, ge=1, le=16, description="per frame; they must stand apart")
    min_share: float = Field(
        0.1, gt=0.0, le=1.0, description="a further subject's probability over the first one's"
    )
    max_overlap: Probability = Field(
        0.1,
        description="IoU of two boxes; above it, or with a centre inside the other, they are one",
    )


class Crf(Section):
    """One setting of the dense CRF (Kraehenbuehl & Koltun): Gaussian and bilateral kernels."""

    smooth_weight: NonNegative = 3.0
    smooth_px: float = Field(2.0, ge=0.01, description="standard deviation, px of the cached frame")
    bilateral_weight: NonNegative = 5.0
    bilateral_px: float = Field(20.0, ge=0.01, description="standard deviation, px")
    bilateral_colour: float = Field(5.0, ge=0.01, description="standard deviation, 0-255 levels")
    floor: float = Field(
        0.1, ge=0.0, lt=0.5, description="soft masks are clipped to [floor, 1 - floor] before"
    )


class Calibrate(Section):
    """What validation frames, or motion, choose: threshold, CRF setting, and the blob control."""

    by_motion: bool = Field(
        True,
        description="without validation ground truth, raise the defaults by what moves",
    )
    default_threshold: float = Field(
        0.1,
        gt=0.0,
        lt=1.0,
        description="where neither ground truth nor motion chooses; motion: not below",
    )
    default_threshold_crf: float = Field(
        0.2, gt=0.0, lt=1.0, description="even to the CRF; both as the built-in data chose"
    )
    student_threshold: float = Field(
        0.5, gt=0.0, lt=1.0, description="default_threshold of self_train's masks"
    )
    student_threshold_crf: float = Field(
        0.5, gt=0.0, lt=1.0, description="default_threshold_crf of self_train's masks"
    )
    frames_per_video: PositiveInt = Field(
        10, description="validation frames with ground truth looked at per video"
    )
    crf: tuple[Crf, ...] = Field((Crf(),), min_length=1, description="settings to choose from")
    blob_scales: tuple[Annotated[float, Field(gt=0.0, le=4.0)], ...] = Field(
        (0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5),
        min_length=1,
        description="ellipse axes over box sides",
    )

    @model_validator(mode="after")
    def _certainty(self) -> Self:
        """What is clipped beyond the threshold is foreground in all of the frame."""
        for crf in self.crf:
            for name in ("default_threshold_crf", "student_threshold_crf"):
                if not crf.floor < getattr(self, name) < 1 - crf.floor:
                    raise ValueError(f"crf.floor {crf.floor} must lie below {name} and 1 - {name}")
        return self


class RefineMasks(Section):
    """Dense CRF over the soft masks."""

    iterations: int = Field(5, ge=1, le=100)


class KeepMoving(Section):
    """The parts of a mask that move somewhere in the video; the rest is left out."""

    least_moving: Probability = Field(
        0.1,
        description="share of a part's pixels, on all its way, from which it moves; where none "
        "does, all stay",
    )


class Evaluate(Section):
    """DAVIS's J and F, detection, and what can be known without ground truth."""

    boundary_tolerance: float = Field(
        0.008, gt=0.0, le=0.1, description="of F, share of the image diagonal (DAVIS: 0.008)"
    )
    collapse_empty: Probability = Field(
        0.5, description="share of empty masks where something moves that is a collapse"
    )
    collapse_full: Probability = Field(0.8, description="mask area, share of the frame")
    collapse_frozen_px: NonNegative = Field(
        0.25, description="px; boxes that move less over a video whose subject moves are frozen"
    )


class Report(Section):
    """The static page."""

    panels_per_video: PositiveInt = 4
    max_videos: PositiveInt = 24
    panel_width: int = Field(220, ge=80, le=1000, description="px of one picture")
