"""Cloth: small swatches with a pattern, wrapped around a limb by `figure`."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.synthetic import palette
from pipeline.synthetic.palette import Colour
from pipeline.synthetic.texture import Field, Image, fractal

SWATCH = (64, 128)  # rows along the limb from start to end, columns once around it; column 0 front


def plain(colour: Colour) -> Image:
    """One colour (64, 128, 3)."""
    return np.broadcast_to(colour, (*SWATCH, 3)).astype(np.float32)


def patterned(rng: np.random.Generator) -> Image:
    """A garment (64, 128, 3): stripes, checks, patches, blocks, a logo, with folds."""
    ground, figure, third = _contrasting(rng)
    choices = [_stripes, _checks, _patches, _blocks]
    where = choices[rng.integers(len(choices))](rng)[..., None]
    cloth = plain(ground) * (1 - where) + figure * where
    if rng.random() < 0.5:
        _logo(rng, cloth, third)
    return folded(rng, cloth)


def folded(rng: np.random.Generator, cloth: Image) -> Image:
    """The cloth with the soft light and dark of folds."""
    folds = 1 + 0.13 * fractal(rng, SWATCH, (24, 48), octaves=3)[..., None]
    return np.asarray(np.clip(cloth * folds, 0, 1), np.float32)


def rows(upper: Image, lower: Image, share: float) -> Image:
    """`upper` on the first `share` of the limb, `lower` on the rest: sleeves, shorts, socks."""
    cut = round(share * SWATCH[0])
    return np.concatenate([upper[:cut], lower[cut:]])


def head(rng: np.random.Generator, skin: Colour, hair: Colour) -> Image:
    """A head (64, 128, 3), chin in row 0: face in front, hair behind and on top, perhaps a hat."""
    height, around = np.mgrid[0 : SWATCH[0], 0 : SWATCH[1]].astype(np.float32)
    height /= SWATCH[0]
    angle = np.abs((around / SWATCH[1] + 0.5) % 1 - 0.5) * 2 * np.pi  # from the front, radians
    length = rng.uniform(-0.2, 0.5)
    hairline = rng.uniform(0.68, 0.78)
    covered = (height > hairline) | ((angle > 1.35) & (height > length))
    result = np.where(covered[..., None], hair, skin).astype(np.float32)
    eyes = (np.abs(angle - 0.4) < 0.16) & (np.abs(height - 0.52) < 0.05)
    result[eyes] = skin * 0.3
    result[(angle < 0.3) & (np.abs(height - 0.22) < 0.03)] = skin * [0.75, 0.55, 0.55]
    if rng.random() < 0.4:
        result[height > hairline - 0.04] = palette.clothes(rng, 1)[0]
    return result


def _contrasting(rng: np.random.Generator) -> palette.Palette:
    """Three colours, the first two of them well apart, as cloth patterns are."""
    colours = palette.clothes(rng, 3)
    for _ in range(8):
        if np.abs(colours[0] - colours[1]).mean() > 0.2:
            break
        colours = palette.clothes(rng, 3)
    return colours


def _wave(position: Field, count: float) -> Field:
    """A square wave, 0 or 1, with edges two samples soft."""
    return np.asarray(np.clip(0.5 + 3 * np.sin(2 * np.pi * count * position), 0, 1), np.float32)


def _grid() -> tuple[Field, Field]:
    along, around = np.mgrid[0 : SWATCH[0], 0 : SWATCH[1]].astype(np.float32)
    return along / SWATCH[0], around / SWATCH[1]


def _stripes(rng: np.random.Generator) -> Field:
    along, around = _grid()
    if rng.random() < 0.6:
        return _wave(along, rng.uniform(2, 4.5))
    return _wave(around, float(rng.integers(5, 9)))


def _checks(rng: np.random.Generator) -> Field:
    along, around = _grid()
    count = int(rng.integers(3, 5))
    return np.asarray(np.abs(_wave(along, count) - _wave(around, 2.0 * count)), np.float32)


def _patches(rng: np.random.Generator) -> Field:
    noise = fractal(rng, SWATCH, (rng.uniform(16, 28), rng.uniform(20, 36)), octaves=2)
    return np.asarray(np.clip(0.5 + 6 * noise, 0, 1), np.float32)


def _blocks(rng: np.random.Generator) -> Field:
    along, _ = _grid()
    first, width = rng.uniform(0.2, 0.6), rng.uniform(0.12, 0.4)
    return np.asarray((along > first) & (along < first + width), np.float32)


def _logo(rng: np.random.Generator, cloth: Image, colour: Colour) -> None:
    """A bold shape on the chest and another on the back."""
    for column in (0, SWATCH[1] // 2):
        shape = np.zeros(SWATCH, np.uint8)
        middle = (SWATCH[1] // 2, int(rng.integers(34, 48)))
        axes = (int(rng.integers(5, 12)), int(rng.integers(5, 11)))
        if rng.random() < 0.5:
            cv2.ellipse(shape, middle, axes, 0, 0, 360, 255, -1)
        else:
            low, high = np.subtract(middle, axes).tolist(), np.add(middle, axes).tolist()
            cv2.rectangle(shape, low, high, 255, -1)
        cloth[np.roll(shape, column - SWATCH[1] // 2, axis=1) > 0] = colour
