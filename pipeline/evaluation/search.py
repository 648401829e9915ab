"""The search for a calibration: J of every candidate threshold, CRF setting and blob.

J is that against the ground truth of validation frames, or, where there is none, the overlap with
what moves (`motion_searches`). Two passes over the frames: cheap candidates first, then those with
CRF. J is averaged over a video's frames here, and over videos by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.crf import CrfSetting, DenseCrf
from models.segmentation_metrics import THRESHOLDS, region_similarities, region_similarity
from models.soft_mask import centred
from pipeline.evaluation.collect import FrameResult, VideoResult, read_frames
from pipeline.evaluation.scores import at_size_of, blob, hard_at_size_of, refined
from pipeline.frame_pool import in_order, processes_for
from pipeline.pool import Advance

CRF_THRESHOLDS: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Under CRF: often lower than without, since it removes what stands alone, but it may also fill."""
BLOB_CRF_THRESHOLDS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Of the control under CRF, over the range that the masks have; its scale is the finer choice."""
BLOB_CRF_FRAMES = 60
"""So many frames, or one of each video, choose the control's scale, threshold and setting."""

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]
REFUSED = -1.0
"""In J's place where a threshold lies in what a CRF setting clips: below any J, so never best."""


@dataclass(frozen=True)
class Search:
    """One video's part of the search; a job of the pool.

    Attributes:
        result: the video.
        frames: those looked at; where `moving_px` is None, they have ground truth.
        scales: candidates for the control's ellipse; none where nothing will be compared with it.
        flow_thresholds: candidates, px, ascending.
        moving_px: residual flow above it stands for the ground truth; None: the truth itself.
    """

    result: VideoResult
    frames: tuple[int, ...]
    scales: tuple[float, ...]
    flow_thresholds: tuple[float, ...]
    moving_px: float | None = None

    @property
    def video(self) -> str:
        """Name of the video."""
        return self.result.video

    @property
    def size(self) -> int:
        """Frames looked at."""
        return len(self.frames)


@dataclass(frozen=True)
class CrfSearch:
    """The second pass: CRF settings, each with its own thresholds.

    Masks come centred on `threshold`, which the first pass chose; the control's do not need it.
    """

    search: Search
    blob_frames: frozenset[int]
    settings: tuple[CrfSetting, ...]
    iterations: int
    threshold: float
    crf_thresholds: tuple[float, ...] = CRF_THRESHOLDS

    @property
    def video(self) -> str:
        """Name of the video."""
        return self.search.video

    @property
    def size(self) -> int:
        """Frames looked at."""
        return self.search.size


def spread(total: int, count: int) -> tuple[int, ...]:
    """At most `count` of `total` positions, spread evenly.

    >>> spread(10, 2), spread(2, 5)
    ((2, 7), (0, 1))
    """
    count = min(count, total)
    return tuple(int((index + 0.5) * total / count) for index in range(count))


def without_crf(search: Search, advance: Advance) -> tuple[Scores, Scores, Scores]:
    """Mean J of one video's frames without CRF, for each candidate.

    Returns:
        of the soft mask `(T,)` at every threshold; of the control `(S, T)` at every scale and
        threshold; of the flow `(K,)` at every threshold.
    """
    soft, control, flow = [], [], []
    for frame, truth in _frames(search):
        soft.append(region_similarities(at_size_of(frame.soft, truth), truth, THRESHOLDS))
        control.append(
            [
                region_similarities(at_size_of(blob(frame, scale), truth), truth, THRESHOLDS)
                for scale in search.scales
            ]
        )
        speed = at_size_of(frame.speed, truth)
        flow.append(region_similarities(speed, truth, search.flow_thresholds))
        advance(1)
    return np.mean(soft, axis=0), np.mean(control, axis=0), np.mean(flow, axis=0)


def with_crf(job: CrfSearch, advance: Advance) -> tuple[Scores, Scores]:
    """Mean J of one video's frames with CRF, for each candidate.

    Returns:
        of the soft mask `(C, T)` for every setting and each of its thresholds; of the
        control `(C, S, U)` for every setting, scale and threshold of `BLOB_CRF_THRESHOLDS`.
    """
    masks, control = [], []
    # Each threshold is a CRF of its own: what a frame of refine_masks costs.
    processes = processes_for(job.size * len(job.crf_thresholds))
    parts = in_order(partial(_under_crf, job), _frames(job.search), processes, job.video)
    for of_mask, of_control in parts:
        masks.append(of_mask)
        if of_control is not None:
            control.append(of_control)
        advance(1)
    return np.mean(masks, axis=0), np.mean(control, axis=0)


def _under_crf(
    job: CrfSearch, looked_at: tuple[FrameResult, Truth]
) -> tuple[Scores, Scores | None]:
    """J of one frame, as `with_crf` returns it; None where the control is not looked at."""
    frame, truth = looked_at
    fields = [DenseCrf(frame.image, setting) for setting in job.settings]
    soft = centred(frame.soft, job.threshold)
    of_mask = np.array([_js(crf, [soft], job.crf_thresholds, job, truth)[0] for crf in fields])
    if frame.number not in job.blob_frames:
        return of_mask, None
    blobs = [blob(frame, scale) for scale in job.search.scales]
    return of_mask, np.array([_js(crf, blobs, BLOB_CRF_THRESHOLDS, job, truth) for crf in fields])


def _js(
    crf: DenseCrf,
    softs: Sequence[NDArray[np.float32]],
    thresholds: Sequence[float],
    job: CrfSearch,
    truth: Truth,
) -> list[list[float]]:
    """J of every soft mask at every threshold under one CRF; `REFUSED` where it could not tell."""
    return [
        [
            region_similarity(
                hard_at_size_of(refined(crf, soft, threshold, job.iterations), truth), truth
            )
            if crf.floor < threshold < 1 - crf.floor
            else REFUSED
            for threshold in thresholds
        ]
        for soft in softs
    ]


def _frames(search: Search) -> list[tuple[FrameResult, Truth]]:
    """The frames looked at, with their ground truth or what moves in them."""
    if search.moving_px is not None:
        frames = read_frames(search.result, search.frames, with_truth=False)
        return [(frame, frame.speed > search.moving_px) for frame in frames]
    frames = read_frames(search.result, search.frames)
    return [(frame, frame.truth) for frame in frames if frame.truth is not None]
