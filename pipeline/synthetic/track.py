"""Where a subject is, which way it faces and how it moves, over the time of one clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.gait import Gait
from pipeline.synthetic.location import WALK, WIDTH, stature_at
from pipeline.synthetic.seeds import generator
from pipeline.synthetic.signals import Series, Wander, step

STEPS = 8  # track points a frame
MARGIN = 3  # frames tracked before the first and after the last, for the shutter and the camera
DEPTH = 0.3  # image rows that a walk away from the camera rises, per px walked
_EDGE = 290  # px that a track keeps from the panorama's ends, so that a view fits


@dataclass(frozen=True)
class Track:
    """A subject's way; every array is (T,) over `times` in frames."""

    times: Series
    x: Series  # px in the panorama, of the point on the ground
    y: Series
    heading: Series  # radians: 0 to the right, -pi/2 towards the camera
    height: Series  # px from ground to crown, standing
    speed: Series  # body heights a second
    phase: Series  # of the gait, radians

    def at(self, time: float) -> tuple[float, float, float, float, Gait]:
        """`x, y, heading, height, gait` at one time."""
        x, y, heading, height, speed, phase = (
            float(np.interp(time, self.times, values))
            for values in (self.x, self.y, self.heading, self.height, self.speed, self.phase)
        )
        swing, running = np.clip(speed / 0.55, 0, 1), np.clip((speed - 1.0) / 0.6, 0, 1)
        return x, y, heading, height, Gait(phase, float(swing), float(running))


def track(key: tuple[int, ...], frames: int, fps: int, stature: float) -> Track:
    """The first of the random ways that `key` yields which stays on the ground and gets far."""
    for attempt in range(500):
        rng = generator(*key, "track", attempt)
        way = _attempt(rng, frames, fps, stature)
        inside = way.x.min() > _EDGE and way.x.max() < WIDTH - _EDGE
        grounded = way.y.min() > WALK[0] and way.y.max() < WALK[1]
        far = np.ptp(way.x) > 0.55 * way.height.mean() * min(1.0, frames / 30)
        if inside and grounded and far:
            return way
    raise RuntimeError(f"no way found for {key}: {frames} frames are too many for the ground")


def _attempt(rng: np.random.Generator, frames: int, fps: int, stature: float) -> Track:
    times = np.arange(-MARGIN * STEPS, (frames + MARGIN) * STEPS) / STEPS
    heading, slow = _course(rng, times, frames)
    pace = np.exp(rng.uniform(np.log(0.28), np.log(1.4)))  # body heights a second: stroll to run
    speed = pace * slow * np.maximum(1 + 0.45 * Wander(rng, 14)(times), 0)
    x, y = np.empty_like(times), np.empty_like(times)
    x[0], y[0] = rng.uniform(_EDGE, WIDTH - _EDGE), rng.uniform(*WALK)
    for i in range(1, len(times)):
        stride = speed[i] * stature_at(y[i - 1 : i])[0] * stature / (fps * STEPS)
        x[i] = x[i - 1] + stride * np.cos(heading[i])
        y[i] = y[i - 1] - stride * DEPTH * np.sin(heading[i])
    # Runners take longer steps: two of them cover 0.8 body heights at a walk, 1.3 at a run.
    cycles = speed / np.interp(speed, [0.4, 1.5], [0.7, 1.3]) / (fps * STEPS)
    phase = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(cycles)
    return Track(times, x, y, heading, stature_at(y) * stature, speed, phase)


def _course(rng: np.random.Generator, times: Series, frames: int) -> tuple[Series, Series]:
    """Heading, and a factor on the speed: turns to face the other way, and brief stops."""
    base = rng.choice([0.0, -np.pi]) + rng.uniform(-0.45, 0.45)
    heading = base + 0.35 * Wander(rng, 30)(times)
    slow = np.ones_like(times)
    if rng.random() < 0.4:
        start, length = rng.uniform(0.3, 0.7) * frames, rng.uniform(6, 10)
        # Mostly by way of facing the camera, sometimes of showing the back.
        towards = 1.0 if np.cos(base) < 0 else -1.0
        around = np.pi * towards * (1 if rng.random() < 0.75 else -1)
        heading = heading + around * step(times, start, length)
        slow = slow - 0.55 * _bump(times, start, length)
    # Who only ever moves can be segmented by optical flow; people pause.
    if rng.random() < 0.85:
        pause = _bump(times, rng.uniform(0.1, 0.7) * frames, rng.uniform(7, 12))
        slow = slow * (1 - 0.97 * pause)
    return heading, slow


def _bump(times: Series, start: float, length: float) -> Series:
    """1 between `start` and `start + length`, with smooth flanks of three frames."""
    return step(times, start - 1.5, 3) * (1 - step(times, start + length - 1.5, 3))
