"""Labels that stand for what `make_labels` would have written."""

from __future__ import annotations

import numpy as np
from helpers_artifacts import Project, Scene
from helpers_records import record_training_set
from numpy.typing import NDArray

from pipeline.store import paths
from pipeline.store.hdf5 import LABELS, create


def write_label(
    scene: Scene,
    *,
    mask: NDArray[np.uint8] | None = None,
    trust: NDArray[np.uint8] | None = None,
    weight: NDArray[np.float32] | None = None,
) -> None:
    """`artifacts/labels/VIDEO.h5`: by default the soft masks at 0.5, fully trusted.

    Args:
        mask, trust: (N, H, W), 0..255.
        weight: (N,), 0..1.
    """
    hard = np.where(scene.soft > 127, 255, 0).astype(np.uint8) if mask is None else mask
    with create(paths.video_file(paths.LABELS, scene.video), LABELS) as file:
        file.create_dataset("mask", data=hard)
        file.create_dataset("trust", data=np.full_like(hard, 255) if trust is None else trust)
        sure = np.ones(len(hard)) if weight is None else weight
        file.create_dataset("weight", data=sure, dtype="f4")


def label_all(project: Project) -> None:
    """Labels of all videos, and the record of those that are trained on."""
    for scene in project.scenes.values():
        write_label(scene)
    record_training_set()
