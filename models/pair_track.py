"""All pairs of one video, found while its frames pass by once.

    track = PairTrack(count, cuts, PairSettings(gap=2))
    for grey in frames:
        track.add(look(detector, grey))
    camera, alignments = track.result()   # alignments[source, target]

For every frame t a pair with target t and source t + gap, or t - gap where t + gap lies in another
shot or beyond the end. The views of gap + 1 frames are kept at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from models.alignment import Alignment, View, align, better, chain
from models.camera import STEPS_STILL, Camera, EdgeMotionMeter, moving_camera
from models.stabilization import (
    HomographySettings,
    PairHomography,
    estimate_homography,
    unknown_homography,
)

LONG_BASELINE = 8  # frames between the pairs that the camera is judged on
WEAK_RATIO = 0.5  # of inliers; a direct homography with fewer is compared with the chain


@dataclass(frozen=True)
class PairSettings:
    """Which pairs, and by what.

    Attributes:
        gap: frames between the two of a pair.
        camera: `static`: it stands still in every shot, `auto`: the frames decide.
        chain: whether pairs further apart go over the frames between them; `auto`: where the
            direct way fails, or is weak and leaves more of a difference.
        local: whether pairs get a mesh; `auto`: if the camera translates.
        limits: when a homography counts as found.
    """

    gap: int = 1
    camera: Literal["auto", "static"] = "auto"
    chain: Literal["auto", "never", "always"] = "auto"
    local: Literal["auto", "off", "on"] = "auto"
    limits: HomographySettings = field(default_factory=HomographySettings)


@dataclass
class PairTrack:
    """The state of one video while its frames pass by.

    Attributes:
        count: its frames. cuts: those that begin a new shot.
    """

    count: int
    cuts: Collection[int]
    settings: PairSettings
    views: dict[int, View] = field(default_factory=dict)
    links: dict[tuple[int, int], Alignment] = field(default_factory=dict)
    found: dict[tuple[int, int], Alignment] = field(default_factory=dict)
    long_pairs: list[PairHomography] = field(default_factory=list)
    anchor: tuple[int, View] | None = None
    shots: list[EdgeMotionMeter] = field(default_factory=list)
    frame: int = 0

    def add(self, view: View) -> None:
        """Take the next frame and align the pairs that it completes."""
        t, gap = self.frame, self.settings.gap
        self.views[t] = view
        if not self.shots or t in self.cuts:
            self.shots.append(EdgeMotionMeter())
        self.shots[-1].add(view.grey)
        if t >= gap:
            if self._source_of(t - gap) == t:
                self.found[t, t - gap] = self._align(t, t - gap)
            if self._source_of(t) == t - gap:
                self.found[t - gap, t] = self._align(t - gap, t)
            del self.views[t - gap]
            self.links = {pair: link for pair, link in self.links.items() if min(pair) > t - gap}
        if t % LONG_BASELINE == 0:
            if self.anchor is not None and not self._cut_between(t, self.anchor[0]):
                size = view.grey.shape[0], view.grey.shape[1]
                ends = view.keypoints, self.anchor[1].keypoints
                self.long_pairs.append(estimate_homography(*ends, size, self.settings.limits))
            self.anchor = t, view
        self.frame += 1

    def result(self) -> tuple[Camera, dict[tuple[int, int], Alignment]]:
        """The camera's verdict, and the alignments by (source, target), once all frames passed.

        In a shot in which the camera stands still, H is the identity but where it clearly moved:
        the estimates' jitter of some hundredths of a px would else be motion of a still background.
        """
        shots = self._by_shot()
        known = self.settings.camera == "static"
        rests = [known or self._rests(*shot) for shot in zip(self.shots, shots, strict=True)]
        camera: Camera = "static"
        if not all(rests):
            near = [one.parallax_px for pairs in shots for one in pairs.values()]
            camera = moving_camera(self.long_pairs, near)
        meshes = self.settings.local == "on" or camera == "translating"
        found = {}
        for pairs, rest in zip(shots, rests, strict=True):
            for pair, one in pairs.items():
                kept = one if meshes else replace(one, mesh=None)
                rests_here = known or (rest and not one.moved)
                found[pair] = self._still(pair, one) if rests_here else kept
        return camera, found

    def _by_shot(self) -> list[dict[tuple[int, int], Alignment]]:
        """What was found in each shot, by the pair's target."""
        shots: list[dict[tuple[int, int], Alignment]] = [{} for _ in self.shots]
        starts = sorted(cut for cut in self.cuts if cut)
        for pair, one in self.found.items():
            shots[bisect_right(starts, pair[1])][pair] = one
        return shots

    @staticmethod
    def _rests(edges: EdgeMotionMeter, pairs: Mapping[tuple[int, int], Alignment]) -> bool:
        """Edges of a scene with few of them, or pale ones, say little: its pairs are asked, too."""
        moved = sum(one.moved for one in pairs.values())
        return edges.still and moved <= (1 - STEPS_STILL) * len(pairs)

    def _source_of(self, target: int) -> int:
        """The frame that is brought onto this one."""
        before, after = target - self.settings.gap, target + self.settings.gap
        if after >= self.count:
            return before
        if before < 0 or not self._cut_between(target, after):
            return after
        return after if self._cut_between(before, target) else before

    def _align(self, source: int, target: int) -> Alignment:
        ends = self.views[source], self.views[target]
        if self._cut_between(source, target):
            return Alignment(unknown_homography("scene cut", len(ends[0].keypoints)), "")
        limits, mesh = self.settings.limits, self.settings.local != "off"
        if self.settings.gap == 1 or self.settings.chain == "never":
            return align(*ends, limits, mesh)
        if self.settings.chain == "always":
            return chain(self._links(source, target), *ends, limits, mesh)
        direct = align(*ends, limits, mesh)
        if direct.pair.ok and direct.pair.inlier_ratio >= WEAK_RATIO:
            return direct
        return better(direct, chain(self._links(source, target), *ends, limits, mesh), *ends)

    def _links(self, source: int, target: int) -> list[Alignment]:
        """Alignments from frame to neighbouring frame, each found once."""
        step = 1 if target > source else -1
        links = []
        for here in range(source, target, step):
            pair = here, here + step
            if pair not in self.links:
                views = self.views[here], self.views[here + step]
                self.links[pair] = align(*views, self.settings.limits, mesh=False)
            links.append(self.links[pair])
        return links

    def _still(self, pair: tuple[int, int], one: Alignment) -> Alignment:
        if self._cut_between(*pair):
            return one
        identity = replace(one.pair, H=np.eye(3), error_px=one.pair.motion_px, reason="")
        return Alignment(identity, "static", parallax_px=0.0)

    def _cut_between(self, a: int, b: int) -> bool:
        return any(min(a, b) < cut <= max(a, b) for cut in self.cuts)
