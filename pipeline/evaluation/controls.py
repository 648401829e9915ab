"""What `calibrate` chose for the controls, in a file of its own.

Ground truth of a test video may change it, and then no mask is refined again.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.evaluation.calibration import Calibration, read_chosen
from pipeline.params.base import Section
from pipeline.params.results import Crf
from pipeline.store.paths import Source


class BlobChoice(Section):
    """The control's best form without CRF, and with it."""

    scale: float
    threshold: float
    scale_crf: float
    threshold_crf: float
    crf: Crf
    iterations: int


class Controls(Section):
    """What was chosen for the controls, which lie in the boxes of one source."""

    blob: BlobChoice
    flow_threshold_px: float


class Choice(NamedTuple):
    """All that is chosen for one source."""

    masks: Calibration
    controls: Controls


def read_controls(source: Source) -> Controls:
    """Read what was chosen for the controls of either source; raises as `read_chosen`."""
    return read_chosen(Controls, source.controls_file, source)
