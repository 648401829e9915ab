"""The camera: a homography from the panorama to the frame, at any time of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic.location import HEIGHT, VIEW, WIDTH
from pipeline.synthetic.seeds import generator
from pipeline.synthetic.signals import Series, Wander
from pipeline.synthetic.track import STEPS, Track

Homography = NDArray[np.float64]  # (3, 3) panorama px to frame px


@dataclass(frozen=True)
class Camera:
    """Where a camera looks; arrays (T,) over the times of the track that it follows."""

    times: Series
    x: Series  # panorama px that the middle of the frame shows
    y: Series
    zoom: Series  # frame heights per VIEW panorama px
    roll: Series  # radians
    tilt: tuple[Series, Series]  # the perspective entries, per px of the panorama
    size: tuple[int, int]  # frame width, height

    def at(self, time: float) -> Homography:
        """The homography at one time."""
        x, y, zoom, roll, tilt_x, tilt_y = (
            float(np.interp(time, self.times, values))
            for values in (self.x, self.y, self.zoom, self.roll, *self.tilt)
        )
        width, height = self.size
        scale = zoom * height / VIEW
        cos, sin = scale * np.cos(roll), scale * np.sin(roll)
        move = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
        bend = np.array([[1, 0, 0], [0, 1, 0], [tilt_x, tilt_y, 1]])
        # The middle of the frame lies between pixels: pixel centres have whole coordinates.
        centre = ((width - 1) / 2, (height - 1) / 2)
        turn = np.array([[cos, -sin, centre[0]], [sin, cos, centre[1]], [0, 0, 1]])
        return np.asarray(turn @ bend @ move, np.float64)


def follow(key: tuple[int, ...], way: Track, size: tuple[int, int]) -> Camera:
    """A camera after the subject, late and off-centre: pan-tilt-zoom or, as often, handheld."""
    rng = generator(*key, "camera")
    times = way.times
    # About the share of the frame's height that the subject takes; its area follows from it.
    share = rng.uniform(0.54, 0.68)
    zoom = np.full_like(times, share * VIEW / way.height.mean())
    handheld = rng.random() < 0.5
    shake = Wander(rng, 9), Wander(rng, 11), Wander(rng, 14)
    zoom *= 1 + (0.03 if handheld else 0.09) * Wander(rng, 34)(times)
    half_width, half_height = VIEW * size[0] / size[1] / 2 / zoom, VIEW / 2 / zoom
    x, y = way.x, way.y - 0.5 * way.height
    room_x, room_y = half_width - 0.27 * way.height, half_height - 0.55 * way.height
    off_x = x - _late(x) + half_width * (rng.uniform(-0.4, 0.4) + 0.7 * Wander(rng, 40)(times))
    off_y = y - _late(y) + room_y * 0.8 * Wander(rng, 40)(times)
    x, y = x - _within(off_x, room_x), y - _within(off_y, room_y)
    if handheld:
        x, y = x + 2.5 * shake[0](times), y + 2.0 * shake[1](times)
    roll = np.radians(1.3 if handheld else 0.6) * shake[2](times)
    margin = 1.06
    x = np.clip(x, half_width * margin, WIDTH - half_width * margin)
    y = np.clip(y, half_height * margin, HEIGHT - half_height * margin)
    tilt = 1.2e-4 * Wander(rng, 30)(times), 1.2e-4 * Wander(rng, 30)(times)
    return Camera(times, x, y, zoom, roll, tilt, size)


def _late(position: Series) -> Series:
    """The position as a slow operator keeps up with it: about five frames behind, and smoother."""
    gain = 1 / (5 * STEPS)
    behind = position.copy()
    for i in range(1, len(position)):
        behind[i] = behind[i - 1] + gain * (position[i] - behind[i - 1])
    return behind


def _within(offset: Series, room: Series) -> Series:
    """`offset` bent smoothly so that it never exceeds `room`, which keeps the subject in view."""
    room = np.maximum(room, 1.0)
    return np.asarray(room * np.tanh(offset / room), np.float64)
