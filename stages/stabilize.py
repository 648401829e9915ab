"""Stage `stabilize`: the homography of every pair of frames, and what each camera does.

    python -m stages.stabilize

Reads `artifacts/frames/`, writes `artifacts/stabilize/homographies.parquet`: for every frame t a
row with target t and source t + gap (t - gap at the end). Keypoints are found once per frame, and
those of gap + 1 frames are kept at a time.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, cast

import cv2
import numpy as np

from models.camera import EdgeMotionMeter, camera_verdict
from models.keypoints import KeypointDetector, Keypoints
from models.stabilization import (
    HomographySettings,
    PairHomography,
    estimate_homography,
    unknown_homography,
)
from pipeline.errors import BackdropError
from pipeline.fanout import Job, Unfinished
from pipeline.frames import FrameReader
from pipeline.params.data import Stabilize
from pipeline.params.read import load_section
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.stage import run_stage
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, HOMOGRAPHIES_TABLE, INDEX_TABLE, video_file
from pipeline.store.tables import HOMOGRAPHIES, INDEX, read_table, write_columns

log = logging.getLogger("backdrop")

STATISTICS = ("keypoints", "matches", "inliers", "inlier_ratio", "error_px", "ok", "reason")
LONG_BASELINE = 8  # frames between the pairs that parallax is judged on

Columns = dict[str, list[Any]]  # of the table; rows as dicts would take several times the memory


def main() -> None:
    """Estimate all videos' homographies in parallel and write the table."""
    settings = load_section(Stabilize, "stabilize")
    jobs = _jobs(settings)
    unfinished = Unfinished("stabilize", settings.model_dump())
    unfinished.open()
    tables = {
        job.video: cast("Columns", unfinished.result(job)) for job in jobs if unfinished.has(job)
    }
    left = [job for job in jobs if job.video not in tables]
    with Progress("stabilize", sum(job.size for job in jobs), "frames") as progress:
        progress.resume_at(sum(job.size for job in jobs if job.video in tables))
        tables |= run_jobs(left, partial(_work, unfinished), progress)
    _judge(tables)
    whole = {
        name: [value for job in jobs for value in tables[job.video][name]]
        for name in HOMOGRAPHIES.names
    }
    write_columns(HOMOGRAPHIES_TABLE, whole, HOMOGRAPHIES)
    unfinished.close()


def _jobs(settings: Stabilize) -> list[Job[Stabilize]]:
    jobs = []
    for video, frames in read_table(INDEX_TABLE, INDEX).groupby("video", sort=False):
        path = video_file(FRAMES, str(video))
        if len(frames) < 2 * settings.gap:
            raise BackdropError(
                f"has {len(frames)} frames, pairs {settings.gap} apart need {2 * settings.gap}",
                where=str(video),
                remedy="leave the video out, or lower stabilize.gap",
            )
        jobs.append(Job(str(video), len(frames), file_sha256(path), settings))
    return jobs


def _work(unfinished: Unfinished, job: Job[Stabilize], advance: Advance) -> Columns:
    """In a worker process."""
    with FrameReader(video_file(FRAMES, job.video)) as reader:
        track = Track(reader, job.data)
        for _ in range(reader.count):
            track.advance()
            advance(1)
    columns = track.columns(job.video)
    unfinished.mark(job, columns)
    return columns


@dataclass
class Track:
    """The state of one video while its frames pass by."""

    reader: FrameReader
    settings: Stabilize
    frame: int = 0
    recent: deque[Keypoints] = field(default_factory=deque)
    anchor: Keypoints | None = None
    pairs: dict[tuple[int, int], PairHomography] = field(default_factory=dict)
    long_pairs: list[PairHomography] = field(default_factory=list)
    edges: EdgeMotionMeter = field(default_factory=EdgeMotionMeter)

    def __post_init__(self) -> None:
        settings = self.settings
        self.detector = KeypointDetector(settings.keypoints, settings.contrast, settings.enlarge_to)
        shared = {part.name for part in fields(HomographySettings)}
        self.limits = HomographySettings(**settings.model_dump(include=shared))
        self.size = (self.reader.height, self.reader.width)
        self.cuts = self.reader.cuts

    def advance(self) -> None:
        """Read the next frame and estimate the pairs that it completes."""
        t, gap = self.frame, self.settings.gap
        grey = np.asarray(cv2.cvtColor(self.reader.read(t), cv2.COLOR_RGB2GRAY), np.uint8)
        keypoints = self.detector.detect(grey)
        self.edges.add(grey, new_shot=t in self.cuts)
        self.recent.append(keypoints)
        if t >= gap:
            earlier = self.recent.popleft()
            self.pairs[t - gap, t] = self._estimate(t, keypoints, t - gap, earlier)
            if t >= self.reader.count - gap:
                self.pairs[t, t - gap] = self._estimate(t - gap, earlier, t, keypoints)
        if t % LONG_BASELINE == 0:
            if self.anchor is not None and not self._cut_between(t - LONG_BASELINE, t):
                self.long_pairs.append(
                    estimate_homography(keypoints, self.anchor, self.size, self.limits)
                )
            self.anchor = keypoints
        self.frame += 1

    def columns(self, video: str) -> Columns:
        """The table of the whole video, by target; of a static camera, H is the identity.

        The estimates' jitter of some tenths of a px would else be motion of a still background.
        """
        camera = camera_verdict(self.edges.still, self.long_pairs)
        keys = sorted(self.pairs)
        pairs = [self.pairs[key] for key in keys]
        if camera == "static":
            pairs = [self._still(key, pair) for key, pair in zip(keys, pairs, strict=True)]
        return {
            "video": [video] * len(pairs),
            "source": [source for _, source in keys],
            "target": [target for target, _ in keys],
            **{
                f"h{row}{column}": [float(pair.H[row, column]) for pair in pairs]
                for row in range(3)
                for column in range(3)
            },
            **{name: [getattr(pair, name) for pair in pairs] for name in STATISTICS},
            "camera": [camera] * len(pairs),
        }

    def _estimate(
        self, source: int, source_keypoints: Keypoints, target: int, target_keypoints: Keypoints
    ) -> PairHomography:
        if self._cut_between(source, target):
            return unknown_homography("scene cut", len(source_keypoints))
        return estimate_homography(source_keypoints, target_keypoints, self.size, self.limits)

    def _still(self, key: tuple[int, int], pair: PairHomography) -> PairHomography:
        if self._cut_between(*key):
            return pair
        return replace(pair, H=np.eye(3), error_px=pair.motion_px, reason="")

    def _cut_between(self, a: int, b: int) -> bool:
        return any(min(a, b) < cut <= max(a, b) for cut in self.cuts)


def _judge(tables: Mapping[str, Columns]) -> None:
    """Say per video what was found; stop where no video has a pair to go on with.

    Raises:
        BackdropError: not one pair of one video could be stabilised.
    """
    all_reasons = []
    for video, columns in tables.items():
        reasons = [reason for reason in columns["reason"] if reason]
        good = len(columns["ok"]) - len(reasons)
        message = (
            f"{video}: {columns['camera'][0]} camera, "
            f"{good} of {len(columns['ok'])} pairs stabilised"
        )
        if reasons:
            message += f"; the others not, most often for: {_commonest(reasons)}"
        log.log(logging.INFO if good else logging.WARNING, "%s", message)
        all_reasons += reasons
    if not any(any(columns["ok"]) for columns in tables.values()):
        raise BackdropError(
            f"no pair of frames of any video could be stabilised ({_commonest(all_reasons)})",
            where=", ".join(tables),
            remedy="raise extract_frames.longest_side or lower stabilize.contrast; a textureless "
            "background needs a camera that stands still",
        )


def _commonest(reasons: Sequence[str]) -> str:
    return max(sorted(set(reasons)), key=reasons.count)


if __name__ == "__main__":
    run_stage("stabilize", main)
