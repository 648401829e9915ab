"""Where every artifact lives, relative to the repository. The one place that spells these paths."""

from __future__ import annotations

from pathlib import Path

ARTIFACTS = Path("artifacts")
RAW = ARTIFACTS / "raw"  # the manifest, and the rendered clips of a recipe
VIDEOS_TABLE = RAW / "videos.parquet"
FRAMES = ARTIFACTS / "frames"
INDEX_TABLE = FRAMES / "index.parquet"
STABILIZE = ARTIFACTS / "stabilize"
HOMOGRAPHIES_TABLE = STABILIZE / "homographies.parquet"
FLOW = ARTIFACTS / "flow"
MODEL = ARTIFACTS / "model"
PREDICTIONS = ARTIFACTS / "predictions"
CALIBRATION = ARTIFACTS / "calibrate" / "calibration.json"
MASKS = ARTIFACTS / "masks"
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


def inpainter(kind: str) -> Path:
    """Folder of the trained inpainter, `kind` being `rgb` or `flow`."""
    return ARTIFACTS / f"inpainter_{kind}"


def video_file(folder: Path, video: str) -> Path:
    """One file per video and artifact."""
    return folder / f"{video}.h5"
