"""The closure holds what importing a module can run, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.closure import REPOSITORY, module_closure, source_digest

TREE = {
    "pipeline/__init__.py": "",
    "pipeline/low.py": "import numpy",
    "pipeline/unused.py": "",
    "pipeline/late.py": "",
    "pipeline/pack/__init__.py": "from .inner import thing",
    "pipeline/pack/inner.py": "from ..low import x\nthing = 1",
    "pipeline/pack/other.py": "",
    "models/__init__.py": "",
    "models/net.py": "import os.path",
    "stages/__init__.py": "",
    "stages/work.py": (
        "import models.net as n\nfrom pipeline.pack import other\n"
        "def run():\n    from pipeline import late\n"
    ),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_all_kinds_of_imports(tree):
    found = [file.as_posix() for file in module_closure("stages.work", tree)]
    assert found == sorted(set(TREE) - {"pipeline/unused.py"})


def test_digest_follows_the_closure_only(tree):
    before = source_digest("stages.work", tree)
    (tree / "pipeline/unused.py").write_text("x = 1")
    assert source_digest("stages.work", tree) == before
    (tree / "pipeline/late.py").write_text("x = 1")
    assert source_digest("stages.work", tree) != before


def test_what_is_not_ours_is_refused(tree):
    with pytest.raises(ModuleNotFoundError, match=r"stages\.nothing"):
        module_closure("stages.nothing", tree)


def test_covers_what_python_itself_loads():
    """Against the interpreter: every module of ours that an import loads is in the closure."""
    code = (
        "import sys, stages.extract_frames\n"
        "for m in list(sys.modules.values()):\n"
        "    if m.__name__.split('.')[0] in ('models', 'pipeline', 'stages'): print(m.__file__)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    loaded = {Path(line).relative_to(REPOSITORY) for line in ran.stdout.split()}
    assert loaded <= set(module_closure("stages.extract_frames"))
