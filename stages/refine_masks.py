"""Sharpen every soft mask at the edges of its frame, by a dense CRF.

    python -m stages.refine_masks

Reads frames, predictions and the calibration; writes `artifacts/masks/VIDEO.h5`, 0/255. A frame is
in memory at a time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.crf import refine
from pipeline.evaluation.calibration import Calibration, crf_setting, read_calibration
from pipeline.evaluation.collect import open_predictions, predicted_index, soft_mask
from pipeline.fanout import Job, fan_out
from pipeline.frames import open_frames
from pipeline.instances import has_instances, read_labels
from pipeline.params.read import load_section
from pipeline.params.results import RefineMasks
from pipeline.pool import Advance
from pipeline.stage import run_stage
from pipeline.store import hdf5, paths
from pipeline.store.digest import file_sha256


def main() -> None:
    """Refine all videos in parallel."""
    params = load_section(RefineMasks, "refine_masks")
    calibration = read_calibration()
    jobs = [
        Job(str(video), len(rows), _identity(str(video)), (calibration, params.iterations))
        for video, rows in predicted_index().groupby("video", sort=False)
    ]
    fan_out(
        "refine_masks",
        jobs,
        work,
        out=paths.MASKS,
        schema=hdf5.MASKS,
        fingerprint={**calibration.model_dump(mode="json"), **params.model_dump()},
    )


def work(job: Job[tuple[Calibration, int]], path: Path, advance: Advance) -> None:
    """Write one video's masks; in a worker process."""
    calibration, iterations = job.data
    setting = crf_setting(calibration.crf)
    with (
        open_frames(job.video) as reader,
        open_predictions(job.video, reader) as predictions,
        hdf5.create(path, hdf5.MASKS) as file,
    ):
        size = reader.height, reader.width
        masks = file.create_dataset(
            "mask", (reader.count, *size), np.uint8, chunks=(1, *size), compression="lzf"
        )
        instances = None
        if has_instances(predictions):
            instances = file.create_dataset(
                "instance", (reader.count, *size), np.uint8, chunks=(1, *size), compression="lzf"
            )
        for number in range(reader.count):
            foreground = refine(
                soft_mask(predictions, number),
                reader.read(number),
                calibration.threshold_crf,
                setting,
                iterations,
            )
            masks[number] = np.where(foreground > 0.5, 255, 0)
            if instances is not None:
                instances[number] = read_labels(predictions, number, foreground > 0.5)
            advance(1)


def _identity(video: str) -> str:
    """Tells this video's frames and predictions from others."""
    return " ".join(
        file_sha256(paths.video_file(folder, video)) for folder in (paths.FRAMES, paths.PREDICTIONS)
    )


if __name__ == "__main__":
    run_stage("refine_masks", main)
