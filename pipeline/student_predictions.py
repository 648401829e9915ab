"""The student's box and soft mask of every frame, in the form of the model's predictions."""

from __future__ import annotations

from collections.abc import Sequence
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
from pipeline.finding import Finding
from pipeline.frames import FrameReader
from pipeline.image_batches import as_batch, fit
from pipeline.job import Job
from pipeline.networks import load_student
from pipeline.params.training import Compute
from pipeline.pool import Advance
from pipeline.store import hdf5
from pipeline.store.paths import FRAMES, STUDENT_NETWORK, video_file


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know."""

    compute: Compute
    batch_size: int
    network: Path = STUDENT_NETWORK


def work(job: Job[Settings], path: Path, advance: Advance) -> None:
    """Write one video's predictions; a batch of frames is in memory at a time."""
    finder = StudentFinder(job.data.compute, job.data.network)
    with (
        FrameReader(video_file(FRAMES, job.video)) as reader,
        hdf5.create(path, hdf5.PREDICTIONS) as file,
    ):
        boxes, confidence, masks = _datasets(file, reader)
        for first in range(0, reader.count, job.data.batch_size):
            some = range(first, min(first + job.data.batch_size, reader.count))
            findings = finder.find([reader.read(i) for i in some])
            for number, found in zip(some, findings, strict=True):
                boxes[number], confidence[number] = found.box, found.confidence
                masks[number] = found.levels
            advance(len(some))


class StudentFinder:
    """A trained student, on the device.

    Args:
        compute: the machine; one thread is used.
        network: folder of the student's network.

    Raises:
        BackdropError: the network is missing, damaged, or another.
    """

    def __init__(self, compute: Compute, network: Path = STUDENT_NETWORK) -> None:
        self.device = set_up(compute.model_copy(update={"threads": 1}))
        self.student, self.size = load_student(network)
        place(self.student, self.device)

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Finding]:
        """As `Finder`."""
        images = np.stack([fit(frame, *self.size) for frame in frames])
        found = []
        for frame, small in zip(frames, soft_masks(self.student, images, self.device), strict=True):
            size = (frame.shape[1], frame.shape[0])
            soft = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))
            levels = np.rint(soft * 255).astype(np.uint8)
            found.append(Finding(*mask_to_box(soft), levels))
        return found


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
    count = reader.count
    return (
        file.create_dataset("boxes", (count, 4), np.float32),
        file.create_dataset("confidence", (count,), np.float32),
        hdf5.create_packed(file, "mask", (count, reader.height, reader.width)),
    )
