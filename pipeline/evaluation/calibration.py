"""What `calibrate` chose for masks, as it writes it and `refine_masks`, `evaluate` read it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from models.crf import CrfSetting
from pipeline.errors import BackdropError
from pipeline.params.base import Section
from pipeline.params.results import Crf
from pipeline.store.atomic import read_json
from pipeline.store.paths import Source

ChosenT = TypeVar("ChosenT", bound=Section)


class Calibration(Section):
    """What was chosen for the masks of one source.

    `source` is `validation` where validation frames have ground truth, else `motion` where what
    moves chose, else `default`; `frames` were looked at.
    `threshold` cuts the raw soft mask. The CRF gets the mask centred on it, its odds over the
    threshold's, and to the CRF `threshold_crf` of that is even.
    `iterations` of the CRF are those that everything was chosen with.
    """

    source: Literal["validation", "motion", "default"]
    frames: int
    threshold: float
    threshold_crf: float
    crf: Crf
    iterations: int


def crf_setting(crf: Crf) -> CrfSetting:
    """The params' setting as `models.crf` takes it."""
    return CrfSetting(**crf.model_dump())


def read_calibration(source: Source) -> Calibration:
    """Read what was chosen for the masks of either source; raises as `read_chosen`."""
    return read_chosen(Calibration, source.calibration_file, source)


def read_chosen(kind: type[ChosenT], path: Path, source: Source) -> ChosenT:
    """Read one of the files that `calibrate` writes for a source.

    Raises:
        BackdropError: missing, not JSON, or written by another version.
    """
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        detail = error.errors()[0]
        raise BackdropError(
            f"does not hold what was chosen ({'.'.join(map(str, detail['loc']))}: {detail['msg']})",
            where=str(path),
            remedy=f"run `dvc repro --force calibrate@{source}`",
        ) from error
