"""Colours. Backdrop and clothes draw from the same families, so colour alone separates nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]  # (3,) RGB, 0 to 1
Palette = NDArray[np.float32]  # (n, 3) RGB, 0 to 1

_FAMILIES: dict[str, list[tuple[int, int, int]]] = {
    "meadow": [(74, 84, 58), (98, 108, 64), (130, 134, 80), (168, 158, 98), (196, 182, 130)],
    "foliage": [(46, 66, 52), (60, 82, 56), (80, 102, 64), (104, 120, 74)],
    "stone": [(84, 82, 86), (118, 116, 112), (154, 148, 140), (190, 184, 174)],
    "sky": [(112, 140, 172), (150, 176, 204), (196, 208, 218), (226, 222, 212)],
    "wood": [(72, 56, 46), (104, 78, 56), (138, 104, 74), (176, 142, 104)],
    "brick": [(118, 66, 58), (148, 84, 68), (176, 112, 88), (206, 164, 134)],
    "water": [(56, 88, 112), (76, 116, 136), (110, 150, 162), (160, 186, 188)],
    "accent": [(168, 56, 50), (46, 76, 136), (206, 170, 70), (226, 222, 212), (44, 44, 52)],
}
_SKIN = [(232, 194, 166), (206, 160, 128), (164, 116, 86), (112, 76, 58), (84, 58, 46)]
_HAIR = [(36, 30, 30), (70, 48, 36), (120, 82, 50), (176, 142, 92), (128, 122, 118)]


def family(name: str) -> Palette:
    """The colours (n, 3) of one family, dark to light except for the accents."""
    return np.asarray(_FAMILIES[name], np.float32) / np.float32(255)


def clothes(rng: np.random.Generator, count: int) -> Palette:
    """`count` colours (count, 3), each from a random family, slightly off its exact value."""
    names = rng.choice(list(_FAMILIES), count)
    return np.stack([_jitter(rng, rng.choice(family(name))) for name in names])


def skin(rng: np.random.Generator) -> Colour:
    """A skin colour (3,)."""
    return _jitter(rng, rng.choice(np.asarray(_SKIN, np.float32) / 255))


def hair(rng: np.random.Generator) -> Colour:
    """A hair colour (3,)."""
    return _jitter(rng, rng.choice(np.asarray(_HAIR, np.float32) / 255))


def _jitter(rng: np.random.Generator, colour: Colour) -> Colour:
    return np.clip(colour + rng.normal(0, 0.025, 3), 0.02, 0.98).astype(np.float32)
