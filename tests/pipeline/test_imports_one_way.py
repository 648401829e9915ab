"""Imports point one way: models <- lower pipeline <- stages; the upper pipeline starts stages."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_dvc import REPOSITORY

PACKAGES = ("models", "pipeline", "stages")
UPPER = (
    "pipeline.cli",
    "pipeline.dag",
    "pipeline.dvc_deps",
    "pipeline.flow_run",
    "pipeline.init_notes",
    "pipeline.init_project",
    "pipeline.intake",
    "pipeline.new_material",
    "pipeline.placed_masks",
    "pipeline.prefect_server",
    "pipeline.prefect_setup",
    "pipeline.sizing",
    "pipeline.stage_process",
)
MODULES = {
    ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): file
    for package in PACKAGES
    for file in sorted((REPOSITORY / package).rglob("*.py"))
}


def _ours(file: Path) -> set[str]:
    """Names of ours in a file's imports; `from a import b` gives both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def _within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _forbidden(module: str) -> tuple[str, ...]:
    if _within(module, ("models",)):
        return ("pipeline", "stages")
    if _within(module, UPPER):
        return ("stages",)
    return ("stages", *UPPER)  # lower pipeline, and stages towards each other


def test_upper_modules_exist() -> None:
    assert set(UPPER) <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    wrong = {name for name in _ours(MODULES[module]) if _within(name, _forbidden(module))}
    assert not wrong


@pytest.mark.parametrize("stage", ["stabilize", "calibrate", "refine_masks", "evaluate"])
def test_who_needs_no_network_does_not_wait_for_pytorch(stage):
    """Every worker process imports its stage anew: PyTorch takes seconds and 200 MB."""
    asked = f"import sys, stages.{stage}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], cwd=REPOSITORY, check=False)
    assert done.returncode == 0
