"""Predict boxes and soft masks for every cached frame; one image at a time matters to a result.

python -m stages.predict
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from models.model import Prediction
from pipeline.fanout import fan_out
from pipeline.frame_jobs import frame_jobs
from pipeline.frames import FrameReader
from pipeline.instance_writer import InstanceWriter
from pipeline.job import Job
from pipeline.model_predictions import ModelFinder, findings
from pipeline.networks import CONFIG, WEIGHTS
from pipeline.params.read import load_section
from pipeline.params.results import Predict
from pipeline.params.training import Compute
from pipeline.pool import Advance
from pipeline.stage import run_stage
from pipeline.store import hdf5
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, INDEX_TABLE, MODEL, PREDICTIONS, inpainter, video_file
from pipeline.usable_device import choose_device, processes_on


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know."""

    compute: Compute
    predict: Predict


def main() -> None:
    """Predict all videos, in parallel processes of one thread each."""
    settings = Settings(load_section(Compute, "compute"), load_section(Predict, "predict"))
    networks = [
        file_sha256(folder / name)
        for folder in (MODEL, inpainter("rgb"))
        for name in (WEIGHTS, CONFIG)
    ]
    device = choose_device(settings.compute.device, "compute.device")
    fan_out(
        "predict",
        frame_jobs(settings),
        work,
        out=PREDICTIONS,
        schema=hdf5.PREDICTIONS,
        fingerprint={
            "networks": networks,
            "predict": settings.predict.model_dump(),
            "device": device,
        },
        occasion=file_sha256(INDEX_TABLE),
        workers=processes_on(device),
    )


def work(job: Job[Settings], path: Path, advance: Advance) -> None:
    """Write one video's predictions; a batch of frames is in memory at a time."""
    params = job.data.predict
    finder = ModelFinder(job.data.compute, params)
    grid = finder.model.detector.grid
    with (
        FrameReader(video_file(FRAMES, job.video)) as reader,
        hdf5.create(path, hdf5.PREDICTIONS) as file,
    ):
        writer = _Writer(file, reader, cells=grid**2)
        subjects = finder.limits.subjects
        instances = InstanceWriter(file, reader, subjects) if subjects > 1 else None
        for first in range(0, reader.count, params.batch_size):
            some = range(first, min(first + params.batch_size, reader.count))
            prediction = finder.predict([reader.read(i) for i in some])
            writer.write(first, prediction)
            if instances:
                instances.write(first, prediction)
            advance(len(some))
        file.attrs["grid"] = grid


class _Writer:
    """The datasets of one predictions file."""

    def __init__(self, file: h5py.File, reader: FrameReader, cells: int) -> None:
        self.height, self.width = reader.height, reader.width
        count = reader.count
        self.boxes = file.create_dataset("boxes", (count, 4), np.float32)
        self.cell = file.create_dataset("cell", (count,), np.int32)
        self.probability = file.create_dataset("cell_probability", (count, cells), np.float32)
        self.confidence = file.create_dataset("confidence", (count,), np.float32)
        self.mask = hdf5.create_packed(file, "mask", (count, self.height, self.width))

    def write(self, first: int, prediction: Prediction) -> None:
        """Store a batch that begins at frame `first`."""
        rows = slice(first, first + len(prediction.cell))
        found = findings(prediction, self.height, self.width)
        self.boxes[rows] = np.stack([one.box for one in found])
        self.cell[rows] = prediction.cell.cpu().numpy()
        self.probability[rows] = prediction.probability.cpu().numpy()
        self.confidence[rows] = [one.confidence for one in found]
        for row, one in enumerate(found, start=first):
            self.mask[row] = one.levels


if __name__ == "__main__":
    run_stage("predict", main)
