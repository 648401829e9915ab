"""Where every artifact lives, relative to the repository. The one place that spells these paths."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

ARTIFACTS = Path("artifacts")
RAW = ARTIFACTS / "raw"  # the manifest, and the rendered clips of a recipe
VIDEOS_TABLE = RAW / "videos.parquet"
FRAMES = ARTIFACTS / "frames"
INDEX_TABLE = FRAMES / "index.parquet"
STABILIZE = ARTIFACTS / "stabilize"
HOMOGRAPHIES_TABLE = STABILIZE / "homographies.parquet"
FLOW = ARTIFACTS / "flow"
TRAINING_SET = ARTIFACTS / "training_set"  # a record per kind of artifact that is trained on
MODEL = ARTIFACTS / "model"
PREDICTIONS = ARTIFACTS / "predictions"
CALIBRATION = ARTIFACTS / "calibrate" / "calibration.json"
MASKS = ARTIFACTS / "masks"
LABELS = ARTIFACTS / "labels"  # what self-training learns from, of the training videos
MOVING = ARTIFACTS / "moving"  # these masks without what never moves
STUDENT = ARTIFACTS / "student"  # self-training: its network, and the same results as the model's
STUDENT_NETWORK = STUDENT / "network"
EVALUATE = ARTIFACTS / "evaluate"
METRICS = EVALUATE / "metrics.json"
PER_FRAME_TABLE = EVALUATE / "per_frame.parquet"
PER_VIDEO_CSV = EVALUATE / "per_video.csv"
REPORT = ARTIFACTS / "report"
CURVES = ARTIFACTS / "curves"  # dvclive folders, one per training stage
ENCODER_WEIGHTS = Path("weights/encoder")  # given by the user

STATE = Path(".backdrop")  # ours, outside DVC: locks, checkpoints, unfinished fan-outs, logs
CHECKPOINTS = STATE / "checkpoints"
LOCKS = STATE / "locks"
UNFINISHED = STATE / "unfinished"
MADE = STATE / "made"  # what each video's artifacts were made from, see `pipeline.made_before`


class Source(StrEnum):
    """Whose masks: the model's own, or those of the student that learnt from them."""

    MODEL = "model"
    STUDENT = "student"

    @property
    def predictions_folder(self) -> Path:
        """Boxes and soft masks."""
        return self._root / PREDICTIONS.name

    @property
    def calibration_file(self) -> Path:
        """What `calibrate` chose for them."""
        return self._root / CALIBRATION.parent.name / CALIBRATION.name

    @property
    def controls_file(self) -> Path:
        """What `calibrate` chose for the controls in their boxes."""
        return self._root / CALIBRATION.parent.name / "controls.json"

    @property
    def masks_folder(self) -> Path:
        """Refined masks."""
        return self._root / MASKS.name

    @property
    def moving_folder(self) -> Path:
        """Refined masks without what never moves."""
        return self._root / MOVING.name

    @property
    def _root(self) -> Path:
        return ARTIFACTS if self is Source.MODEL else STUDENT


def inpainter(kind: str) -> Path:
    """Folder of the trained inpainter, `kind` being `rgb` or `flow`."""
    return ARTIFACTS / f"inpainter_{kind}"


def video_file(folder: Path, video: str) -> Path:
    """One file per video and artifact."""
    return folder / f"{video}.h5"
