"""dvc.yaml against the code: deps, params and paths; and the tool that writes the deps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
import yaml
from helpers_dvc import REPOSITORY

from pipeline.closure import module_closure
from pipeline.device import decisive as decisive_of
from pipeline.dvc_deps import definitions, main, out_of_step, rewrite, stage_module
from pipeline.params.training import Compute
from pipeline.store import paths

DOCUMENT = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
STAGES = definitions(DOCUMENT)
OF_A_SOURCE = {
    name: frozenset(getattr(source, name) for source in paths.Source)
    for name in (
        "predictions_folder",
        "calibration_file",
        "controls_file",
        "masks_folder",
        "moving_folder",
    )
}
TRAINING = ("train_inpainter", "train_model", "self_train")
OF_TRAINING_VIDEOS = (*TRAINING, "make_labels")
TEMPLATE = re.compile(r"\$\{[^}]*\}")


def _calls(file: Path, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _pattern(node: ast.expr) -> str:
    """A string as written, with `*` for what an f-string fills in."""
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "*" for p in node.values)
        return "".join(str(part) for part in parts)
    assert isinstance(node, ast.Constant), f"load_section wants a literal: {ast.unparse(node)}"
    return str(node.value)


def _plain(entries: list[object]) -> list[str]:
    """DVC's entries may be mappings of a path to options; `${...}` becomes `*`."""
    names = (next(iter(e)) if isinstance(e, dict) else e for e in entries)
    return [TEMPLATE.sub("*", str(name)) for name in names]


def _items(foreach: object) -> list[tuple[str, dict[str, str]]]:
    """What a foreach stage is filled with: items by their key, or words."""
    if isinstance(foreach, dict):
        return list(foreach.items())
    assert isinstance(foreach, list)
    return [(word, {}) for word in foreach]


def _filled(entries: list[object], key: str, item: dict[str, str]) -> list[object]:
    """The entries of a foreach stage as one of its items has them."""
    entries = [str(entry).replace("${item}", key) for entry in entries]
    filled = [str(entry).replace("${key}", key) for entry in entries]
    for name, value in item.items():
        filled = [entry.replace(f"${{item.{name}}}", value) for entry in filled]
    return list(filled)


def test_deps_list_every_module_that_a_stage_imports() -> None:
    assert out_of_step(REPOSITORY) == {}, "run `python -m pipeline.dvc_deps`"


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_exactly_the_sections_loaded(stage: str) -> None:
    definition = STAGES[stage]
    loaded = {
        _pattern(call.args[1])
        for file in module_closure(stage_module(definition), REPOSITORY)
        for call in _calls(REPOSITORY / file, "load_section")
    }
    declared = {
        section if (section := name.partition(".")[0]) in loaded else name  # or a key of it
        for name in _plain(definition.get("params", []))
    }
    # `train_inpainter.${key}` declares what the code spells out as .rgb and .flow.
    assert {name for name in loaded if not any(fnmatch(name, entry) for entry in declared)} == set()
    assert {entry for entry in declared if not any(fnmatch(n, entry) for n in loaded)} == set()


def test_of_the_machine_all_that_can_change_a_result_is_a_param() -> None:
    """The rest, changed, must not train anything anew."""
    decisive = {f"compute.{name}" for name in Compute.model_fields.keys() - Compute.of_no_effect}
    assert set(TRAINING) == {name for name in STAGES if name.startswith(("train_", "self_train"))}
    for stage in TRAINING:
        named = {name for name in STAGES[stage]["params"] if name.startswith("compute")}
        assert named == decisive
    device = torch.device("cpu")
    other = {"resume": "never", "checkpoint_every": 7, "cache_mib": 1}
    assert other.keys() == Compute.of_no_effect
    for changed in ({key: value} for key, value in other.items()):
        assert decisive_of(Compute(**changed), device) == decisive_of(Compute(), device)


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_reads_all_params(stage: str) -> None:
    for file in module_closure(stage_module(STAGES[stage]), REPOSITORY):
        assert not list(_calls(REPOSITORY / file, "read_params")), file


def _artifacts_named(file: Path) -> set[frozenset[Path]]:
    """Artifacts that a module names: constants of `pipeline.store.paths`, and `inpainter()`.

    What it asks a `Source` for may be either source's.
    """
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline.store.paths":
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.Attribute) and (
            ast.unparse(node.value) == "paths" or node.attr in OF_A_SOURCE
        ):
            names.add(node.attr)
    found = {getattr(paths, name) for name in names if name.isupper()}
    found |= {paths.inpainter("*")} if "inpainter" in names else set()
    alone = {frozenset([path]) for path in found if paths.ARTIFACTS in path.parents}
    return alone | {OF_A_SOURCE[name] for name in names if name in OF_A_SOURCE}


@pytest.mark.parametrize("stage", STAGES)
def test_artifacts_that_a_stage_names_are_its_deps_or_outs(stage: str) -> None:
    """Also where a helper names them: a dep too many costs little, one too few a stale cache."""
    definition = STAGES[stage]
    entries = [p for kind in ("deps", "outs", "metrics") for p in definition.get(kind, [])]
    items = DOCUMENT["stages"][stage].get("foreach", {"": {}})
    declared = [path for item in _items(items) for path in _plain(_filled(entries, *item))]
    declared = [path for path in declared if path != "*"]  # a bare `${...}`: the data's root
    for file in module_closure(stage_module(definition), REPOSITORY):
        for artifact in _artifacts_named(REPOSITORY / file):
            either = [path.as_posix() for path in artifact]
            if stage in OF_TRAINING_VIDEOS:  # on the records of the folders that it reads
                either += [f"{paths.TRAINING_SET}/{path.name}.json" for path in artifact]
            covered = [_covers(entry, path) for entry in declared for path in either]
            assert any(covered), f"{file}: {' or '.join(either)}"


def test_deps_inside_of_a_stages_folder_are_files_that_are_always_there() -> None:
    """DVC stops at a dep that is missing, and a student that is off leaves only a note."""
    folders, deps = set[str](), set[str]()
    for name, stage in DOCUMENT["stages"].items():
        for item in _items(stage.get("foreach", {"": {}})):
            folders |= set(_plain(_filled(STAGES[name].get("outs", []), *item)))
            deps |= set(_plain(_filled(STAGES[name]["deps"], *item)))
    inside = {dep for dep in deps if any(dep.startswith(f"{folder}/") for folder in folders)}
    assert inside == {"artifacts/frames/index.parquet", "artifacts/calibrate/calibration.json"}


def _covers(entry: str, path: str) -> bool:
    """The declared path is the artifact, a folder above it, or a part of it."""
    return (
        fnmatch(path, entry)
        or fnmatch(entry, path)
        or fnmatch(path, f"{entry}/*")
        or entry.startswith(f"{path}/")
    )


def test_every_stage_module_is_a_stage() -> None:
    modules = {file.stem for file in (REPOSITORY / "stages").glob("[!_]*.py")}
    assert modules == set(STAGES)


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    for name, text in {
        "stages/__init__.py": "",
        "stages/one.py": "from pipeline import used\n",
        "pipeline/__init__.py": "",
        "pipeline/used.py": "def f():\n    import pipeline.deep\n",
        "pipeline/deep.py": "",
        "pipeline/unused.py": "",
        "dvc.yaml": (
            "# a comment\nstages:\n  one:\n    cmd: python -m stages.one\n    deps:\n"
            "      - ${data}\n      - pipeline/unused.py\n    outs:\n      - out  # kept\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_missing_and_needless_deps_are_found(small_project: Path) -> None:
    assert out_of_step(small_project) == {
        "one": [
            "pipeline/__init__.py",
            "pipeline/deep.py",
            "pipeline/unused.py",
            "pipeline/used.py",
            "stages/__init__.py",
            "stages/one.py",
        ]
    }


def test_rewriting_mends_deps_and_keeps_the_rest(small_project: Path) -> None:
    rewrite(small_project)
    assert out_of_step(small_project) == {}
    text = (small_project / "dvc.yaml").read_text()
    assert "# a comment" in text
    assert "out  # kept" in text
    assert "- ${data}" in text
    rewrite(small_project)
    assert (small_project / "dvc.yaml").read_text() == text


def test_check_names_the_stage_and_fails(
    small_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_project)
    monkeypatch.setattr("sys.argv", ["dvc_deps", "--check"])
    with pytest.raises(SystemExit, match=r"python -m pipeline\.dvc_deps"):
        main()
    assert "deps of one are out of step: pipeline/__init__.py" in capsys.readouterr().out
