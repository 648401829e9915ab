"""Keep the `deps` of `dvc.yaml` in step with the code, so that a stale cache cannot happen.

    python -m pipeline.dvc_deps           rewrite them: data as declared, then the modules imported
    python -m pipeline.dvc_deps --check   exit 1 and say which stage is out of step

Data deps are declared in `dvc.yaml` by hand; every dep that ends in `.py` is ours to write.
"""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from pipeline.closure import module_closure
from pipeline.errors import BackdropError
from pipeline.store.atomic import write_bytes

DVC_FILE = Path("dvc.yaml")
_MODULE_FLAG = "python -m "


def stage_module(definition: dict[str, Any]) -> str:
    """The module that a stage's `cmd` runs, e.g. `stages.predict`."""
    command = str(definition["cmd"])
    if not command.startswith(_MODULE_FLAG):
        raise BackdropError(
            f"cannot tell the module of `{command}`",
            where=str(DVC_FILE),
            remedy=f"write it as `{_MODULE_FLAG}stages.NAME`",
        )
    return command.removeprefix(_MODULE_FLAG).split()[0]


def definitions(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The definition of each stage; of a `foreach` or `matrix` stage the one template it has."""
    return {name: stage.get("do", stage) for name, stage in document["stages"].items()}


def expected_deps(definition: dict[str, Any], root: Path) -> list[str]:
    """A stage's declared data deps, then the files of its module's closure under `root`."""
    data = [str(dep) for dep in definition.get("deps", []) if not str(dep).endswith(".py")]
    module = stage_module(definition)
    try:
        return data + [path.as_posix() for path in module_closure(module, root)]
    except ModuleNotFoundError as error:
        raise BackdropError(
            f"runs {module}, which is missing",
            where=str(DVC_FILE),
            remedy="add the module, or mend the stage's cmd",
        ) from error


def out_of_step(root: Path) -> dict[str, list[str]]:
    """Per stage, the modules that are missing from its deps or needlessly there."""
    found: dict[str, list[str]] = {}
    for name, definition in definitions(_read(root)).items():
        listed = {str(dep) for dep in definition.get("deps", [])}
        wrong = sorted(listed ^ set(expected_deps(definition, root)))
        if wrong:
            found[name] = wrong
    return found


def rewrite(root: Path) -> None:
    """Write the closures into `dvc.yaml`; comments, order and everything else stay."""
    document = _read(root)
    for definition in definitions(document).values():
        deps = expected_deps(definition, root)
        if deps != list(definition.get("deps", [])):
            definition["deps"] = CommentedSeq(deps)
    text = StringIO()
    _yaml().dump(document, text)
    write_bytes(root / DVC_FILE, text.getvalue().encode())


def _read(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = _yaml().load((root / DVC_FILE).read_text(encoding="utf-8"))
    return document


def _yaml() -> YAML:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    return yaml


def main() -> None:
    """Rewrite, or with `--check` compare."""
    root = Path()
    if "--check" not in sys.argv[1:]:
        rewrite(root)
        return
    wrong = out_of_step(root)
    for stage, files in wrong.items():
        print(f"error: dvc.yaml: deps of {stage} are out of step: {', '.join(files)}")
    if wrong:
        sys.exit("run `python -m pipeline.dvc_deps`")


if __name__ == "__main__":
    try:
        main()
    except BackdropError as error:
        sys.exit(f"error: {error}")
