"""Labels of a later round of self-training: what the student of the last round makes of the frames.

They have the layout of the model's, so that `PseudoLabels` reads either.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.evaluation.calibration import Calibration
from pipeline.frames import open_frames
from pipeline.job import Job
from pipeline.mask_refinement import refine_video
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.store import paths
from pipeline.store.hdf5 import PREDICTIONS, open_artifact
from pipeline.student_predictions import Settings, work
from pipeline.training_set import training_set
from pipeline.usable_device import processes_on

EVEN = 0.5
"""Threshold of a student's soft masks, before the CRF and under it.

`calibrate` chooses better ones for the last student, with ground truth if validation videos have
any: labels need none.
"""


@dataclass(frozen=True)
class Relabelling:
    """What a worker needs to know.

    Attributes:
        student: how to predict with it; the folder of its network gets those of the labels.
        choice: the CRF's setting; its thresholds are `EVEN`.
    """

    student: Settings
    choice: Calibration


def relabel(student: Settings, choice: Calibration, device: str) -> None:
    """Write predictions and masks of all training videos beside the student's network, in parallel.

    Args:
        student: how to predict with it.
        choice: of the model's masks; only the CRF's setting is taken from it.
        device: where the student computes.

    Raises:
        BackdropError: the student, or a video's frames, are missing or damaged.
    """
    even = choice.model_copy(update={"threshold": EVEN, "threshold_crf": EVEN})
    task = Relabelling(student, even)
    jobs = [Job(video, count, "", task) for video, count in training_set().counts.items()]
    with Progress("relabel", 2 * sum(job.size for job in jobs), "frames") as progress:
        run_jobs(jobs, _work, progress, processes_on(device))


def _work(job: Job[Relabelling], advance: Advance) -> None:
    student, choice = job.data.student, job.data.choice
    predictions, masks = (
        paths.video_file(student.network / folder.name, job.video)
        for folder in (paths.PREDICTIONS, paths.MASKS)
    )
    work(Job(job.video, job.size, job.identity, student), predictions, advance)
    with (
        open_frames(job.video) as reader,
        open_artifact(predictions, PREDICTIONS) as made,
    ):
        refine_video(choice, choice.iterations, reader, made, masks, advance)
