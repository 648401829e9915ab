"""A moving layer of a synthetic pair: where its texture lands in both frames, and its exact flow.

A layer's texture is seen through `place` in the target frame, then moved by `motion`:

    texture position of target px x        place x + deform(x)
    texture position of source px y        place motion^-1 y
    flow at x                              motion place^-1 (place x + deform(x)) - x

Only the target is deformed, so that nothing needs to be inverted numerically: the flow is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models import warping
from models.stabilization import Matrix

Coordinates = NDArray[np.float64]  # (H, W, 2), x and y in px
MIRROR = cv2.BORDER_REFLECT
HALF = 127  # of a shape's 255: beyond it the pixel belongs to the thing


@dataclass(frozen=True)
class Layer:
    """One textured thing, or the background.

    Attributes:
        texture: uint8 (h, w, 3); beyond its edges it is mirrored.
        shape: uint8 (h, w), 255 where the texture belongs to the thing.
        place: (3, 3), frame px to texture px.
        motion: (3, 3), target px to source px.
        deform: (H, W, 2), texture px, added in the target frame.
    """

    texture: NDArray[np.uint8]
    shape: NDArray[np.uint8]
    place: Matrix
    motion: Matrix
    deform: NDArray[np.float64]

    def paint_target(self, image: NDArray[np.float32], flow: NDArray[np.float32]) -> None:
        """Lay it over the target frame (H, W, 3) 0..255, and its flow (H, W, 2) px over the flow.

        Only the part of the frame that it can cover is touched; most things are small.
        """
        part = self._part(inverse(self.place), margin=float(np.abs(self.deform).max()))
        grid = pixel_grid(*image.shape[:2])[part]
        position = cv2.perspectiveTransform(grid, self.place) + self.deform[part]
        x, y = cv2.split(position.astype(np.float32))
        colours = cv2.remap(self.texture, x, y, cv2.INTER_LINEAR, borderMode=MIRROR)
        shape = cv2.remap(self.shape, x, y, cv2.INTER_LINEAR)
        _lay_over(image[part], colours, shape)
        moved = cv2.perspectiveTransform(position, self.motion @ inverse(self.place)) - grid
        np.copyto(flow[part], moved.astype(np.float32), where=shape[..., None] > HALF)

    def paint_source(self, image: NDArray[np.float32]) -> None:
        """Lay it over the source frame (H, W, 3) 0..255."""
        to_texture = self.place @ inverse(self.motion)
        part = self._part(inverse(to_texture), margin=0.0)
        rows, columns = part
        size = (columns.stop - columns.start, rows.stop - rows.start)
        H = to_texture @ shift(columns.start, rows.start)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        colours = cv2.warpPerspective(self.texture, H, size, flags=how, borderMode=MIRROR)
        _lay_over(image[part], colours, cv2.warpPerspective(self.shape, H, size, flags=how))

    def _part(self, to_frame: Matrix, margin: float) -> tuple[slice, slice]:
        """Rows and columns of the frame around the shape's bounding box; at least one px."""
        x, y, w, h = cv2.boundingRect(self.shape)
        corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64)
        corners += margin * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        seen = cv2.perspectiveTransform(corners[None], to_frame)[0]
        height, width = self.deform.shape[:2]
        limits = np.array([width - 1, height - 1])
        low = np.clip(np.floor(seen.min(0)) - 1, 0, limits).astype(int)
        high = np.clip(np.ceil(seen.max(0)) + 2, low + 1, limits + 1).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])


def _lay_over(image: NDArray[np.float32], colours: NDArray[Any], shape: NDArray[Any]) -> None:
    coverage = shape[..., None] * np.float32(1 / 255)
    image += coverage * (colours - image)


@lru_cache(maxsize=4)
def pixel_grid(height: int, width: int) -> Coordinates:
    """x and y of every pixel: (H, W, 2)."""
    return warping.pixel_grid((height, width)).astype(np.float64)


def smooth_field(
    rng: np.random.Generator, height: int, width: int, amplitude: float
) -> NDArray[np.float64]:
    """A random smooth displacement (H, W, 2), px, of about `amplitude`."""
    lattice = rng.normal(0.0, amplitude, (int(rng.integers(3, 6)), int(rng.integers(3, 6)), 2))
    field = cv2.resize(lattice, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float64)


def about(x: float, y: float, inner: Matrix) -> Matrix:
    """`inner` acting around the point (x, y), px, instead of the origin."""
    moved: Matrix = shift(x, y) @ inner @ shift(-x, -y)
    return moved


def inverse(H: Matrix) -> Matrix:
    """Of a (3, 3) map."""
    return np.asarray(np.linalg.inv(H), np.float64)


def shift(dx: float, dy: float) -> Matrix:
    """A shift in px as (3, 3)."""
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1.0]])


def similarity(angle: float, zoom: float, dx: float, dy: float) -> Matrix:
    """Rotation (radians), zoom and shift (px) as (3, 3)."""
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[cos, -sin, dx], [sin, cos, dy], [0, 0, 1.0]])
