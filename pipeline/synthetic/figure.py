"""One person: a body of textured, tapered, shaded limbs, drawn in any pose and from any side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic import clothes, gait, palette
from pipeline.synthetic.gait import Habit
from pipeline.synthetic.texture import Field, Image

DETAIL = 240  # samples per body height in a limb's own texture: twice what a frame shows
TILT = 0.22  # how far the camera looks down: a unit away from it is this far up in the image


@dataclass(frozen=True)
class Limb:
    """A limb from joint `start` to joint `end`; all grids (h, w) are in its own texture space."""

    start: str
    end: str
    length: float  # body heights
    flatness: float  # depth over width of its cross-section
    nearer: float  # body heights by which it is drawn closer to the camera than it lies
    cloth: Image  # (64, 128, 3), see `clothes`
    cap: int  # rows before `start`
    row: NDArray[np.intp]  # (h, 1) row of the cloth
    turn: Field  # (h, w) radians around the limb from its middle, as seen
    cover: Field  # (h, w) opacity, 0 to 1


@dataclass(frozen=True)
class Person:
    """A body with its clothes and its way of moving. `stature` is a factor about 1."""

    limbs: tuple[Limb, ...]
    habit: Habit
    stature: float


def person(rng: np.random.Generator) -> Person:
    """Someone at random; every split and the static people draw from this one distribution."""
    skin = clothes.plain(palette.skin(rng))
    top = clothes.patterned(rng)
    legs = clothes.patterned(rng) if rng.random() < 0.45 else _simple(rng)
    sleeve = clothes.rows(top, skin, 0.85) if rng.random() < 0.7 else skin
    shin = clothes.rows(legs, _simple(rng), 0.8) if rng.random() < 0.75 else skin
    face = clothes.head(rng, skin[0, 0], palette.hair(rng))
    broad, loose = rng.uniform(0.95, 1.2), rng.uniform(1.0, 1.3)
    leg = broad * loose
    torso = np.array([0.098, 0.092, 0.096, 0.112, 0.118]) * broad * rng.uniform(0.98, 1.12)
    skull = np.array([0.036, 0.055, 0.06, 0.058, 0.05])
    limbs = [
        _limb("hip", "neck", gait.TORSO, torso, 0.62, 0.06, top),
        _limb("neck", "crown", gait.HEAD, skull, 1.1, 0.03, face),
    ]
    shoe = _simple(rng)
    thigh, calf, foot = ([0.056, 0.043], [0.042, 0.029], [0.03, 0.022])
    upper, lower = ([0.042, 0.033], [0.032, 0.024])
    for side in gait.SIDES:
        limbs += [
            _round(side, "hip", "knee", gait.THIGH, thigh, leg, legs),
            _round(side, "knee", "ankle", gait.SHIN, calf, leg, shin),
            _round(side, "ankle", "toe", gait.FOOT, foot, 1.0, shoe),
            _round(side, "shoulder", "elbow", gait.UPPER_ARM, upper, loose, top),
            _round(side, "elbow", "hand", gait.FOREARM, lower, loose, sleeve),
        ]
    habit = Habit(*rng.uniform([0.7, 0.8, 0.7, -0.02, 0.08], [1.4, 1.3, 1.6, 0.1, 0.3]))
    return Person(tuple(limbs), habit, float(rng.uniform(0.93, 1.06)))


def draw(
    canvas: Image,
    cover: Field,
    who: Person,
    pose: dict[str, gait.Joint],
    heading: float,
    place: NDArray[np.float64],
) -> None:
    """Draw `who` over `canvas` (H, W, 3) and onto the coverage `cover` (H, W), both in place.

    `heading` in radians: 0 to the right, pi/2 away from the camera. `place` (2, 3) takes (right,
    up, 1), in body heights from the point where the person stands, to canvas px.
    """
    right = {name: j[0] * np.cos(heading) - j[1] * np.sin(heading) for name, j in pose.items()}
    away = {name: j[0] * np.sin(heading) + j[1] * np.cos(heading) for name, j in pose.items()}
    seen = {
        name: place @ np.array([right[name], j[2] + TILT * away[name], 1])
        for name, j in pose.items()
    }
    scale = float(np.hypot(*place[:, 1]))  # px per body height
    far_first = sorted(
        who.limbs, key=lambda limb: limb.nearer - (away[limb.start] + away[limb.end]) / 2
    )
    for limb in far_first:
        _blend(canvas, cover, limb, heading, seen[limb.start], seen[limb.end], scale)


def _round(
    side: str, start: str, end: str, length: float, halves: list[float], factor: float, cloth: Image
) -> Limb:
    """A limb of one side of the body, as deep as it is wide; its half widths times `factor`."""
    widths = factor * np.array(halves)
    return _limb(f"{side}_{start}", f"{side}_{end}", length, widths, 1.0, 0.0, cloth)


def _limb(
    start: str,
    end: str,
    length: float,
    halves: NDArray[np.float64],
    flatness: float,
    nearer: float,
    cloth: Image,
) -> Limb:
    """A limb whose half widths (body heights) follow `halves`, with rounded ends."""
    # A flat limb (the torso) has shallow ends: shoulders, not a balloon.
    cap_start, cap_end = halves[0] * min(1, flatness) ** 2, halves[-1] * min(1, flatness) ** 2
    before, after = round(cap_start * DETAIL) + 1, round(cap_end * DETAIL) + 1
    along = np.arange(-before, round(length * DETAIL) + after) / DETAIL
    half = np.interp(along / length, np.linspace(0, 1, len(halves)), halves)
    past = np.maximum(-along / cap_start, (along - length) / cap_end)
    half *= np.sqrt(np.clip(1 - np.clip(past, 0, 1) ** 2, 1e-6, 1))
    columns = round(halves.max() * DETAIL) + 2
    across = np.arange(-columns, columns + 1)[None, :] / DETAIL
    turn = np.arcsin(np.clip(across / half[:, None], -1, 1))
    cover = np.clip((half[:, None] - np.abs(across)) * DETAIL / 1.5 + 0.5, 0, 1)
    row = np.clip(along / length * clothes.SWATCH[0], 0, clothes.SWATCH[0] - 1).astype(np.intp)
    return Limb(
        start,
        end,
        length,
        flatness,
        nearer,
        cloth,
        before,
        row[:, None],
        turn.astype(np.float32),
        cover.astype(np.float32),
    )


def _blend(
    canvas: Image,
    cover: Field,
    limb: Limb,
    heading: float,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    scale: float,
) -> None:
    """Paint one limb, from `start` to `end` (2,) canvas px, within the box that it touches."""
    span = end - start
    length = float(np.hypot(*span))
    axis = span / length if length > 1e-3 else np.array([0.0, 1.0])
    # A limb that points at the camera still shows its round end.
    stretch = max(length / (limb.length * scale), 0.35) * scale / DETAIL
    turned = np.hypot(np.sin(heading), limb.flatness * np.cos(heading))
    widen = turned * scale / DETAIL
    side = np.array([axis[1], -axis[0]]) if axis[1] > 0 else np.array([-axis[1], axis[0]])
    matrix = np.stack([side * widen, axis * stretch], axis=1)
    rows, columns = limb.cover.shape
    offset = start - matrix @ np.array([columns // 2, limb.cap])
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows]])
    reached = matrix @ corners + offset[:, None]
    low = np.maximum(np.floor(reached.min(axis=1)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(reached.max(axis=1)).astype(int) + 2, canvas.shape[1::-1])
    if np.any(low >= high):
        return
    affine = np.column_stack([matrix, offset - low])
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    painted = cv2.warpAffine(_texture(limb, heading), affine, size, flags=cv2.INTER_LINEAR)
    box = np.s_[low[1] : high[1], low[0] : high[0]]
    opacity = painted[..., 3:]
    canvas[box] = canvas[box] * (1 - opacity) + painted[..., :3]
    cover[box] = 1 - (1 - cover[box]) * (1 - opacity[..., 0])


def _texture(limb: Limb, heading: float) -> NDArray[np.float32]:
    """What of the limb faces the camera (h, w, 4): RGB times opacity, opacity."""
    # Column 0 of the cloth is the body's front; the camera stands at the angle -pi/2.
    around = (limb.turn - heading - np.pi / 2) / (2 * np.pi) * clothes.SWATCH[1]
    colour = limb.cloth[limb.row, around.astype(np.intp) % clothes.SWATCH[1]]
    light = 0.66 + 0.38 * np.cos(limb.turn + 0.5)
    return np.dstack([colour * (light * limb.cover)[..., None], limb.cover])


def _simple(rng: np.random.Generator) -> Image:
    return clothes.folded(rng, clothes.plain(palette.clothes(rng, 1)[0]))
