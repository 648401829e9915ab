"""A tiny project of the built-in kind, and its stages run one after another as DVC runs them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]

STAGES = (
    "prepare_data",
    "extract_frames",
    "stabilize",
    "compute_flow",
    "training_set frames",
    "training_set flow",
    "train_inpainter rgb",
    "train_inpainter flow",
    "train_model",
    "predict",
    "calibrate model",
    "refine_masks model",
    "training_set predictions",
    "make_labels",
    "training_set labels",
    "self_train",
    "predict_student",
    "calibrate student",
    "refine_masks student",
    "keep_moving model",
    "keep_moving student",
    "evaluate",
    "report",
)

CLIPS = (("train_a", "train", 0), ("val_a", "val", 1), ("test_a", "test", 2))

INPAINTER = {"iterations": 12, "batch_size": 4, "channels": 4}
PARAMS = {
    "prepare_data": {"name": "tiny", "source": "recipe", "root": "data/tiny"},
    "extract_frames": {"longest_side": 64},
    "compute": {"checkpoint_every": 4, "threads": 1},
    "network": {"height": 32, "width": 48},
    "train_inpainter": {"rgb": INPAINTER, "flow": INPAINTER},
    "train_model": {
        "iterations": 8,
        "warmup_iterations": 4,
        "warmup_frames": 8,
        "batch_size": 4,
        "encoder": "none",
        "detector": {"grid": 4, "channels": 4},
        "synthesis": {"window": 16, "channels": 4},
        "loss": {"perceptual": 0.0},
        "optimisation": {"ema": 0.5},
        "watch": {"every": 3, "early_stop": 3, "collapse": "warn"},
    },
    "self_train": {
        "enabled": True,
        "iterations": 8,
        "batch_size": 4,
        "channels": 4,
        "encoder": "none",
    },
    "calibrate": {
        "frames_per_video": 3,
        "blob_scales": [0.7, 1.0],
        # Faint: masks of so young a model would be all or nothing, and teach a student nothing.
        "crf": [{"smooth_weight": 0.1, "bilateral_weight": 0.0, "floor": 0.0}],
    },
    "evaluate": {"collapse_empty": 1.0, "collapse_full": 1.0, "collapse_frozen_px": 0.0},
    "report": {"panels_per_video": 1},
}


def make_tiny_project(folder: Path, frames: int = 6) -> None:
    """Three clips of the built-in kind, a few frames each, and params to match."""
    recipe = {
        "seed": 1,
        "width": 128,
        "height": 96,
        "fps": 15,
        "clips": [
            {
                "video": video,
                "split": split,
                "location": "yard",
                "subject": number,
                "camera": number,
                "frames": frames,
            }
            for video, split, number in CLIPS
        ],
    }
    (folder / "data" / "tiny").mkdir(parents=True)
    (folder / "data" / "tiny" / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))


def start_stage(folder: Path, stage: str) -> subprocess.Popen[str]:
    """Start one stage in `folder`, as DVC would."""
    name, *arguments = stage.split()
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{name}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_stage(folder: Path, stage: str) -> str:
    """Run one stage to its end; its output, or an assertion that shows it."""
    process = start_stage(folder, stage)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, f"{stage}:\n{output}"
    return output


def artifact_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file under `artifacts/`."""
    root = folder / "artifacts"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
