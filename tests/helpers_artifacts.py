"""Tiny synthetic projects: every artifact up to the masks, written with known contents.

    make_project(tmp_path, monkeypatch, videos=2, frames=6).scenes["clip_0"].truth

Each video shows a bright textured ellipse that walks over a dark textured ground.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import yaml
from helpers_records import CALIBRATION, CONTROLS, record_training_set, still_pair
from numpy.typing import NDArray

from pipeline.self_training import switch_off, switch_on
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.hdf5 import FLOW, FRAMES, MASKS, PREDICTIONS, create
from pipeline.store.paths import Source
from pipeline.store.tables import HOMOGRAPHIES, INDEX, VIDEOS, write_table

STUDENT_FOLDERS = (
    Source.STUDENT.predictions_folder,
    Source.STUDENT.calibration_file.parent,
    Source.STUDENT.masks_folder,
    Source.STUDENT.moving_folder,
)


@dataclass
class Scene:
    """One video: its frames, true masks at the source's size, true boxes and flow."""

    video: str
    split: str
    frames: NDArray[np.uint8]  # (N, H, W, 3)
    truth: NDArray[np.bool_]  # (N, H, W), at the cached frame's size
    boxes: NDArray[np.float32]  # (N, 4) xywh px
    flow: NDArray[np.float32]  # (N, H, W, 2) px
    soft: NDArray[np.uint8]  # (N, H, W) soft mask, 0..255
    source_scale: int  # source px per cached px

    @property
    def source_truth(self) -> NDArray[np.bool_]:
        """Masks at the source's size `(N, H * source_scale, W * source_scale)`."""
        return self.truth.repeat(self.source_scale, axis=1).repeat(self.source_scale, axis=2)


@dataclass
class Project:
    """A folder that is now the working directory, and what was written there."""

    root: Path
    scenes: dict[str, Scene] = field(default_factory=dict)

    def set_params(self, **sections: Mapping[str, object]) -> None:
        """Write `params.yaml` with these sections (others at their defaults)."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(dict(sections)))

    def metrics(self) -> dict[str, object]:
        """The metrics file."""
        return dict(json.loads(paths.METRICS.read_text()))


def make_project(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    videos: int | Sequence[str] = 2,
    frames: int = 6,
    height: int = 48,
    width: int = 64,
    *,
    truth: bool = True,
    source_scale: int = 2,
    store: str = "raw",
    moving: bool = True,
    refined: bool = False,
    calibrated: bool = False,
    seed: int = 0,
) -> Project:
    """Write a project into `tmp_path` and make it the working directory.

    Args:
        videos: how many (their splits alternate val, test), or the split of each.
        truth: write PNG masks; without, `masks` is "" in the table.
        source_scale: ground truth is this many times larger than the cached frames.
        store: of the frames, `raw` or `jpeg`.
        moving: the subject walks; otherwise it rests.
        refined: also write `artifacts/masks` (the soft masks at 0.5).
        calibrated: also write the calibration (all defaults).

    Self-training is off.
    """
    monkeypatch.chdir(tmp_path)
    splits = [("val", "test")[i % 2] for i in range(videos)] if isinstance(videos, int) else videos
    project = Project(tmp_path)
    project.set_params()
    for number, split in enumerate(splits):
        scene = make_scene(
            f"clip_{number}", split, frames, height, width, source_scale, moving, seed + number
        )
        project.scenes[scene.video] = scene
        write_frames(scene, store)
        write_flow(scene)
        write_predictions(scene)
        if truth:
            write_truth(scene)
        if refined:
            write_masks(scene, np.where(scene.soft > 127, 255, 0).astype(np.uint8))
    write_tables(project, truth)
    if calibrated:
        write_calibration(Source.MODEL)
    for folder in STUDENT_FOLDERS:
        switch_off(folder)
    return project


def add_student(
    project: Project,
    *,
    soft: NDArray[np.uint8] | None = None,
    shift: int = 0,
    refined: bool = True,
) -> None:
    """Put a student's results beside the model's: the true masks, moved by `shift` px.

    Args:
        soft: its soft masks (N, H, W) instead, of all videos.
        refined: also write its calibration and refined masks.
    """
    for folder in STUDENT_FOLDERS if refined else STUDENT_FOLDERS[:1]:
        switch_on(folder)
    for scene in project.scenes.values():
        mask = np.roll(scene.truth, shift, axis=2).astype(np.uint8) * 255 if soft is None else soft
        boxes = scene.boxes + np.array([shift, 0, 0, 0], np.float32)
        folder = Source.STUDENT.predictions_folder
        with create(paths.video_file(folder, scene.video), PREDICTIONS) as file:
            file.create_dataset("boxes", data=boxes, dtype="f4")
            file.create_dataset("mask", data=mask, chunks=(1, *mask.shape[1:]))
            file.create_dataset("confidence", data=np.full(len(mask), 0.95), dtype="f4")
        if refined:
            write_masks(scene, mask, Source.STUDENT)
    if refined:
        write_calibration(Source.STUDENT)


def write_calibration(source: Source) -> None:
    """The calibration and the controls, all defaults."""
    write_json(source.calibration_file, CALIBRATION)
    write_json(source.controls_file, CONTROLS)


def make_scene(
    video: str,
    split: str,
    frames: int,
    height: int,
    width: int,
    source_scale: int,
    moving: bool,
    seed: int,
) -> Scene:
    """A bright ellipse on a dark ground, both textured."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(30, 80, (height, width, 3)).astype(np.uint8)
    coat = rng.integers(150, 220, (height, width, 3)).astype(np.uint8)
    semi = np.array([width * 0.12, height * 0.25])
    travel = np.linspace(0.25, 0.7, frames) if moving else np.full(frames, 0.4)
    centres = np.stack([travel * width, np.full(frames, 0.5 * height)], axis=1)
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    radius = np.stack(
        [np.hypot((x - cx) / semi[0], (y - cy) / semi[1]) for cx, cy in centres]
    )  # (N, H, W)
    truth = radius <= 1
    step = np.gradient(centres[:, 0]) if frames > 1 else np.zeros(frames)
    flow = np.zeros((frames, height, width, 2), np.float32)
    flow[..., 0] = truth * step[:, None, None]
    return Scene(
        video=video,
        split=split,
        frames=np.where(truth[..., None], coat, ground).astype(np.uint8),
        truth=truth,
        boxes=np.concatenate([centres - semi, np.tile(2 * semi, (frames, 1))], axis=1).astype(
            np.float32
        ),
        flow=flow,
        soft=np.rint(255 * np.exp2(-(radius**2))).astype(np.uint8),
        source_scale=source_scale,
    )


def write_frames(scene: Scene, store: str = "raw") -> None:
    """`artifacts/frames/VIDEO.h5`."""
    count, height, width = scene.truth.shape
    with create(paths.video_file(paths.FRAMES, scene.video), FRAMES) as file:
        if store == "raw":
            file.create_dataset("frames", data=scene.frames, chunks=(1, height, width, 3))
        else:
            data = file.create_dataset("frames", (count,), dtype=h5py.vlen_dtype(np.uint8))
            for number, frame in enumerate(scene.frames):
                data[number] = cv2.imencode(".jpg", frame[..., ::-1])[1].ravel()
        file.attrs.update(
            {
                "store": store,
                "fps": 10.0,
                "source": f"{scene.video}.mp4",
                "sha256": _sha256(scene),
                "source_width": width * scene.source_scale,
                "source_height": height * scene.source_scale,
                "crop": np.array([0, 0, width * scene.source_scale, height * scene.source_scale]),
                "width": width,
                "height": height,
                "frames": count,
                "colour": "RGB",
                "cuts": np.zeros(0, np.int64),
            }
        )


def write_flow(scene: Scene) -> None:
    """`artifacts/flow/VIDEO.h5`: the subject's own motion."""
    count, height, width = scene.truth.shape
    with create(paths.video_file(paths.FLOW, scene.video), FLOW) as file:
        file.create_dataset(
            "flow", data=scene.flow.astype(np.float16), chunks=(1, height, width, 2)
        )
        file.create_dataset("valid", data=np.ones((count, height, width), np.uint8))
        file.create_dataset("ok", data=np.ones(count, bool))
        file.attrs.update({"backend": "dis", "reason": "", "scale_px": 1.0, "gap": 1})


def write_predictions(
    scene: Scene,
    *,
    soft: NDArray[np.uint8] | None = None,
    boxes: NDArray[np.float32] | None = None,
    confidence: NDArray[np.float32] | None = None,
) -> None:
    """`artifacts/predictions/VIDEO.h5`; by default the true box and a soft ellipse in it."""
    count = len(scene.truth)
    sure = np.linspace(0.6, 0.9, count) if confidence is None else confidence
    with create(paths.video_file(paths.PREDICTIONS, scene.video), PREDICTIONS) as file:
        file.create_dataset("boxes", data=(scene.boxes if boxes is None else boxes), dtype="f4")
        file.create_dataset("cell", data=np.zeros(count, np.int32))
        cells = np.full((count, 64), 1 / 64, np.float32)
        file.create_dataset("cell_probability", data=cells)
        mask = scene.soft if soft is None else soft
        file.create_dataset("mask", data=mask, chunks=(1, *mask.shape[1:]))
        file.create_dataset("confidence", data=sure, dtype="f4")
        file.attrs["grid"] = 8


def write_masks(
    scene: Scene,
    masks: NDArray[np.uint8],
    source: Source = Source.MODEL,
    *,
    moving: NDArray[np.uint8] | None = None,
) -> None:
    """`artifacts/masks/VIDEO.h5`, 0/255, and beside it what of them moves, all if not given."""
    whole_too = masks if moving is None else moving
    folders = {source.masks_folder: masks, source.moving_folder: whole_too}
    for folder, data in folders.items():
        with create(paths.video_file(folder, scene.video), MASKS) as file:
            file.create_dataset("mask", data=data, chunks=(1, *data.shape[1:]))


def write_truth(scene: Scene) -> None:
    """PNG masks at the source's size, one per frame."""
    folder = truth_folder(scene.video)
    folder.mkdir(parents=True)
    for number, mask in enumerate(scene.source_truth):
        cv2.imwrite(str(folder / f"{number:05d}.png"), mask.astype(np.uint8) * 255)


def keep_truth(video: str, frames: Sequence[int]) -> None:
    """Remove a video's PNG masks but for those of these frames."""
    for file in truth_folder(video).iterdir():
        if int(file.stem) not in frames:
            file.unlink()


def truth_folder(video: str) -> Path:
    """Where the PNG masks of a video lie, relative to the project."""
    return Path("data/raw/masks") / video


def write_tables(project: Project, truth: bool = True) -> None:
    """The manifest, the index and the homographies (a camera that stands still)."""
    videos, index, homographies = [], [], []
    for scene in project.scenes.values():
        count, height, width = scene.truth.shape
        videos.append(
            {
                "video": scene.video,
                "path": f"data/raw/{scene.video}.mp4",
                "masks": truth_folder(scene.video).as_posix() if truth else "",
                "split": scene.split,
                "sha256": _sha256(scene),
                "frames": count,
                "fps": 10.0,
                "width": width * scene.source_scale,
                "height": height * scene.source_scale,
            }
        )
        for number in range(count):
            index.append(
                {
                    "video": scene.video,
                    "frame": number,
                    "source_frame": number,
                    "time_s": number / 10,
                    "split": scene.split,
                }
            )
            homographies.append(still_pair(scene.video, number, count))
    write_table(paths.VIDEOS_TABLE, videos, VIDEOS)
    write_table(paths.INDEX_TABLE, index, INDEX)
    write_table(paths.HOMOGRAPHIES_TABLE, homographies, HOMOGRAPHIES)
    record_training_set()


def _sha256(scene: Scene) -> str:
    return hashlib.sha256(scene.frames.tobytes()).hexdigest()
