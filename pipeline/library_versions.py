"""Versions of the libraries that can change a result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import cv2

LIBRARIES = (
    "av",
    "efficientnet-lite-pytorch",
    "h5py",
    "numpy",
    "pydensecrf2",
    "torch",
    "torchvision",
)


def library_versions() -> list[str]:
    """OpenCV's, which comes under several names, and those of `LIBRARIES`."""
    return [cv2.__version__, *(_version(name) for name in LIBRARIES)]


def _version(library: str) -> str:
    """As installed; "" where it came under another name."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
