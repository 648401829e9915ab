"""Read a video once: count, measure pairs of frames spread over it, and judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.camera import EdgeMotionMeter
from pipeline.doctor.motion import Motion, measure, shrink
from pipeline.doctor.numbering import number_jumps
from pipeline.doctor.verdict import (
    Subject,
    VideoReport,
    follow_subject,
    judge_a1,
    judge_a2,
    judge_camera,
)
from pipeline.errors import BackdropError
from pipeline.job import Job
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.video.cuts import CutDetector
from pipeline.video.decode import DecodedFrame, damaged
from pipeline.video.folder import folder_images
from pipeline.video.probe import VideoInfo, probe_video, read_header
from pipeline.video.resize import TAKE_OUT, too_small
from pipeline.video.sources import find_videos, video_name

PAIRS = 20
GAP_S = 0.2  # s between the frames of a pair: long enough for parallax, short enough to match
BLACK = 8  # levels


class Watcher:
    """Sees every frame of a video once; keeps only the pairs it still waits for.

    Args:
        expected: frames announced, to spread the pairs.
        fps: frames per second.
    """

    def __init__(self, expected: int, fps: float, advance: Advance) -> None:
        self.gap = min(max(1, round(GAP_S * fps)), max(expected - 1, 1))
        last = max(expected - 1 - self.gap, 0)
        self.starts = {int(start) for start in np.linspace(0, last, PAIRS)}
        self.waiting: dict[int, NDArray[np.uint8]] = {}
        self.motions: list[Motion] = []
        self.cuts: list[int] = []
        self.shots = [EdgeMotionMeter()]
        self.brightest = 0
        self.detector, self.advance = CutDetector(), advance

    def see(self, frame: DecodedFrame) -> None:
        """Take one frame."""
        self.advance(1)
        if self.detector.begins_shot(frame.image):
            self.cuts.append(frame.index)
            self.shots.append(EdgeMotionMeter())
            self.waiting.clear()  # pairs across a cut mean nothing
        if frame.index in self.starts or frame.index - self.gap in self.waiting:
            small = shrink(frame.image)
            self.brightest = max(self.brightest, int(small.max()))
            first = self.waiting.pop(frame.index - self.gap, None)
            if first is not None:
                self.motions.append(measure(frame.index - self.gap, first, small))
            if frame.index in self.starts:
                self.waiting[frame.index] = small
                self.shots[-1].add(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8))


def examine(path: Path, advance: Advance | None = None) -> VideoReport:
    """Decode all of `path`, a video file or folder of frames, and judge it; raises nothing."""
    name = video_name(path)
    try:
        header = read_header(path)
        watcher = Watcher(header.expected_frames, header.fps, advance or _silent)
        info = probe_video(path, watcher.see)
    except BackdropError as error:
        return VideoReport(name, str(path), problems=(str(error),))
    camera, why = judge_camera(watcher.motions, watcher.shots)
    subject = follow_subject(watcher.motions, watcher.gap)
    return VideoReport(
        video=name,
        path=str(path),
        info=info,
        cuts=tuple(watcher.cuts),
        camera=camera,
        camera_why=why,
        subject=subject,
        a1=judge_a1(subject),
        a2=judge_a2(subject),
        problems=tuple(_problems(info, watcher.brightest)),
        warnings=tuple(_warnings(info, watcher.cuts, camera, subject)),
    )


def examine_paths(paths: Sequence[Path]) -> list[VideoReport]:
    """Examine every video in files, folders of videos and folders of frames, on all cores.

    Raises:
        BackdropError: a path is missing, a folder holds no video, two videos have one name, or
            a worker process died.
    """
    jobs = [Job(source.video, _size(source.path), "", source.path) for source in find_videos(paths)]
    with Progress("doctor", sum(job.size for job in jobs), "frames") as progress:
        reports = run_jobs(jobs, _examine, progress)
    return list(reports.values())


def _examine(job: Job[Path], advance: Advance) -> VideoReport:
    return examine(job.data, advance)


def _size(path: Path) -> int:
    """Frames announced; a file that cannot be opened is reported later, with the others."""
    try:
        return read_header(path).expected_frames
    except BackdropError:
        return 1


def _silent(count: int) -> None:
    """Nobody watches."""


def _problems(info: VideoInfo, brightest: int) -> list[str]:
    found = []
    if info.damage.found:
        found.append(str(damaged(info.path, info.damage)))
    if told := too_small(info.width, info.height):
        found.append(f"{told} — {TAKE_OUT}")
    if info.frames < 2:
        found.append("has one frame, and motion needs two — give a longer video")
    if brightest < BLACK:
        found.append(f"is all black (no value above {brightest}) — take it out of the data set")
    return found


def _warnings(
    info: VideoInfo, cuts: Sequence[int], camera: str, subject: Subject | None
) -> list[str]:
    found = []
    if cuts:
        shown = ", ".join(map(str, cuts[:10])) + (", ..." if len(cuts) > 10 else "")
        found.append(f"scene cuts at frames {shown} — better split it into one video per shot")
    jumps = number_jumps(folder_images(info.path)) if info.path.is_dir() else []
    if jumps:
        found.append(
            f"the numbers of its pictures jump in {len(jumps)} place(s), first from {jumps[0][0]} "
            f"to {jumps[0][1]} — if pictures are missing, export them again; if not, better make "
            "it one folder per piece"
        )
    if info.announced_frames not in (None, info.frames) and not info.damage.found:
        found.append(
            f"announces {info.announced_frames} frames, {info.frames} can be decoded — "
            "trimmed videos do this; the decoded ones are used"
        )
    if not info.constant_rate:
        found.append(
            "variable frame rate — fine, but pairs of frames are unevenly spaced; re-encode with "
            "`ffmpeg -i INPUT -fps_mode cfr out.mp4` if the subject seems to jump"
        )
    if info.interlaced:
        found.append(
            "stored interlaced — if moving edges look like combs, make it progressive first: "
            f"`ffmpeg -i {info.path.name} -vf bwdif progressive.mp4`"
        )
    if camera == "translating":
        found.append(
            "parallax — a homography cannot hold near and far still together; expect the flow of "
            "near things to be taken for the subject, and rely more on the RGB objective "
            "(lower train_model.loss.flow)"
        )
    if subject is None:
        found.append("nothing moves against the background — there may be no subject to learn")
    return found
