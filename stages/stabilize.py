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
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.camera import Camera, EdgeMotionMeter, camera_verdict
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
from pipeline.params import load_section
from pipeline.params.data import Stabilize
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.stage import run_stage
from pipeline.store.digest import file_sha256
from pipeline.store.paths import FRAMES, HOMOGRAPHIES_TABLE, INDEX_TABLE, video_file
from pipeline.store.tables import HOMOGRAPHIES, INDEX, read_table, write_table

log = logging.getLogger("backdrop")

LONG_BASELINE = 8  # frames between the pairs that parallax is judged on

Row = dict[str, Any]


def main() -> None:
    """Estimate all videos' homographies in parallel and write the table."""
    settings = load_section(Stabilize, "stabilize")
    jobs = _jobs(settings)
    unfinished = Unfinished("stabilize", settings.model_dump())
    unfinished.open()
    rows = {
        job.video: cast("list[Row]", unfinished.result(job)) for job in jobs if unfinished.has(job)
    }
    left = [job for job in jobs if job.video not in rows]
    with Progress("stabilize", sum(job.size for job in jobs), "frames") as progress:
        progress.resume_at(sum(job.size for job in jobs if job.video in rows))
        rows |= run_jobs(left, partial(_work, unfinished), progress)
    _judge(rows)
    write_table(HOMOGRAPHIES_TABLE, [row for job in jobs for row in rows[job.video]], HOMOGRAPHIES)
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


def _work(unfinished: Unfinished, job: Job[Stabilize], advance: Advance) -> list[Row]:
    """In a worker process."""
    with FrameReader(video_file(FRAMES, job.video)) as reader:
        track = Track(reader, job.data)
        for _ in range(reader.count):
            track.advance()
            advance(1)
    rows = track.rows(job.video)
    unfinished.mark(job, rows)
    return rows


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
        shared = HomographySettings.__dataclass_fields__
        self.limits = HomographySettings(**settings.model_dump(include=set(shared)))
        self.size = (self.reader.height, self.reader.width)
        self.cuts = np.array(sorted(self.reader.cuts), np.int64)

    def advance(self) -> None:
        """Read the next frame and estimate the pairs that it completes."""
        t, gap = self.frame, self.settings.gap
        grey = np.asarray(cv2.cvtColor(self.reader.read(t), cv2.COLOR_RGB2GRAY), np.uint8)
        keypoints = self.detector.detect(grey)
        self.edges.add(grey, new_shot=t in self.reader.cuts)
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

    def rows(self, video: str) -> list[Row]:
        """The table's rows of the whole video, by target; of a static camera, H is the identity.

        The estimates' jitter of some tenths of a px would else be motion of a still background.
        """
        camera = camera_verdict(self.edges.still, self.long_pairs)
        pairs = self.pairs
        if camera == "static":
            pairs = {key: self._still(*key, pair) for key, pair in pairs.items()}
        return [_row(video, key, pairs[key], camera) for key in sorted(pairs)]

    def _estimate(
        self, source: int, source_keypoints: Keypoints, target: int, target_keypoints: Keypoints
    ) -> PairHomography:
        if self._cut_between(source, target):
            return unknown_homography("scene cut", len(source_keypoints))
        return estimate_homography(source_keypoints, target_keypoints, self.size, self.limits)

    def _still(self, target: int, source: int, pair: PairHomography) -> PairHomography:
        if self._cut_between(source, target):
            return pair
        return replace(pair, H=np.eye(3), error_px=pair.motion_px, reason="")

    def _cut_between(self, a: int, b: int) -> bool:
        return bool(((self.cuts > min(a, b)) & (self.cuts <= max(a, b))).any())


def _row(video: str, key: tuple[int, int], pair: PairHomography, camera: Camera) -> Row:
    H: NDArray[np.float64] = pair.H
    return {
        "video": video,
        "source": key[1],
        "target": key[0],
        **{f"h{row}{column}": float(H[row, column]) for row in range(3) for column in range(3)},
        "keypoints": pair.keypoints,
        "matches": pair.matches,
        "inliers": pair.inliers,
        "inlier_ratio": pair.inlier_ratio,
        "error_px": pair.error_px,
        "ok": pair.ok,
        "reason": pair.reason,
        "camera": camera,
    }


def _judge(rows: Mapping[str, Sequence[Row]]) -> None:
    """Say per video what was found; stop where no video has a pair to go on with.

    Raises:
        BackdropError: not one pair of one video could be stabilised.
    """
    for video, pairs in rows.items():
        good = sum(row["ok"] for row in pairs)
        message = f"{video}: {pairs[0]['camera']} camera, {good} of {len(pairs)} pairs stabilised"
        if good == len(pairs):
            log.info("%s", message)
            continue
        reasons = [row["reason"] for row in pairs if not row["ok"]]
        commonest = max(sorted(set(reasons)), key=reasons.count)
        level = logging.INFO if good else logging.WARNING
        log.log(level, "%s, most often for: %s", message, commonest)
    if not any(row["ok"] for pairs in rows.values() for row in pairs):
        raise BackdropError(
            f"no pair of frames of any video could be stabilised ({commonest})",
            where=", ".join(rows),
            remedy="raise extract_frames.longest_side or lower stabilize.contrast; a textureless "
            "background needs a camera that stands still",
        )


if __name__ == "__main__":
    run_stage("stabilize", main)
