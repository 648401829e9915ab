"""From pairs of frames to what the camera and the subject do, and to the method's assumptions.

A1: every part of the background is uncovered more often than covered. A2: subject and background
differ in colour or texture. Both can only be made doubtful here, never be proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from models.camera import EdgeMotionMeter
from pipeline.doctor.motion import Motion
from pipeline.video.probe import VideoInfo

Camera = Literal["static", "rotating", "translating", "unknown"]
State = Literal["looks kept", "doubtful", "looks broken", "cannot tell"]

STATIC_SHARE = 0.9  # of the pairs
MIN_FITTED = 0.7  # of the matched points; parallax leaves fewer
MAX_RESTLESS = 0.4  # of the frame; a subject that large, or parallax
MIN_TRAVEL = 1.0  # subject widths; less never uncovers the middle of its path
SURE_TRAVEL = 2.0  # at even speed, more leaves every place uncovered for most of the time
MIN_SEEN = 0.2  # share of the pairs in which something moves
MIN_COLOUR_DISTANCE = 0.2
LARGE = 0.6  # of the frame's width


@dataclass(frozen=True)
class Subject:
    """What moves against the background, in about; lengths in shares of the frame's width."""

    seen: int  # pairs in which something moves
    pairs: int
    width: float
    travel: float  # largest distance between any two of its places in the scene
    colour_distance: float

    @property
    def travel_widths(self) -> float:
        """How far it moves, in its own widths."""
        return self.travel / self.width


@dataclass(frozen=True)
class Assumption:
    """One of A1, A2, and why it is judged so."""

    state: State
    why: str


@dataclass(frozen=True)
class VideoReport:
    """All that `doctor` says about one video.

    `problems` make the video unusable and carry their remedy; `warnings` do not.
    """

    video: str
    path: str
    info: VideoInfo | None = None
    cuts: tuple[int, ...] = ()
    camera: Camera = "unknown"
    camera_why: str = ""
    subject: Subject | None = None
    a1: Assumption = Assumption("cannot tell", "")
    a2: Assumption = Assumption("cannot tell", "")
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def usable(self) -> bool:
        """Whether the pipeline can take it."""
        return not self.problems


def judge_camera(motions: Sequence[Motion], shots: Sequence[EdgeMotionMeter]) -> tuple[Camera, str]:
    """The camera's verdict, and the measurement behind it.

    `shots` have seen the first frames of the pairs: what creeps stands still in every pair.
    """
    if not motions:
        return "unknown", "too few frames to compare"
    steady = sum(motion.steady for motion in motions)
    if steady >= STATIC_SHARE * len(motions):
        if any(shot.drifted for shot in shots):
            return "rotating", "it stands still from frame to frame, but creeps over the shot"
        if not all(shot.same_view(shots[0]) for shot in shots):
            return "unknown", "it stands still, but a cut leads to another view"
        return "static", f"it stands still in {steady} of {len(motions)} pairs of frames"
    moving = [motion for motion in motions if not motion.steady]
    fits = [motion.fitted for motion in moving if not np.isnan(motion.fitted)]
    if len(fits) < len(moving) / 2:
        return "unknown", "it moves, but there is too little texture to tell how"
    fitted = float(np.median(fits))
    restless = float(np.median([motion.restless for motion in moving]))
    why = (
        f"one homography explains {fitted:.0%} of the matched points, "
        f"{restless:.0%} of the frame moves beyond it"
    )
    if fitted < MIN_FITTED or restless > MAX_RESTLESS:
        return "translating", why
    return "rotating", f"{why}: it turns or zooms, or moves too little to matter"


def follow_subject(motions: Sequence[Motion], gap: int) -> Subject | None:
    """Size and travel of what moves; None where nothing does.

    Its places in the scene are those in the frame less the camera's motion, which is summed up
    between the pairs as if its speed changed evenly.
    """
    seen = [index for index, motion in enumerate(motions) if motion.blob]
    if not seen:
        return None
    blobs = [motion.blob for motion in motions if motion.blob]
    frames = np.array([motion.frame for motion in motions], np.float64)
    speed = np.array([motion.drift for motion in motions]) / gap
    steps = (speed[:-1] + speed[1:]) / 2 * np.diff(frames)[:, None]
    camera = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    places = np.array([(blob.x, blob.y) for blob in blobs]) - camera[seen]
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return Subject(
        seen=len(seen),
        pairs=len(motions),
        width=float(np.median([blob.width for blob in blobs])),
        travel=float(distances.max()),
        colour_distance=float(np.median([blob.colour_distance for blob in blobs])),
    )


def judge_a1(subject: Subject | None) -> Assumption:
    """Every part of the background is uncovered more often than covered."""
    if subject is None:
        return Assumption("cannot tell", "nothing moves against the background")
    told = f"the subject travels about {subject.travel_widths:.1f} of its own widths"
    if subject.travel_widths < MIN_TRAVEL:
        why = "what is behind it may never be seen, unless in another video of the place"
        return Assumption("looks broken", f"{told}: {why}")
    if subject.travel_widths < SURE_TRAVEL:
        why = "what is behind it may be hidden most of the time"
        return Assumption("doubtful", f"{told}: {why}")
    if subject.width > LARGE:
        return Assumption("doubtful", f"what moves is {subject.width:.0%} of the frame wide")
    if subject.seen < MIN_SEEN * subject.pairs:
        return Assumption(
            "doubtful",
            f"something moves in {subject.seen} of {subject.pairs} pairs only: the subject is "
            "away, or rests in one place",
        )
    return Assumption("looks kept", told)


def judge_a2(subject: Subject | None) -> Assumption:
    """Subject and background differ in colour or texture; only colour is looked at."""
    if subject is None:
        return Assumption("cannot tell", "nothing moves against the background")
    told = f"colours differ by {subject.colour_distance:.0%} from what is around; a weak check"
    if subject.colour_distance < MIN_COLOUR_DISTANCE:
        return Assumption("doubtful", told)
    return Assumption("looks kept", told)
