"""A frame brought onto another's grid: by a homography, and a mesh where one plane is not enough.

    shown, seen = warp_onto(source, H, mesh, (height, width))

A mesh (rows, cols, 2) holds displacements d in px at vertices that span the target from corner
pixel to corner pixel, bilinear between them: the target's px p shows what `H` alone would show at
p + d(p). It is thus the background's flow that is left after `H`, in the sense of a flow artifact.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Mesh = NDArray[np.float32]  # (rows, cols, 2), px
Size = tuple[int, int]  # height, width
MESH_SIZE = (6, 8)  # rows and cols of a stored mesh


def read_mesh(values: Sequence[float] | NDArray[np.floating]) -> Mesh | None:
    """The mesh of a row of the homographies table; None where it has none.

    Args:
        values: its column `mesh`, row by row and x before y; empty where there is no mesh.
    """
    return np.asarray(values, np.float32).reshape(*MESH_SIZE, 2) if len(values) else None


def warp_onto(
    source: NDArray[np.uint8], H: NDArray[np.float64], mesh: Mesh | None, size: Size
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Show `source` on the target's grid, interpolated once.

    Args:
        source: uint8 (Hs, Ws, 3) or (Hs, Ws).
        H: (3, 3), source px to target px, pixel centres at integers.
        mesh: see above; None where the plane is all.
        size: height and width of the target.

    Returns:
        shown uint8 (H, W, 3) or (H, W), black where not seen; seen bool (H, W), false where the
        warp reaches beyond the source.
    """
    inside = np.full(source.shape[:2], 255, np.uint8)
    if mesh is None:
        shown, seen = (
            cv2.warpPerspective(image, H, size[::-1], flags=cv2.INTER_LINEAR)
            for image in (source, inside)
        )
    else:
        x, y = cv2.split(source_positions(H, mesh, size))
        shown, seen = (cv2.remap(image, x, y, cv2.INTER_LINEAR) for image in (source, inside))
    return np.asarray(shown, np.uint8), np.asarray(seen == 255)


def source_positions(H: NDArray[np.float64], mesh: Mesh | None, size: Size) -> NDArray[np.float32]:
    """Where in the source (x, y) each target px comes from: float32 (H, W, 2) px."""
    points = pixel_grid(size)
    if mesh is not None:
        points = points + mesh_displacement(mesh, size)
    mapped = cv2.perspectiveTransform(points, np.linalg.inv(H))
    return np.asarray(mapped, np.float32)


def mesh_displacement(mesh: Mesh, size: Size) -> NDArray[np.float32]:
    """The mesh at every px: float32 (H, W, 2)."""
    dense = mesh
    for axis, length in enumerate(size):
        place = np.linspace(0, mesh.shape[axis] - 1, length, dtype=np.float32)
        low = np.minimum(place.astype(np.int64), mesh.shape[axis] - 2)
        share = (place - low).reshape([-1, 1, 1] if axis == 0 else [1, -1, 1])
        dense = dense.take(low, axis) * (1 - share) + dense.take(low + 1, axis) * share
    return np.asarray(dense, np.float32)


@lru_cache(maxsize=4)
def pixel_grid(size: Size) -> NDArray[np.float32]:
    """x and y of every pixel: float32 (H, W, 2); shared, not to be written to."""
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in size[::-1])), -1)
