"""Predict boxes and soft masks for every cached frame; one image at a time matters to a result.

python -m stages.predict
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from models.boxes import boxes_to_pixels
from models.model import Prediction
from models.selection import Limits
from pipeline.device import place, set_up
from pipeline.fanout import Job, fan_out
from pipeline.frames import FrameReader, load_index
from pipeline.instance_writer import InstanceWriter, soft_levels
from pipeline.networks import CONFIG, WEIGHTS, load_inpainter, load_model
from pipeline.params.read import load_section
from pipeline.params.results import Predict
from pipeline.params.training import Compute
from pipeline.pool import Advance
from pipeline.stage import run_stage
from pipeline.store import hdf5
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, MODEL, PREDICTIONS, inpainter, video_file
from pipeline.training.frames import as_batch, fit
from pipeline.usable_device import choose_device, processes_on

log = logging.getLogger("backdrop")


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
    counts = load_index()["video"].value_counts(sort=False)
    jobs = [
        Job(str(video), int(count), file_sha256(video_file(FRAMES, str(video))), settings)
        for video, count in counts.items()
    ]
    device = choose_device(settings.compute.device, "compute.device")
    fan_out(
        "predict",
        jobs,
        work,
        out=PREDICTIONS,
        schema=hdf5.PREDICTIONS,
        fingerprint={
            "networks": networks,
            "predict": settings.predict.model_dump(),
            "device": device,
        },
        workers=processes_on(device),
    )


def work(job: Job[Settings], path: Path, advance: Advance) -> None:
    """Write one video's predictions; a batch of frames is in memory at a time."""
    settings = job.data
    params = settings.predict
    limits = Limits(params.max_subjects, params.min_share, params.max_overlap)
    device = set_up(settings.compute.model_copy(update={"threads": 1}))
    model, size = load_model(MODEL)
    background, _ = load_inpainter(inpainter("rgb"))
    place(model, device)
    place(background, device)
    with (
        FrameReader(video_file(FRAMES, job.video)) as reader,
        hdf5.create(path, hdf5.PREDICTIONS) as file,
    ):
        writer = _Writer(file, reader, cells=model.detector.grid**2)
        instances = InstanceWriter(file, reader, limits.subjects) if limits.subjects > 1 else None
        for first in range(0, reader.count, params.batch_size):
            some = range(first, min(first + params.batch_size, reader.count))
            images = np.stack([fit(reader.read(i), size.height, size.width) for i in some])
            batch = as_batch(images, device)
            prediction = model.predict(batch, background, limits, params.looks)
            writer.write(first, prediction)
            if instances:
                instances.write(first, prediction)
            advance(len(some))
        file.attrs["grid"] = model.detector.grid


class _Writer:
    """The datasets of one predictions file."""

    def __init__(self, file: h5py.File, reader: FrameReader, cells: int) -> None:
        self.height, self.width = reader.height, reader.width
        count = reader.count
        self.boxes = file.create_dataset("boxes", (count, 4), np.float32)
        self.cell = file.create_dataset("cell", (count,), np.int32)
        self.probability = file.create_dataset("cell_probability", (count, cells), np.float32)
        self.confidence = file.create_dataset("confidence", (count,), np.float32)
        shape = (self.height, self.width)
        self.mask = file.create_dataset(
            "mask", (count, *shape), np.uint8, chunks=(1, *shape), **hdf5.PACKED
        )

    def write(self, first: int, prediction: Prediction) -> None:
        """Store a batch that begins at frame `first`."""
        rows = slice(first, first + len(prediction.cell))
        boxes = boxes_to_pixels(prediction.box.cpu(), self.height, self.width)
        self.boxes[rows] = boxes.numpy()
        self.cell[rows] = prediction.cell.cpu().numpy()
        probability = prediction.probability.cpu()
        self.probability[rows] = probability.numpy()
        self.confidence[rows] = probability.amax(dim=1).numpy()
        for row, soft in enumerate(prediction.mask[:, 0].cpu().numpy(), start=first):
            self.mask[row] = soft_levels(soft, self.height, self.width)


if __name__ == "__main__":
    run_stage("predict", main)
