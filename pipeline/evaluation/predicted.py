"""What was predicted for the videos, as `VIDEO.h5` per video; no ground truth, no flow."""

from __future__ import annotations

from contextlib import AbstractContextManager

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.soft_mask import from_levels
from pipeline.errors import BackdropError
from pipeline.frame_index import load_index
from pipeline.frames import FrameReader, open_fitting
from pipeline.store import paths
from pipeline.store.hdf5 import PREDICTIONS
from pipeline.store.paths import Source


def predicted_index(source: Source) -> pd.DataFrame:
    """The index, after checking that each of its videos has predictions of this source.

    Raises:
        BackdropError: one has not; the line names it.
    """
    index = load_index()
    for video in index["video"].unique():
        if not paths.video_file(source.predictions_folder, str(video)).exists():
            stage = "predict" if source is Source.MODEL else "predict_student"
            raise BackdropError(
                f"holds no predictions of '{video}'",
                where=str(source.predictions_folder),
                remedy=f"run `dvc repro --force {stage}`",
            )
    return index


def open_predictions(
    source: Source, video: str, reader: FrameReader
) -> AbstractContextManager[h5py.File]:
    """The video's predictions, after checking that they fit its frames.

    Raises:
        BackdropError: missing, damaged, of another schema, or of other frames.
    """
    return open_fitting(paths.video_file(source.predictions_folder, video), PREDICTIONS, reader)


def soft_mask(predictions: h5py.File, number: int) -> NDArray[np.float32]:
    """Soft mask `(H, W)` of a frame, 0..1."""
    return from_levels(predictions["mask"][number])
