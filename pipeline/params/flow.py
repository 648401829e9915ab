"""Params of optical flow: the stage `compute_flow` and the command `backdrop train-flow`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.base import LearningRate, PositiveInt, Section
from pipeline.params.optimisation import Optimisation

Backend = Literal[
    "auto",
    "dis",
    "raft_small",
    "raft_large",
    "flownet2",
    "flownet2_css",
    "flownet2_cs",
    "flownet2_c",
    "flownet2_s",
    "flownet2_sd",
    "dis_corrected",
]
Preset = Literal["ultrafast", "fast", "medium"]


class ComputeFlow(Section):
    """Residual optical flow of the stabilised pairs."""

    backend: Backend = Field("auto", description="auto: the best that weights and device allow")
    weights: str = Field(
        "weights/flow", description="file of weights, or folder of such; known by their content"
    )
    dis_preset: Preset = "medium"
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="of networks")
    batch_size: PositiveInt = Field(8, description="pairs at once through a network")
    enlarge_to: int = Field(
        256, ge=0, le=4096, description="px; networks see frames of a shorter longest side enlarged"
    )
    half: bool = Field(True, description="networks in float16 on a GPU")
    confidence: bool = Field(
        True,
        description="forward-backward consistency, for you: no stage reads it. "
        "DIS takes half as long again, networks twice",
    )
    change_levels: float = Field(
        5.0,
        ge=0.0,
        le=255.0,
        description="grey levels; flow where the stabilised frames differ less is drift, set to 0",
    )
    change_margin: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="share of the longest side; DIS sees what changed and so much around it; "
        "1: whole frames",
    )
    scale_percentile: float = Field(
        98.0, ge=50.0, le=100.0, description="flow magnitude (over a video) at 0.76 of full colour"
    )
    min_scale_px: float = Field(
        0.5, gt=0.0, description="px; residual motion below it is not stretched to full colour"
    )


class TrainFlow(Section):
    """A flow network of one's own, on pairs made from one's own videos: `backdrop train-flow`."""

    variant: Literal["dis_corrected", "flownet2_sd", "flownet2_s", "flownet2_c", "flownet2_cs"] = (
        "dis_corrected"
    )
    width: float = Field(0.25, ge=0.05, le=1.0, description="of every layer, against the published")
    iterations: PositiveInt = 12000
    batch_size: PositiveInt = 8
    learning_rate: LearningRate = 5e-4
    crop_height: int = Field(128, ge=64, multiple_of=64, description="px of a pair")
    crop_width: int = Field(192, ge=64, multiple_of=64, description="px of a pair")
    longest_side: int = Field(384, ge=64, le=4096, description="px of the frames cut from")
    frames_per_video: PositiveInt = Field(8, description="frames cut from, per video")
    motion_px: float = Field(
        24.0, gt=0.0, le=1000.0, description="scale of the motion, px; few reach it"
    )
    optimisation: Optimisation = Optimisation()
