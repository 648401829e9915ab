"""Sharpen every soft mask at the edges of its frame, by a dense CRF.

    python -m stages.refine_masks model|student

Reads frames, predictions and the calibration; writes `artifacts/masks/VIDEO.h5` (the student's:
`artifacts/student/masks`), 0/255. A frame is in memory at a time. Without self-training there is
nothing to do for the student.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.evaluation.calibration import Calibration, read_calibration
from pipeline.evaluation.predicted import open_predictions, predicted_index
from pipeline.fanout import fan_out
from pipeline.frames import open_frames
from pipeline.job import Job
from pipeline.mask_refinement import refine_video
from pipeline.params.read import load_section
from pipeline.params.results import RefineMasks
from pipeline.pool import Advance
from pipeline.self_training import pass_on
from pipeline.stage import run_stage, wanted
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256, files_sha256
from pipeline.store.paths import Source

DECISIVE = {"threshold", "threshold_crf", "crf"}  # of what was chosen


@dataclass(frozen=True)
class Refinement:
    """What a worker needs to know."""

    source: Source
    choice: Calibration
    iterations: int


def main(source: Source) -> None:
    """Refine all videos of `source` in parallel."""
    params = load_section(RefineMasks, "refine_masks")
    if pass_on(source.predictions_folder, source.masks_folder):
        return
    choice = read_calibration(source)
    counts = predicted_index(source)["video"].value_counts(sort=False)
    task = Refinement(source, choice, params.iterations)
    jobs = [
        Job(str(video), int(count), _identity(source, str(video)), task)
        for video, count in counts.items()
    ]
    fan_out(
        "refine_masks",
        jobs,
        work,
        out=source.masks_folder,
        schema=hdf5.MASKS,
        fingerprint={
            "chosen": choice.model_dump(mode="json", include=DECISIVE),
            **params.model_dump(),
        },
        occasion=files_sha256(paths.INDEX_TABLE, source.calibration_file.parent),
        part=source,
    )


def work(job: Job[Refinement], path: Path, advance: Advance) -> None:
    """Write one video's masks; in a worker process."""
    with (
        open_frames(job.video) as reader,
        open_predictions(job.data.source, job.video, reader) as predictions,
    ):
        refine_video(job.data.choice, job.data.iterations, reader, predictions, path, advance)


def _identity(source: Source, video: str) -> str:
    """Tells this video's frames and predictions from others."""
    return " ".join(
        file_sha256(paths.video_file(folder, video))
        for folder in (paths.FRAMES, source.predictions_folder)
    )


if __name__ == "__main__":
    asked = wanted(Source, "stages.refine_masks")
    run_stage(f"refine_masks_{asked}", lambda: main(asked))
