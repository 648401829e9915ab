"""How a body stands and moves: joint positions from a gait phase, 3-D, in body heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Joint = NDArray[np.float64]  # (3,) forward, left, up; body heights above the ground point
SIDES = {"left": 1.0, "right": -1.0}
THIGH, SHIN, TORSO, HEAD, UPPER_ARM, FOREARM, FOOT = 0.245, 0.235, 0.31, 0.15, 0.165, 0.165, 0.085


@dataclass(frozen=True)
class Gait:
    """One moment of a movement: `phase` radians, `swing` 0 (standing) to 1, `running` 0 to 1."""

    phase: float
    swing: float
    running: float


@dataclass(frozen=True)
class Habit:
    """What is a person's own in the way of moving; factors about 1, `lean` in radians."""

    arms: float
    knees: float
    elbows: float
    lean: float
    spread: float


def joints(gait: Gait, habit: Habit) -> dict[str, Joint]:
    """All joints of a body whose lower foot touches the ground (both leave it in a run)."""
    hip = np.zeros(3)
    found: dict[str, Joint] = {"hip": hip}
    lean = habit.lean + 0.22 * gait.running * gait.swing
    found["neck"] = hip + TORSO * _direction(np.pi - lean)
    found["crown"] = found["neck"] + HEAD * _direction(np.pi - 0.4 * lean)
    for side, sign in SIDES.items():
        phase = gait.phase + (0 if side == "left" else np.pi)
        _leg(found, side, sign, phase, gait, habit)
        _arm(found, side, sign, phase, gait, habit)
    lowest = min(found[f"{side}_{joint}"][2] for side in SIDES for joint in ("toe", "ankle"))
    bounce = 0.035 * gait.running * gait.swing * abs(np.sin(gait.phase))
    lift = np.array([0, 0, 0.015 - lowest + bounce])
    return {name: position + lift for name, position in found.items()}


def _leg(
    found: dict[str, Joint], side: str, sign: float, phase: float, gait: Gait, habit: Habit
) -> None:
    reach = (0.46 + 0.28 * gait.running) * gait.swing
    thigh = reach * np.sin(phase) + 0.12 * gait.running * gait.swing
    # The knee folds while the leg swings forward, that is while the thigh's angle grows.
    fold = habit.knees * (0.85 + 0.75 * gait.running) * max(0.0, np.cos(phase)) ** 1.5
    shin = thigh - 0.06 - fold * gait.swing
    root = found["hip"] + np.array([0, sign * 0.055, 0])
    knee = root + THIGH * _direction(thigh, sign * 0.03)
    ankle = knee + SHIN * _direction(shin)
    found[f"{side}_hip"], found[f"{side}_knee"], found[f"{side}_ankle"] = root, knee, ankle
    found[f"{side}_toe"] = ankle + FOOT * _direction(0.55 * shin + 1.35, sign * 0.12)


def _arm(
    found: dict[str, Joint], side: str, sign: float, phase: float, gait: Gait, habit: Habit
) -> None:
    upper = -habit.arms * (0.5 + 0.35 * gait.running) * gait.swing * np.sin(phase)
    fold = habit.elbows * (0.25 + 1.15 * gait.running * gait.swing)
    shoulder = found["neck"] + np.array([0, sign * 0.115, -0.03])
    elbow = shoulder + UPPER_ARM * _direction(upper, sign * habit.spread)
    found[f"{side}_shoulder"], found[f"{side}_elbow"] = shoulder, elbow
    found[f"{side}_hand"] = elbow + FOREARM * _direction(upper + fold, sign * 0.5 * habit.spread)


def _direction(angle: float, outward: float = 0.0) -> Joint:
    """A unit vector `angle` forward from straight down, leaning `outward` to the body's left."""
    flat = np.cos(outward)
    return np.array([flat * np.sin(angle), np.sin(outward), -flat * np.cos(angle)])
