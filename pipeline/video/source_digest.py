"""The sha256 of a source: tells whether a video or folder of frames is the one seen before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.video.folder import folder_images
from pipeline.video.sources import readable


def source_sha256(path: Path) -> str:
    """Hex digest of a file's bytes, or over the names and bytes of a folder's pictures.

    Raises:
        BackdropError: it cannot be read.
    """
    digest = hashlib.sha256()
    with readable(path):
        for file in folder_images(path) if path.is_dir() else [path]:
            if path.is_dir():
                name = f"{file.name} {file.stat().st_size}\n"
                digest.update(name.encode(errors="surrogateescape"))  # a name may be no UTF-8
            with file.open("rb") as opened:
                while block := opened.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
