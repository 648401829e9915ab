"""Writes several subjects into `predictions/VIDEO.h5`; `pipeline.instances` reads them."""

from __future__ import annotations

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from models.boxes import boxes_to_pixels
from models.instances import IdKeeper
from models.model import Prediction
from pipeline.frames import FrameReader
from pipeline.store import hdf5


class InstanceWriter:
    """The datasets of several subjects; slot k holds the subject of id k, up to the next cut.

    Args:
        file: the predictions.
        reader: the video's frames.
        subjects: K.
    """

    def __init__(self, file: h5py.File, reader: FrameReader, subjects: int) -> None:
        self.height, self.width, self.cuts = reader.height, reader.width, reader.cuts
        count = reader.count
        self.ids = IdKeeper(subjects)
        self.subjects = file.create_dataset("subjects", (count,), np.uint8)
        nan = np.float32(np.nan)
        self.boxes = file.create_dataset(
            "instance_boxes", (count, subjects, 4), np.float32, fillvalue=nan
        )
        self.confidence = file.create_dataset(
            "instance_confidence", (count, subjects), np.float32, fillvalue=nan
        )
        shape = (count, subjects, self.height, self.width)
        self.mask = hdf5.create_packed(file, "instance_mask", shape)

    def write(self, first: int, prediction: Prediction) -> None:
        """Store a batch that begins at frame `first`, the one after the batch before."""
        probability = prediction.probability.gather(1, prediction.cells).cpu().numpy()
        masks, found = prediction.masks.cpu().numpy(), prediction.found.cpu().numpy()
        for row, boxes in enumerate(prediction.boxes.cpu()):
            count = int(found[row].sum())  # those found come first
            pixels = boxes_to_pixels(boxes[:count], self.height, self.width).numpy()
            frame = first + row
            self.subjects[frame] = count
            if frame in self.cuts:  # who stands where somebody stood before the cut is another
                self.ids = IdKeeper(self.boxes.shape[1])
            for place, slot in enumerate(self.ids.assign(pixels)):
                self.boxes[frame, slot] = pixels[place]
                self.confidence[frame, slot] = probability[row, place]
                self.mask[frame, slot] = soft_levels(masks[row, place], self.height, self.width)


def soft_levels(soft: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint8]:
    """A soft mask (h, w) in [0, 1] as levels 0..255 at the frame's size."""
    large = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.round(large * 255), np.uint8)
