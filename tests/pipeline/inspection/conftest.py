"""A project and a network to inspect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_artifacts import Project, make_project
from helpers_labels import label_all
from safetensors.numpy import save_file

from pipeline.store.atomic import write_json


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = make_project(tmp_path, monkeypatch, refined=True)
    label_all(made)
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a.weight": np.zeros((4, 3), np.float32)}, folder / "model.safetensors")
    write_json(folder / "config.json", {"schema": "backdrop.model", "schema_version": 2, "grid": 8})
    return folder
