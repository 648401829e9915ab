"""The places: each a panorama that all its clips look at, through cameras of their own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic import scenery as put
from pipeline.synthetic.palette import family
from pipeline.synthetic.scenery import Canvas
from pipeline.synthetic.seeds import generator
from pipeline.synthetic.texture import Image

WIDTH, HEIGHT = 1200, 640  # px of a panorama; a view at zoom 1 is VIEW px high, whatever its size
VIEW = 192
HORIZON = 330
WALK = (395, 545)  # rows between which people set their feet
STATURE = 115.0  # px of an average person half-way between them


def stature_at(foot: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height in px of an average person whose feet are at rows `foot`: the far ones are smaller."""
    middle, span = (WALK[0] + WALK[1]) / 2, WALK[1] - WALK[0]
    return STATURE * (1 + 0.24 * (foot - middle) / span)


@lru_cache(maxsize=4)
def panorama(location: str, seed: int) -> NDArray[np.uint8]:
    """The panorama (640, 1200, 3) RGB of one location."""
    canvas = Canvas(generator(seed, "location", location), HEIGHT, WIDTH)
    LOCATIONS[location](canvas)
    image: NDArray[np.uint8] = np.clip(canvas.image * 255 + 0.5, 0, 255).astype(np.uint8)
    image.flags.writeable = False  # it is shared by every clip of this process
    return image


def _painted(canvas: Canvas, accent: int) -> Image:
    """A surface in one of the accent colours, weathered."""
    colour = family("accent")[accent]
    return canvas.surface(np.stack([0.8 * colour, colour]), (40, 40))


def _people(canvas: Canvas, *spots: tuple[float, float]) -> None:
    for x, foot in spots:
        height = float(stature_at(np.array([foot]))[0])
        put.bystander(canvas, x, foot, height * canvas.rng.uniform(0.93, 1.06))


def _slope(canvas: Canvas) -> None:
    """A mountain pasture: ridges, firs, a hut, a few gates and boulders."""
    rng = canvas.rng
    put.sky(canvas, family("sky"), HORIZON)
    put.ridge(canvas, np.concatenate([family("stone"), family("water")[2:]]), 215, 60, 330)
    put.ridge(canvas, np.concatenate([family("meadow")[:3], family("foliage")]), 275, 28, 240)
    put.ground(canvas, family("meadow"), HORIZON - 20)
    firs = canvas.surface(family("foliage"), (26, 22))
    for x in (60, 130, 210, 470, 545, 860, 905, 1090, 1150):
        put.conifer(canvas, x + rng.uniform(-15, 15), 345, rng.uniform(90, 150), firs)
    wood = canvas.surface(family("wood"), (12, 90))
    put.box(canvas, 640, 372, 150, 66, wood)
    put.gable(canvas, 640, 308, 150, 46, canvas.surface(family("brick"), (14, 60)))
    put.box(canvas, 700, 372, 30, 46, canvas.surface(family("wood")[:2], (12, 50)))
    put.fence(canvas, 270, 398, 184, 34, wood)
    stone = canvas.surface(family("stone"), (30, 40))
    for x, foot, size in ((180, 460, 26), (590, 432, 18), (1010, 490, 32)):
        put.rock(canvas, x, foot, size, stone)
    for x, colour in ((420, 0), (475, 0), (905, 1), (960, 1)):
        put.post(canvas, x, 440, 74, 6, _painted(canvas, colour))
    _people(canvas, (345, 425), (780, 500))


def _yard(canvas: Canvas) -> None:
    """A paved yard before a brick building, with a hedge, trees, a lamp and a bench."""
    put.sky(canvas, family("sky"), HORIZON)
    put.ridge(canvas, family("foliage"), 300, 24, 130)
    brick, plaster = family("brick"), np.concatenate([family("stone")[2:], family("brick")[3:]])
    put.box(canvas, 90, 362, 470, 240, canvas.surface(brick, (40, 110), 0.6))
    put.box(canvas, 560, 362, 300, 190, canvas.surface(plaster, (60, 120), 0.7))
    put.gable(canvas, 560, 174, 300, 60, canvas.surface(family("wood"), (16, 80)))
    glass = canvas.surface(family("water"), (50, 40))
    frame = canvas.surface(family("sky"), (40, 40))
    for x in (125, 215, 395, 485, 600, 690, 780):
        for foot in (214, 302):
            put.box(canvas, x - 4, foot + 4, 52, 68, frame)
            put.box(canvas, x, foot, 44, 60, glass)
    put.ground(canvas, family("stone"), HORIZON + 30, tiles=0.8, contrast=0.75)
    put.box(canvas, 300, 364, 56, 104, _painted(canvas, 1))
    put.box(canvas, 860, 384, 340, 62, canvas.surface(family("foliage"), (18, 24)))
    bark = canvas.surface(family("wood"), (60, 12))
    leaves = canvas.surface(family("foliage"), (28, 30))
    for x, foot, height in ((60, 392, 210), (585, 400, 180), (1010, 396, 220)):
        put.tree(canvas, x, foot, height, bark, leaves)
    wood = canvas.surface(family("wood"), (10, 70))
    put.box(canvas, 430, 392, 92, 14, wood)
    put.box(canvas, 430, 412, 92, 9, wood)
    for x in (440, 512):
        put.post(canvas, x, 424, 16, 6, wood)
    put.post(canvas, 735, 428, 190, 7, canvas.surface(family("stone")[:2], (30, 30)))
    put.fence(canvas, 880, 436, 138, 40, _painted(canvas, 3))
    _people(canvas, (255, 430), (830, 478), (1080, 520))


def _shore(canvas: Canvas) -> None:
    """A beach: sea, dunes, two huts and a boat."""
    put.sky(canvas, family("sky"), HORIZON)
    put.ground(canvas, family("water"), 268, contrast=0.5)
    sand = np.concatenate([family("wood")[2:], family("meadow")[3:], family("brick")[3:]])
    put.ground(canvas, sand, HORIZON + 18, contrast=1.0)
    for x, colour in ((300, 0), (720, 2)):
        put.box(canvas, x, 384, 84, 74, _painted(canvas, colour))
        put.gable(canvas, x, 312, 84, 30, canvas.surface(family("wood"), (12, 60)))
    wood = canvas.surface(family("wood"), (8, 60))
    canvas.fill([(480, 402), (500, 432), (600, 432), (625, 396)], wood)
    put.fence(canvas, 850, 410, 184, 36, wood)
    _people(canvas, (430, 460), (905, 440))


LOCATIONS = {"slope": _slope, "yard": _yard, "shore": _shore}
