"""Tell from looks at some training frames, without labels, that D and S have collapsed.

Kinds of collapse, each judged only after a grace period and when it lasted for several looks:

- undecided: the entropy of p stays at log C, D prefers no cell;
- at a limit: both sides of nearly every box are the smallest or the largest allowed;
- empty or full: S masks nothing of its window, or all of it;
- frozen: the boxes of all frames are one and the same, though the flow shows that what moves goes
  from place to place. Where the camera keeps the subject in the middle, the flow says so too, and a
  resting box is right. (p being the same for all frames is no sign of its own: one cell whose box
  follows the subject is a fine detector.)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import BackdropError
from pipeline.training.watch import Look, Trail

log = logging.getLogger("backdrop")

GRACE = 0.3
"""Share of the iterations after D's warm-up before which nothing is judged."""
SUSTAINED = 3  # looks in a row
UNDECIDED = 0.95  # entropy of p over log C
AT_LIMIT = 0.95  # share of the frames
EMPTY, FULL = 0.005, 0.98  # mean mask over the window's bump
FROZEN = 0.02  # way of the box centres, share of the image

REMEDIES = {
    "undecided": "more train_model.warmup_iterations, a sharper inpainter or more visible motion",
    "at a limit": "set train_model.detector.scale_min and scale_max around the subject's size",
    "empty": "lower train_model.loss.mask_prior_weight",
    "full": "raise train_model.loss.mask_prior_weight",
    "frozen": "lower train_model.detector.scale_max, or train a sharper inpainter",
}


class CollapseError(BackdropError):
    """The training collapsed; going on is in vain, another seed may do better."""


@dataclass(frozen=True)
class CollapseWatch:
    """Judges the trail of looks of `train_model`.

    Attributes:
        stage: named in the message.
        warmup, iterations: of D alone, and in all.
        subject_moves: whether the flow shows that what moves goes from place to place.
        consequence: `stop` raises, `warn` only says so.
    """

    stage: str
    warmup: int
    iterations: int
    subject_moves: bool
    consequence: Literal["stop", "warn"]

    def __call__(self, trail: Trail) -> None:
        """Judge the trail.

        Raises:
            CollapseError: a collapse is sustained, and `consequence` is `stop`.
        """
        found = self.sustained(trail)
        if not found:
            return
        seen = symptoms(trail[-1], self.subject_moves)
        error = CollapseError(
            f"COLLAPSE at iteration {trail[-1]['iteration']}: "
            f"{'; '.join(seen[kind] for kind in found)}, in the last {SUSTAINED} looks",
            where=self.stage,
            remedy=f"{REMEDIES[found[0]]}; another seed (train_model.restarts) may do; "
            "train_model.watch.collapse: warn trains on all the same",
        )
        if self.consequence == "stop":
            raise error
        if not self.sustained(trail[:-1]):
            log.warning("%s", error)

    def sustained(self, trail: Trail) -> list[str]:
        """The kinds that all of the last looks after the grace period show."""
        judged_from = self.warmup + GRACE * (self.iterations - self.warmup)
        last = [look for look in trail[-SUSTAINED:] if look["iteration"] > judged_from]
        if len(last) < SUSTAINED:
            return []
        kinds = [symptoms(look, self.subject_moves) for look in last]
        return [kind for kind in kinds[-1] if all(kind in shown for shown in kinds)]


def symptoms(look: Look, subject_moves: bool) -> dict[str, str]:
    """Kind of collapse -> what of it is seen, in words; empty for a sound look."""
    seen = {}
    if look["entropy"] > UNDECIDED:
        seen["undecided"] = (
            f"D prefers no cell (entropy of p {look['entropy']:.2f} of its largest value)"
        )
    if look["at_limit"] > AT_LIMIT:
        seen["at a limit"] = f"{look['at_limit']:.0%} of the boxes are at a limit of their size"
    if look["mask_fill"] < EMPTY:
        seen["empty"] = "S masks nothing"
    if look["mask_fill"] > FULL:
        seen["full"] = "S masks all of its window"
    if subject_moves and look["box_way"] < FROZEN:
        seen["frozen"] = (
            f"the boxes of all frames lie within {look['box_way']:.1%} of the image, though the "
            "flow shows a subject that moves"
        )
    return seen
