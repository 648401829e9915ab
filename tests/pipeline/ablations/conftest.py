"""The DVC project that `backdrop ablate` is tried on."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_dvc import commit, make_project

from pipeline.params.preset import compose, load_preset
from pipeline.params.write import render_params

# `evaluate` knows its seed and what git does not hold; it fails where the flow's weight is 0.
STAGES = """
stages:
  evaluate:
    cmd: python evaluate.py
    params: [compute, train_model]
    metrics: [artifacts/evaluate/metrics.json]
  report: {cmd: "false", deps: [artifacts/evaluate/metrics.json]}
"""
EVALUATE = """
import json, pathlib, sys, yaml
params = yaml.safe_load(open("params.yaml"))
if params["train_model"]["loss"]["flow"] == 0: sys.exit("no flow")
j = float(pathlib.Path("data/raw/own/number").read_text()) + params["compute"]["seed"] / 10
out = pathlib.Path("artifacts/evaluate/metrics.json")
out.parent.mkdir(parents=True, exist_ok=True)
test = dict.fromkeys(["J", "F", "J_no_crf", "mAP50"], j)
out.write_text(json.dumps({"test": test, "health": {"collapsed": j > 0.55}}))
"""
OWN = {"prepare_data": {"source": "videos", "root": "data/raw/own"}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    params = render_params(compose(load_preset("demo").params, OWN))
    make_project(tmp_path, STAGES, params)
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    (tmp_path / ".gitignore").write_text("/artifacts/\n/data/raw/\n")
    (tmp_path / "data/raw/own").mkdir(parents=True)
    (tmp_path / "data/raw/own/number").write_text("0.5")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
