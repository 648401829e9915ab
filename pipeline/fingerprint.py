"""What an unfinished piece of work was made from: resuming with anything else would be a lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.closure import source_digest
from pipeline.library_versions import library_versions
from pipeline.store.digest import file_sha256


def fingerprint(module: str, params: Mapping[str, Any], inputs: Iterable[Path]) -> str:
    """Hash of params, input files' bytes, libraries' versions, and `module` with all it imports.

    Args:
        module: the stage's module, e.g. `stages.train_model`.
        params: JSON-able.
        inputs: files that the work reads, in any order.
    """
    digest = hashlib.sha256(source_digest(module).encode())
    digest.update(json.dumps([params, library_versions()], sort_keys=True).encode())
    for path in sorted(inputs):
        digest.update(path.name.encode())
        digest.update(file_sha256(path).encode())
    return digest.hexdigest()
