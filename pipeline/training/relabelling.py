"""Labels of a later round of self-training: what the student of the last round makes of the frames.

They have the layout of those that `make_labels` makes, so that `PseudoLabels` reads either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.job import Job
from pipeline.labelling import Labelling, write_labels
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.store.paths import LABELS, video_file
from pipeline.student_predictions import Settings
from pipeline.student_predictions import work as predict
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
        how: to label its masks, whose thresholds are `EVEN`.
    """

    student: Settings
    how: Labelling


def relabel(student: Settings, how: Labelling, device: str) -> None:
    """Write predictions and labels of all training videos beside the student's network.

    Args:
        student: how to predict with it.
        how: the model's masks were labelled; of its choice only the CRF's setting is taken.
        device: where the student computes.

    Raises:
        BackdropError: the student, or a video's frames, are missing or damaged.
    """
    even = how.choice.model_copy(update={"threshold": EVEN, "threshold_crf": EVEN})
    task = Relabelling(student, replace(how, choice=even))
    jobs = [Job(video, count, "", task) for video, count in training_set().counts.items()]
    with Progress("relabel", 2 * sum(job.size for job in jobs), "frames") as progress:
        run_jobs(jobs, _work, progress, processes_on(device))


def _work(job: Job[Relabelling], advance: Advance) -> None:
    student, how = job.data.student, job.data.how
    predictions, labels = (
        video_file(student.network / folder, job.video) for folder in ("predictions", LABELS.name)
    )
    predict(Job(job.video, job.size, job.identity, student), predictions, advance)
    write_labels(how, job.video, predictions, labels, advance)
