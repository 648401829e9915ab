"""The student's boxes and soft masks for every cached frame, in the form of the model's.

    python -m stages.predict_student

Reads frames and `artifacts/student/network`; writes `artifacts/student/predictions`, which
`calibrate` and `refine_masks` then treat like the model's. Without self-training a note is passed
on.
"""

from __future__ import annotations

from pipeline.fanout import fan_out
from pipeline.frame_jobs import frame_jobs
from pipeline.networks import CONFIG, WEIGHTS
from pipeline.params.read import load_section
from pipeline.params.results import Predict
from pipeline.params.training import Compute
from pipeline.self_training import pass_on
from pipeline.stage import run_stage
from pipeline.store import hdf5
from pipeline.store.digest import file_sha256
from pipeline.store.paths import INDEX_TABLE, STUDENT_NETWORK, Source
from pipeline.student_predictions import Settings, work
from pipeline.usable_device import choose_device, processes_on

STAGE = "predict_student"


def main() -> None:
    """Predict all videos, in parallel processes of one thread each."""
    out = Source.STUDENT.predictions_folder
    if pass_on(STUDENT_NETWORK, out):
        return
    compute = load_section(Compute, "compute")
    settings = Settings(compute, load_section(Predict, "predict").batch_size)
    device = choose_device(compute.device, "compute.device")
    fan_out(
        STAGE,
        frame_jobs(settings),
        work,
        out=out,
        schema=hdf5.PREDICTIONS,
        fingerprint={
            "network": [file_sha256(STUDENT_NETWORK / name) for name in (WEIGHTS, CONFIG)],
            "batch_size": settings.batch_size,
            "device": device,
        },
        occasion=file_sha256(INDEX_TABLE),
        workers=processes_on(device),
    )


if __name__ == "__main__":
    run_stage(STAGE, main)
