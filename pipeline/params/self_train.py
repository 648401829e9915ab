"""Params of `self_train`: a student learns from the masks of the training videos (ours)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.base import LearningRate, PositiveInt, Probability, Section


class SelfTrain(Section):
    """Self-training, beyond the paper; off, the masks of `refine_masks` are the result."""

    enabled: bool = False
    flow_in_labels: bool = Field(
        True, description="labels take the flow's evidence into account, not the model's alone"
    )
    rounds: int = Field(
        1, ge=1, le=5, description="after the first, a new student learns from the last one's masks"
    )
    iterations: PositiveInt = Field(500, description="of each round")
    batch_size: int = Field(16, ge=2, le=1024)
    learning_rate: LearningRate = 3e-3
    channels: int = Field(16, ge=4, le=256, description="of the full-resolution layers")
    encoder: Literal["none", "imagenet"] = Field(
        "imagenet", description="from scratch, or EfficientNet-Lite0 trained on ImageNet"
    )
    longest_side: int = Field(
        256, ge=32, le=4096, description="px of the student's input; frames above are made smaller"
    )
    recolour: Probability = Field(0.5, description="share of frames whose subject is recoloured")
    paste: Probability = Field(0.3, description="share of frames that get another's subject")
