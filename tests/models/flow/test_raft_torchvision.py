"""torchvision imports here, and is left alone where it imports by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from helpers_dvc import REPOSITORY

from models.torchvision_shim import flow_to_image


def test_torchvision_that_imports_is_left_alone(tmp_path: Path):
    for name in ("__init__", "utils", "models/__init__", "models/optical_flow/__init__"):
        file = tmp_path / "torchvision" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("flow_to_image = 'theirs'")
    for name in ("resnet", "optical_flow/raft"):
        (tmp_path / f"torchvision/models/{name}.py").touch()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import models.torchvision_shim as shim, torch\n"
        "print(shim.flow_to_image, hasattr(torch.ops.torchvision, 'nms'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "theirs False"


def test_torchvision_imports_here():
    assert flow_to_image(torch.ones(2, 4, 4)).shape == (3, 4, 4)
