"""A project as `dvc repro` leaves it, of networks with random weights: it predicts, if badly.

project = make_trained(tmp_path, monkeypatch, student=True, frames={"longest_side": 64})
project.source  # the video that its stages predicted
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from helpers_records import CALIBRATION
from helpers_training import tiny_model, tiny_params, write_inpainter
from helpers_video import walker, write_video

from models.student import Student
from pipeline.evaluation.calibration import read_calibration
from pipeline.job import Job
from pipeline.networks import save_network
from pipeline.params.data import ExtractFrames
from pipeline.params.read import load_section
from pipeline.params.results import Predict, RefineMasks
from pipeline.params.training import Compute
from pipeline.self_training import switch_off, switch_on
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.digest import file_sha256
from pipeline.store.hdf5 import MASKS, PREDICTIONS, open_artifact
from pipeline.store.paths import Source
from pipeline.store.tables import INDEX, write_table
from pipeline.student_predictions import Settings
from pipeline.student_predictions import work as predict_student
from pipeline.video.probe import probe_video
from stages import extract_frames, predict, refine_masks

NETWORK = {"height": 32, "width": 48}
CRF = {"smooth_weight": 0.5, "smooth_px": 1.0, "bilateral_weight": 0.5, "floor": 0.05}
VIDEO = "clip"


@dataclass(frozen=True)
class TrainedProject:
    """The working directory, the video that was extracted and predicted, and whose masks count."""

    root: Path
    source: Path
    whose: Source

    def soft(self) -> np.ndarray:
        with open_artifact(self._file(self.whose.predictions_folder), PREDICTIONS) as file:
            return file["mask"][:]

    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        with open_artifact(self._file(self.whose.predictions_folder), PREDICTIONS) as file:
            return file["boxes"][:], file["confidence"][:]

    def masks(self) -> np.ndarray:
        with open_artifact(self._file(self.whose.masks_folder), MASKS) as file:
            return file["mask"][:]

    @staticmethod
    def _file(folder: Path) -> Path:
        return paths.video_file(folder, VIDEO)


def make_trained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    student: bool,
    count: int = 7,
    known_background: bool = False,
    subjects: int = 1,
    **frames: object,
) -> TrainedProject:
    """Write it into `tmp_path`, the working directory from now on, running the stages' own code.

    Args:
        student: whether self-training is on.
        count: frames of the video.
        known_background: instead of an inpainter.
        subjects: looked for in every frame.
        frames: params of `extract_frames`.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    params = {
        "extract_frames": {"longest_side": 64, **frames},
        "predict": {"batch_size": 3, "max_subjects": subjects},
        "compute": {"threads": 1},
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))
    Path("dvc.yaml").write_text("stages: {}\n")
    source = write_video(tmp_path / f"{VIDEO}.mp4", walker(count))
    _write_networks(known_background)
    whose = Source.STUDENT if student else Source.MODEL
    project = TrainedProject(tmp_path, source, whose)
    _extract(source)
    compute = load_section(Compute, "compute")
    settings = predict.Settings(compute, load_section(Predict, "predict"))
    folder = paths.PREDICTIONS
    if not known_background:
        predict.work(Job(VIDEO, count, "", settings), paths.video_file(folder, VIDEO), _ignore)
    if student:
        folder = Source.STUDENT.predictions_folder
        job = Job(VIDEO, count, "", Settings(compute, 3))
        predict_student(job, paths.video_file(folder, VIDEO), _ignore)
        switch_on(Source.STUDENT.masks_folder)
    else:
        switch_off(Source.STUDENT.masks_folder)
    if student or not known_background:
        _refine(project)
    return project


def _write_networks(known_background: bool) -> None:
    params = tiny_params()
    config = {"schema": "backdrop.model", "network": NETWORK, "train_model": params.model_dump()}
    save_network(paths.MODEL, tiny_model(params), config)
    black = np.zeros((*NETWORK.values(), 3), np.uint8)
    write_inpainter(**NETWORK, known=black if known_background else None)
    student = {"schema": "backdrop.student", "channels": 4, "encoder": "none", "size": [40, 56]}
    save_network(paths.STUDENT_NETWORK, Student(4, imagenet=False), student)


def _extract(source: Path) -> None:
    info = probe_video(source)
    row = {
        "video": VIDEO,
        "path": str(source),
        "frames": info.frames,
        "fps": info.fps,
        "width": info.width,
        "height": info.height,
        "sha256": file_sha256(source),
        "split": "train_test",
        "masks": "",
    }
    params = load_section(ExtractFrames, "extract_frames")
    job = Job(VIDEO, info.frames, "", (row, params))
    extract_frames.extract(job, paths.video_file(paths.FRAMES, VIDEO), _ignore)
    numbers = range(info.frames)
    index = [
        {"video": VIDEO, "frame": n, "source_frame": n, "time_s": n / 25, "split": "train_test"}
        for n in numbers
    ]
    write_table(paths.INDEX_TABLE, index, INDEX)


def _refine(project: TrainedProject) -> None:
    """With a threshold such that about half of what is not certain background is mask."""
    soft = project.soft()
    middle = float(np.clip(np.median(soft[soft > 0]) / 255, 0.02, 0.98))
    choice = {**CALIBRATION, "crf": CRF, "threshold": middle}
    write_json(project.whose.calibration_file, choice)
    iterations = load_section(RefineMasks, "refine_masks").iterations
    task = refine_masks.Refinement(project.whose, read_calibration(project.whose), iterations)
    target = paths.video_file(project.whose.masks_folder, VIDEO)
    refine_masks.work(Job(VIDEO, len(soft), "", task), target, _ignore)


def _ignore(_: int) -> None:
    pass


def read_mask(path: Path) -> np.ndarray:
    """A PNG (H, W) as it is stored."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image
