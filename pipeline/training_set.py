"""What is trained on: the training videos, and the very bytes of their artifacts.

A stage that depended on all of `artifacts/frames` would train anew for every video added, whatever
its split. Training stages depend on these records instead, which training videos alone can change.
`stages/training_set.py` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import BackdropError
from pipeline.params.base import PositiveInt, Section
from pipeline.store import paths
from pipeline.store.atomic import read_json
from pipeline.store.digest import file_sha256


class Part(StrEnum):
    """Per-video artifacts that training reads; each has a record of its own."""

    FRAMES = "frames"
    FLOW = "flow"
    PREDICTIONS = "predictions"
    LABELS = "labels"

    @property
    def folder(self) -> Path:
        """Of the `VIDEO.h5` files; predictions are the model's."""
        return paths.ARTIFACTS / self.value

    @property
    def record(self) -> Path:
        """The record of this part."""
        return paths.TRAINING_SET / f"{self.value}.json"


class Recorded(Section):
    """A training video: its frames, and the sha256 of its file in the part's folder."""

    video: str
    frames: PositiveInt
    sha256: str


class TrainingSet(Section):
    """The record of one part, videos in the order of the index."""

    videos: tuple[Recorded, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """Frames of each video."""
        return {one.video: one.frames for one in self.videos}


def training_set(part: Part = Part.FRAMES) -> TrainingSet:
    """Read the record of `part`.

    Raises:
        BackdropError: missing, not JSON, or not such a record.
    """
    try:
        return TrainingSet.model_validate(read_json(part.record))
    except ValidationError as error:
        detail = error.errors()[0]
        raise BackdropError(
            f"holds no training set ({'.'.join(map(str, detail['loc']))}: {detail['msg']})",
            where=str(part.record),
            remedy=f"run `dvc repro --force training_set@{part}`",
        ) from error


def verified(*parts: Part) -> list[Path]:
    """The records of `parts`, once every file is known to be the one recorded.

    To be asked before a training and after it: DVC does not keep files from being replaced that a
    stage reads without depending on them.

    Raises:
        BackdropError: one is another: training would not be, or was not, on what DVC believes.
    """
    for part in parts:
        for one in training_set(part).videos:
            path = paths.video_file(part.folder, one.video)
            if file_sha256(path) != one.sha256:
                raise BackdropError(
                    f"is not the file that {part.record} records",
                    where=str(path),
                    remedy=f"run `dvc repro training_set@{part}`",
                )
    return [part.record for part in parts]
