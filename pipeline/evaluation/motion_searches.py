"""What moves, in place of ground truth, to choose thresholds by.

Soft masks come out too wide or too narrow as a whole, differently from one training to the next.
The residual flow tells how large the subject is: not to the px, but of many frames and thresholds
the one that agrees with it best is near the best (docs/davis.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.collect import VideoResult
from pipeline.evaluation.motion import moving_speed, speed_at
from pipeline.evaluation.search import Search, spread
from pipeline.frames import open_fitting, open_frames
from pipeline.motion_centre import motion_centre
from pipeline.store import paths
from pipeline.store.hdf5 import FLOW

FRAMES = 32
"""Looked at over all videos, but one of each at least."""
EXAMINED = 4
"""Frames whose flow is examined for one that is looked at."""
MOST = 2.0
"""What moves in a frame, over the median of that half: more is not the subject alone."""


def motion_searches(
    videos: Sequence[VideoResult], scales: tuple[float, ...], flow_threshold: float
) -> list[Search]:
    """The search over each video in which something of a subject's size moves.

    Args:
        scales: of the control, see `Search`.
        flow_threshold: of the flow control, px; nothing can choose it here.
    """
    count = max(1, FRAMES // max(1, len(videos)))
    searches = []
    for video in videos:
        frames, moving_px = _in_motion(video, count)
        if frames:
            searches.append(Search(video, frames, scales, (flow_threshold,), moving_px))
    return searches


def _in_motion(video: VideoResult, count: int) -> tuple[tuple[int, ...], float]:
    """At most `count` frames in which much moves, evenly spread, and the speed, px, that is motion.

    Of those examined, the half in which more moves: in the others it may be a limb alone, whose
    size says nothing of the mask's. Not those in which far more does: there, something else moves,
    or the stabilisation failed.

    Raises:
        BackdropError: the flow is that of other frames.
    """
    shares = {}
    path = paths.video_file(paths.FLOW, video.video)
    with open_frames(video.video) as reader, open_fitting(path, FLOW, reader) as file:
        moving_px = moving_speed(file)
        for number in spread(video.size, EXAMINED * count):
            speed = speed_at(file, number)
            if not np.isnan(motion_centre(speed, moving_px)).any():
                shares[number] = float((speed > moving_px).mean())
    if not shares:
        return (), moving_px
    half = np.median(list(shares.values()))
    usual = np.median([share for share in shares.values() if share >= half])
    much = [number for number, share in shares.items() if half <= share <= MOST * usual]
    return tuple(much[place] for place in spread(len(much), count)), moving_px
