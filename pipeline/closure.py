"""Which of our own source files a module stands on, found by reading imports, not by running them.

`dvc.yaml` must list this closure as a stage's deps, or DVC's cache goes stale; an unfinished stage
may only be gone on with by the code that began it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("models", "pipeline", "stages")
REPOSITORY = Path(__file__).resolve().parents[1]


def module_closure(module: str, root: Path = REPOSITORY) -> list[Path]:
    """Files of ours that importing `module` can execute, sorted, relative to `root`.

    Holds the module itself, the `__init__.py` of every package on the way, and what is imported
    inside functions; other people's packages are left out.

    Raises:
        ModuleNotFoundError: `module` is not one of our modules under `root`.
    """
    if _file_of(module, root) is None:
        raise ModuleNotFoundError(f"no module {module!r} in {', '.join(PACKAGES)} under {root}")
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file_of(name, root)
        if name in found or file is None:
            continue
        found[name] = file
        waiting.extend(name.rpartition(".")[:1])  # the package's __init__.py runs first
        waiting.extend(_imports(name, root / file))
    return sorted(found.values())


def source_digest(module: str, root: Path = REPOSITORY) -> str:
    """sha256 over the names and bytes of `module`'s closure."""
    digest = hashlib.sha256()
    for file in module_closure(module, root):
        content = (root / file).read_bytes()
        digest.update(f"{file.as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _file_of(module: str, root: Path) -> Path | None:
    """The file of one of our modules or packages, relative to `root`; None for any other name."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
        return None
    for candidate in (Path(*parts, "__init__.py"), Path(*parts).with_suffix(".py")):
        if (root / candidate).is_file():
            return candidate
    return None


def _imports(module: str, file: Path) -> Iterator[str]:
    """Every name that may be a module in `file`'s imports, at any depth of the code."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)  # may be a submodule
