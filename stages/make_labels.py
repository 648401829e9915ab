"""Make the labels that self-training learns from: masks of the training videos, and trust in them.

    python -m stages.make_labels

Reads frames, flow, predictions and the calibration of the training videos, and their background
where it is known; no ground truth. Writes `artifacts/labels/VIDEO.h5`. With `self_train.enabled:
false` a note takes their place.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline.fanout import fan_out
from pipeline.job import Job
from pipeline.labelling import Labelling, model_labelling, write_labels
from pipeline.networks import CONFIG, WEIGHTS
from pipeline.params.read import load_section
from pipeline.params.self_train import SelfTrain
from pipeline.pool import Advance
from pipeline.self_training import switch_off, switch_on
from pipeline.stage import run_stage
from pipeline.store import hdf5
from pipeline.store.digest import file_sha256, files_sha256
from pipeline.store.paths import LABELS, PREDICTIONS, Source, video_file
from pipeline.training.finish import require_unchanged
from pipeline.training_set import Part, training_set, verified

log = logging.getLogger("backdrop")
STAGE = "make_labels"
READ = (Part.FRAMES, Part.FLOW, Part.PREDICTIONS)


def main() -> None:
    """Label all training videos in parallel, or note that self-training is off."""
    params = load_section(SelfTrain, "self_train")
    if not params.enabled:
        log.info("make_labels: self-training is off; there is nothing to label")
        switch_off(LABELS)
        return
    switch_on(LABELS)
    verified(*READ)
    counts = training_set().counts
    how = model_labelling(params)
    fan_out(
        STAGE,
        [Job(video, count, _identity(video), how) for video, count in counts.items()],
        work,
        out=LABELS,
        schema=hdf5.LABELS,
        fingerprint={
            "choice": how.choice.model_dump(mode="json", exclude={"source", "frames"}),
            "flow": how.flow,
            "background": [file_sha256(how.background / name) for name in (WEIGHTS, CONFIG)],
        },
        occasion=files_sha256(*(part.record for part in READ), Source.MODEL.calibration_file),
    )
    require_unchanged(*READ)


def work(job: Job[Labelling], path: Path, advance: Advance) -> None:
    """Write one video's labels; in a worker process."""
    write_labels(job.data, job.video, video_file(PREDICTIONS, job.video), path, advance)


def _identity(video: str) -> str:
    """Tells this video's frames, flow and predictions from others."""
    return " ".join(file_sha256(video_file(part.folder, video)) for part in READ)


if __name__ == "__main__":
    run_stage(STAGE, main)
