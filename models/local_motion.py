"""What a plane leaves of the background's motion: parallax, as a number and as a smooth mesh.

A mesh, like MeshFlow's (Liu et al. 2016), but fitted where that one takes medians: their window has
to be wider than twice the subject, and at the frame's edge it cannot be. Here the tracks pull at a
stiff mesh, those that it cannot follow lose their weight (Tukey), and behind the subject the mesh
goes on from around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.tracks import Points
from models.warping import MESH_SIZE, Mesh, Size

MIN_TRACKS = 24
STIFFNESS = 1.0  # of the mesh's second differences, against a weight of one for each track
REST = 0.02  # pulls vertices that no track reaches to no displacement
OUTLIER = 3.0  # times the spread
FLOOR_PX = 0.1
STEPS = 6
# Share of the tracks that are the background's even where a large subject holds most corners.
BACKGROUND = 0.35
RAYLEIGH = float(np.sqrt(-2 * np.log(1 - BACKGROUND)))  # its quantile at a spread of 1


def spread(residuals: NDArray[np.floating]) -> float:
    """Standard deviation, px per axis, of the background's residuals (K, 2); NaN if K is small.

    That of normal noise whose nearest third is as near as theirs; the rest may be the subject.
    """
    if len(residuals) < MIN_TRACKS:
        return float("nan")
    nearest = int(BACKGROUND * len(residuals))
    distance = np.linalg.norm(residuals, axis=1)
    return float(np.partition(distance, nearest)[nearest]) / RAYLEIGH


def fit_mesh(points: Points, residuals: NDArray[np.floating], size: Size) -> Mesh | None:
    """Smooth displacements that most of the residuals follow.

    Args:
        points: (K, 2) px, in the target. residuals: (K, 2) px, see `refinement.residuals`.
        size: height and width of the target.

    Returns:
        float32 (rows, cols, 2), see `models.warping`; None where there are too few tracks.
    """
    if len(points) < MIN_TRACKS:
        return None
    vertices, shares = _around(points, size)
    mesh: NDArray[np.floating] = np.zeros((MESH_SIZE[0] * MESH_SIZE[1], 2))
    for _ in range(STEPS):
        left = residuals - (mesh[vertices] * shares[..., None]).sum(1)
        limit = OUTLIER * max(spread(left), FLOOR_PX)
        weight = np.square(np.clip(1 - np.square(left).sum(1) / limit**2, 0, None))
        pull = shares * weight[:, None]
        normal = _summed(vertices, pull, shares) + _RESISTANCE
        goal = [_at(vertices, pull * residuals[:, axis, None]) for axis in (0, 1)]
        mesh = np.linalg.solve(normal, np.stack(goal, 1))
    return mesh.reshape(*MESH_SIZE, 2).astype(np.float32)


def _around(points: Points, size: Size) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The four vertices around each point, counted row by row, and their bilinear shares (K, 4)."""
    ends, weights = [], []
    for axis in (0, 1):
        place = points[:, 1 - axis].astype(np.float64) / (size[axis] - 1) * (MESH_SIZE[axis] - 1)
        low = np.clip(place.astype(np.int64), 0, MESH_SIZE[axis] - 2)
        ends.append(np.stack([low, low + 1], 1))
        weights.append(np.stack([low + 1 - place, place - low], 1))
    vertices = ends[0][:, :, None] * MESH_SIZE[1] + ends[1][:, None, :]
    shares = weights[0][:, :, None] * weights[1][:, None, :]
    return vertices.reshape(-1, 4), shares.reshape(-1, 4)


def _at(vertices: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values (K, 4) summed at their vertices: (V,)."""
    count = MESH_SIZE[0] * MESH_SIZE[1]
    return np.bincount(vertices.ravel(), values.ravel(), count).astype(np.float64)


def _summed(
    vertices: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The products of a (K, 4) and b (K, 4) summed at their pairs of vertices: (V, V)."""
    count = MESH_SIZE[0] * MESH_SIZE[1]
    cells = vertices[:, :, None] * count + vertices[:, None, :]
    products = a[:, :, None] * b[:, None, :]
    summed = np.bincount(cells.ravel(), products.ravel(), count**2).astype(np.float64)
    return summed.reshape(count, count)


def _resistance() -> NDArray[np.float64]:
    """Energy (V, V) of a bent plate: its squared second differences, zero for a plane."""
    rows, columns = (np.eye(count) for count in MESH_SIZE)
    bends = np.concatenate(
        [
            np.kron(np.diff(rows, 2, axis=0), columns),
            np.kron(rows, np.diff(columns, 2, axis=0)),
            np.sqrt(2) * np.kron(np.diff(rows, axis=0), np.diff(columns, axis=0)),
        ]
    )
    energy = np.einsum("bu,bv->uv", bends, bends)
    return np.asarray(STIFFNESS * energy + REST * np.eye(len(energy)))


_RESISTANCE = _resistance()
