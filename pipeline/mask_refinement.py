"""Final masks: soft masks, sharpened by the CRF as `calibrate` chose."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from models.crf import refine
from models.soft_mask import centred, from_levels
from pipeline.evaluation.calibration import Calibration, crf_setting
from pipeline.frame_pool import in_order, processes_for
from pipeline.frames import FrameReader
from pipeline.instances import has_instances, read_labels
from pipeline.pool import Advance
from pipeline.store import hdf5


def refine_video(
    choice: Calibration,
    iterations: int,
    reader: FrameReader,
    predictions: h5py.File,
    path: Path,
    advance: Advance,
) -> None:
    """Write the masks of all frames, and whose each pixel is where there are several subjects.

    Args:
        choice: thresholds and the CRF's setting.
        iterations: of the CRF.
        reader: the video's frames, of which one at a time is in memory.
        predictions: theirs, with the soft masks.
        path: of the artifact, of schema MASKS.
        advance: called after each frame.
    """
    shape = reader.count, reader.height, reader.width
    with hdf5.create(path, hdf5.MASKS) as file:
        masks = hdf5.create_packed(file, "mask", shape)
        several = has_instances(predictions)
        instances = hdf5.create_packed(file, "instance", shape) if several else None
        soft = predictions["mask"]
        seen = ((reader.read(i), from_levels(soft[i])) for i in range(reader.count))
        make = partial(refine_frame, choice, iterations)
        for number, foreground in enumerate(
            in_order(make, seen, processes_for(reader.count), path.stem)
        ):
            masks[number] = np.where(foreground, 255, 0)
            if instances is not None:
                instances[number] = read_labels(predictions, number, foreground)
            advance(1)


def refine_frame(
    choice: Calibration,
    iterations: int,
    seen: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> NDArray[np.bool_]:
    """The mask `(H, W)` of a frame; perhaps in a process of its own.

    Args:
        choice: thresholds and the CRF's setting.
        iterations: of the CRF.
        seen: the frame `(H, W, 3)` RGB and its soft mask `(H, W)`, 0..1.
    """
    image, soft = seen
    return sharpened(choice, iterations, image, centred(soft, choice.threshold))


def sharpened(
    choice: Calibration, iterations: int, image: NDArray[np.uint8], soft: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """The mask `(H, W)` after the CRF of a soft mask `(H, W)`, 0..1, that is centred.

    Args:
        choice: the CRF's setting and what is even to it.
        iterations: of the CRF.
        image: `(H, W, 3)` RGB.
        soft: see `models.soft_mask.centred`.
    """
    foreground = refine(soft, image, choice.threshold_crf, crf_setting(choice.crf), iterations)
    return np.asarray(foreground > 0.5)
