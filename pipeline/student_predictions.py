"""The student's box and soft mask of every frame, in the form of the model's predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from models.mask_box import mask_to_box
from models.student import Student
from pipeline.device import place, set_up
from pipeline.fanout import Job, fan_out
from pipeline.frames import FrameReader, load_index
from pipeline.networks import CONFIG, WEIGHTS, load_student
from pipeline.params.training import Compute
from pipeline.pool import Advance
from pipeline.store import hdf5
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, STUDENT_NETWORK, Source, video_file
from pipeline.training.frames import as_batch, fit
from pipeline.usable_device import choose_device, processes_on


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know."""

    compute: Compute
    batch_size: int


def predict_all(settings: Settings) -> None:
    """Predict all videos, in parallel processes of one thread each."""
    network = [file_sha256(STUDENT_NETWORK / name) for name in (WEIGHTS, CONFIG)]
    jobs = [
        Job(str(video), int(count), file_sha256(video_file(FRAMES, str(video))), settings)
        for video, count in load_index()["video"].value_counts(sort=False).items()
    ]
    device = choose_device(settings.compute.device, "compute.device")
    fan_out(
        "self_train",
        jobs,
        work,
        out=Source.STUDENT.predictions_folder,
        schema=hdf5.PREDICTIONS,
        fingerprint={"network": network, "device": device},
        workers=processes_on(device),
    )


def work(job: Job[Settings], path: Path, advance: Advance) -> None:
    """Write one video's predictions; a batch of frames is in memory at a time."""
    settings = job.data
    device = set_up(settings.compute.model_copy(update={"threads": 1}))
    student, size = load_student(STUDENT_NETWORK)
    place(student, device)
    with (
        FrameReader(video_file(FRAMES, job.video)) as reader,
        hdf5.create(path, hdf5.PREDICTIONS) as file,
    ):
        boxes, confidence, masks = _datasets(file, reader)
        for first in range(0, reader.count, settings.batch_size):
            some = range(first, min(first + settings.batch_size, reader.count))
            images = np.stack([fit(reader.read(i), *size) for i in some])
            for number, small in zip(some, soft_masks(student, images, device), strict=True):
                full = (reader.width, reader.height)
                soft = np.asarray(cv2.resize(small, full, interpolation=cv2.INTER_LINEAR))
                boxes[number], confidence[number] = mask_to_box(soft)
                masks[number] = np.rint(soft * 255).astype(np.uint8)
            advance(len(some))


@torch.no_grad()
def soft_masks(
    student: Student, images: NDArray[np.uint8], device: torch.device
) -> NDArray[np.float32]:
    """Soft masks (B, H, W), 0..1, of images (B, H, W, 3): the mean of image and mirrored image."""
    batch = as_batch(images, device)
    mirrored = torch.sigmoid(student(batch.flip(3))).flip(3)
    mean = (torch.sigmoid(student(batch)) + mirrored) / 2
    return np.asarray(mean[:, 0].cpu().numpy(), np.float32)


def _datasets(file: h5py.File, reader: FrameReader) -> tuple[h5py.Dataset, ...]:
    """Boxes, confidence and masks; a student has no cells."""
    count, shape = reader.count, (reader.height, reader.width)
    return (
        file.create_dataset("boxes", (count, 4), np.float32),
        file.create_dataset("confidence", (count,), np.float32),
        file.create_dataset("mask", (count, *shape), np.uint8, chunks=(1, *shape), **hdf5.PACKED),
    )
