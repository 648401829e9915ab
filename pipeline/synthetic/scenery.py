"""Things that stand in a location, painted onto its panorama back to front. Positions in px."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.synthetic import gait
from pipeline.synthetic.figure import draw, person
from pipeline.synthetic.gait import Gait
from pipeline.synthetic.palette import Palette
from pipeline.synthetic.texture import Image, fractal, in_perspective, ramp, specks

Points = Sequence[tuple[float, float]]


class Canvas:
    """A panorama in the making: `image` (H, W, 3) and the generator of everything random in it."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng = rng
        self.height, self.width = height, width
        self.image: Image = np.zeros((height, width, 3), np.float32)

    def fill(self, points: Points, paint: Image, soft: float = 0.8, strength: float = 1.0) -> None:
        """Cover a polygon with `paint` (H, W, 3), its edge `soft` px wide."""
        corners, rim = np.round(points).astype(np.int32), int(4 * soft) + 1
        left, top = np.maximum(corners.min(axis=0) - rim, 0).tolist()
        right, bottom = np.minimum(corners.max(axis=0) + rim, (self.width, self.height)).tolist()
        shape = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(shape, [corners - (left, top)], 255, cv2.LINE_AA)
        cover = cv2.GaussianBlur(shape, (0, 0), soft)[..., None] * np.float32(strength / 255)
        under = self.image[top:bottom, left:right]
        under += cover * (paint[top:bottom, left:right] - under)

    def surface(
        self,
        palette: Palette,
        wavelength: tuple[float, float],
        contrast: float = 0.7,
    ) -> Image:
        """A textured surface as large as the panorama, in the colours of `palette`."""
        shape = (self.height, self.width)
        noise = fractal(self.rng, shape, wavelength, octaves=5, falloff=0.6)
        noise += 0.35 * specks(self.rng, shape, spacing=20, radius=(3, 7))
        return ramp(contrast * noise, palette)

    def shade(self, paint: Image, top: float, bottom: float, dark: float) -> Image:
        """`paint` darkened towards `bottom` by the share `dark`, as if lit from above."""
        rows = np.arange(self.height, dtype=np.float32)
        fall = np.clip((rows - top) / (bottom - top), 0, 1)
        return np.asarray(paint * (1 - dark * fall)[:, None, None], np.float32)


def sky(canvas: Canvas, palette: Palette, horizon: float) -> None:
    """A sky with broad clouds, paler towards the horizon."""
    rows = np.linspace(-1.2, 1.0 * canvas.height / horizon, canvas.height, dtype=np.float32)
    clouds = fractal(canvas.rng, (canvas.height, canvas.width), (90, 260), octaves=4)
    canvas.image[:] = ramp(0.6 * np.clip(rows, -1, 1)[:, None] + 0.5 * clouds, palette)


def ridge(canvas: Canvas, palette: Palette, level: float, height: float, width: float) -> None:
    """Mountains or dunes: a skyline about `level`, rising and falling by `height`."""
    line = fractal(canvas.rng, (2, canvas.width), (2, width), octaves=5, falloff=0.45)[0]
    points = [(x, level - height * float(line[x])) for x in range(0, canvas.width, 4)]
    paint = canvas.surface(palette, (50, 90), 0.8)
    paint = canvas.shade(paint, level + height, level - height, 0.15)
    edge = [(float(canvas.width), float(canvas.height)), (0.0, float(canvas.height))]
    canvas.fill([*points, (float(canvas.width), points[-1][1]), *edge], paint, soft=1.2)


def ground(
    canvas: Canvas, palette: Palette, horizon: int, tiles: float = 0.0, contrast: float = 0.75
) -> None:
    """Ground in perspective below `horizon`; `tiles` is how strongly paving shows, 0 to 1."""
    shape = (canvas.height - horizon, canvas.width)
    plane = fractal(canvas.rng, (900, 3 * canvas.width), (150, 190), octaves=5, falloff=0.6)
    # What a camera can hold on to; without it features lie on the walkers alone.
    plane += 0.45 * specks(canvas.rng, plane.shape, spacing=30, radius=(4, 11))
    if tiles:
        rows, cols = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]].astype(np.float32)
        joint = np.minimum(rows % 90, cols % 80)  # px from the joint above or to the left
        tone = canvas.rng.normal(0, 0.25, (11, 3 * canvas.width // 80 + 2)).astype(np.float32)
        each = tone[(rows // 90).astype(int), (cols // 80).astype(int)]
        plane = plane + tiles * (each - 0.8 * np.clip(2 - joint / 4, 0, 1))
    paint = ramp(contrast * in_perspective(plane, shape, 3.2), palette)
    # The last row above is half of it, so that the horizon is no razor's edge.
    canvas.image[horizon - 1] = (canvas.image[horizon - 1] + paint[0]) / 2
    canvas.image[horizon:] = paint


def conifer(canvas: Canvas, x: float, foot: float, height: float, paint: Image) -> None:
    """A fir in four tiers."""
    for tier in range(4):
        low, high = foot - height * (0.1 + 0.2 * tier), foot - height * (0.45 + 0.19 * tier)
        half = height * (0.24 - 0.045 * tier)
        canvas.fill([(x - half, low), (x, high), (x + half, low)], paint, soft=1.6)


def tree(canvas: Canvas, x: float, foot: float, height: float, bark: Image, leaves: Image) -> None:
    """A trunk under a crown of overlapping rounds."""
    top = foot - 0.6 * height
    post(canvas, x, foot, foot - top, 0.06 * height, bark, strength=1.0)
    for _ in range(7):
        aside, above = canvas.rng.normal(0, 0.16), canvas.rng.uniform(0, 0.3)
        middle = (x + height * aside, top - height * above)
        radius = height * canvas.rng.uniform(0.12, 0.2)
        light = np.float32(canvas.rng.uniform(0.85, 1.15))
        canvas.fill(_round(middle, radius, radius * 0.85), leaves * light, soft=2.0)


def rock(canvas: Canvas, x: float, foot: float, size: float, paint: Image) -> None:
    """A boulder, lighter above."""
    rng = canvas.rng
    angles = np.linspace(0, np.pi, 9)
    reach = size * rng.uniform(0.75, 1.1, 9)
    outline = np.stack([x + reach * np.cos(angles), foot - 0.8 * reach * np.sin(angles)], axis=1)
    shadow(canvas, x, foot, size)
    canvas.fill(outline.tolist(), canvas.shade(paint, foot - 0.8 * size, foot, 0.35))


def post(
    canvas: Canvas,
    x: float,
    foot: float,
    height: float,
    width: float,
    paint: Image,
    strength: float = 0.75,
) -> None:
    """A pole; thin, so a little transparent to keep its contrast soft."""
    left, right, top = x - width / 2, x + width / 2, foot - height
    corners = [(left, foot), (left, top), (right, top), (right, foot)]
    canvas.fill(corners, paint, strength=strength)


def fence(canvas: Canvas, x: float, foot: float, span: float, height: float, paint: Image) -> None:
    """Posts with two rails."""
    for at in np.arange(x, x + span + 1, 46):
        post(canvas, float(at), foot, height, 5, paint, 0.6)
    for share in (0.45, 0.85):
        y = foot - share * height
        canvas.fill([(x, y), (x + span, y), (x + span, y + 5), (x, y + 5)], paint, strength=0.6)


def box(canvas: Canvas, x: float, foot: float, width: float, height: float, paint: Image) -> None:
    """A flat-fronted thing: a wall, a door, a bench's back."""
    corners = [(x, foot), (x, foot - height), (x + width, foot - height), (x + width, foot)]
    canvas.fill(corners, canvas.shade(paint, foot - height, foot, 0.18))


def gable(canvas: Canvas, x: float, eaves: float, width: float, rise: float, paint: Image) -> None:
    """A roof over a wall that spans `x` to `x + width`."""
    over = 0.06 * width
    ridge_left, ridge_right = (x + 0.2 * width, eaves - rise), (x + 0.8 * width, eaves - rise)
    corners = [(x - over, eaves), ridge_left, ridge_right, (x + width + over, eaves)]
    canvas.fill(corners, canvas.shade(paint, eaves - rise, eaves, 0.25))


def shadow(canvas: Canvas, x: float, foot: float, size: float) -> None:
    """A soft shadow on the ground."""
    dark = (canvas.image * np.float32(0.6)).astype(np.float32)
    canvas.fill(_round((x + 0.2 * size, foot), 1.2 * size, 0.2 * size), dark, soft=3, strength=0.6)


def bystander(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """Someone who stands still: like the subjects in everything but moving."""
    rng = canvas.rng
    who = person(rng)
    stance = Gait(phase=rng.uniform(0, 6.28), swing=rng.uniform(0, 0.35), running=0.0)
    shadow(canvas, x, foot, 0.18 * height)
    place = np.array([[height, 0, x], [0, -height, foot]])
    cover = np.zeros((canvas.height, canvas.width), np.float32)
    heading = rng.uniform(-np.pi, np.pi)
    draw(canvas.image, cover, who, gait.joints(stance, who.habit), heading, place)


def _round(middle: tuple[float, float], across: float, down: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return [(middle[0] + across * np.cos(a), middle[1] + down * np.sin(a)) for a in angles]
