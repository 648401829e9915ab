"""Fit a preset to the videos at hand: sizes by their aspect, and how many frames to keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pipeline.params.schema import Params

MULTIPLE = 8  # sides of the network's input
LEAST_SIDE, MOST_SIDE = 32, 2048
LEAST_FRAMES = 12  # of one video: fewer show hardly any motion
ENOUGH_FPS = 60.0  # denser ones show next to no motion between the frames of a pair
LEAST_FPS = 5.0  # thinned out further, a subject would jump between two frames


@dataclass(frozen=True)
class Material:
    """One video: size in px as shown upright, frames, frames per second."""

    width: float
    height: float
    frames: int
    fps: float


def aspect(params: Params, video: Material) -> float:
    """Width over height of a video's frames, once they are cropped."""
    _, _, width, height = params.extract_frames.crop or (0.0, 0.0, 1.0, 1.0)
    return video.width * width / (video.height * height)


def network_size(params: Params, videos: Sequence[Material]) -> dict[str, int]:
    """Height and width of the network's input: the preset's area at the videos' middle aspect."""
    area = params.network.height * params.network.width
    middle = median(aspect(params, video) for video in videos)
    return {
        "height": _to_multiple(math.sqrt(area / middle)),
        "width": _to_multiple(math.sqrt(area * middle)),
    }


def thinning(budget: int, videos: Sequence[Material]) -> dict[str, Any]:
    """`stride` and `max_frames` that keep at most about `budget` frames over all videos.

    Every n-th frame is kept as long as that leaves LEAST_FPS; beyond that, videos are cut off. Of
    slow motion about ENOUGH_FPS are kept, if that leaves LEAST_FRAMES of each video.
    """
    total = sum(video.frames for video in videos)
    slowest = min(video.fps for video in videos)
    bearable = max(1, int(slowest / LEAST_FPS))
    shortest = min(video.frames for video in videos)
    needed = max(1, min(round(slowest / ENOUGH_FPS), shortest // LEAST_FRAMES))
    stride = max(needed, min(math.ceil(total / budget), bearable))
    kept = [math.ceil(video.frames / stride) for video in videos]
    return {
        "stride": stride,
        "max_frames": None if sum(kept) <= budget else _cap(budget, kept),
    }


def frames_kept(params: Params, videos: Sequence[Material]) -> list[int]:
    """How many frames `extract_frames` will keep of each video."""
    stride, most = params.extract_frames.stride, params.extract_frames.max_frames
    counts = [math.ceil(video.frames / stride) for video in videos]
    return [count if most is None else min(count, most) for count in counts]


def _cap(budget: int, kept: list[int]) -> int:
    """The largest cap per video that meets the budget: short videos leave their share to long.

    Never below LEAST_FRAMES: with very many videos the budget is exceeded instead.
    """
    left, videos = budget, sorted(kept)
    for index, count in enumerate(videos):
        share = left // (len(videos) - index)
        if count > share:
            return max(share, LEAST_FRAMES)
        left -= count
    return videos[-1]


def _to_multiple(side: float) -> int:
    return min(max(LEAST_SIDE, round(side / MULTIPLE) * MULTIPLE), MOST_SIDE)
