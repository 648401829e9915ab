"""What every section of `params.yaml` shares: no unknown keys, no silent coercion of words."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0.0)]
LearningRate = Annotated[float, Field(gt=0.0, le=1.0)]


class Section(BaseModel):
    """A section of `params.yaml`: an unknown key, or a number that is not finite, is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    of_no_effect: ClassVar[frozenset[str]] = frozenset()
    """Keys that change no result."""
