"""Params that every training has: schedule, clipping, averaging of the weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.params.base import Section


class Optimisation(Section):
    """AdamW's schedule, clipping and averaging."""

    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="of the learning rate, after a linear rise"
    )
    clip_norm: float = Field(5.0, gt=0.0, description="longest gradient, L2 norm over all weights")
    ema: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="decay of the running mean of the weights that is kept; 0: keep the last ones",
    )
