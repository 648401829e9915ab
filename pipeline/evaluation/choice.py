"""The best candidates of a search, as what is chosen."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from models.segmentation_metrics import THRESHOLDS
from models.soft_mask import centred, uncentred
from pipeline.evaluation.calibration import Calibration, crf_setting
from pipeline.evaluation.controls import BlobChoice, Choice, Controls
from pipeline.evaluation.motion import LEAST_OVERLAP
from pipeline.evaluation.search import (
    BLOB_CRF_FRAMES,
    BLOB_CRF_THRESHOLDS,
    CRF_THRESHOLDS,
    CrfSearch,
    Scores,
    Search,
    spread,
    with_crf,
    without_crf,
)
from pipeline.params.results import Calibrate, Crf
from pipeline.pool import run_jobs
from pipeline.progress import Progress

log = logging.getLogger("backdrop")

DEFAULT_BLOB_SCALE, DEFAULT_BLOB_THRESHOLD = 1.0, 0.5
"""The ellipse that touches its box's sides, which is what the built-in data chose without CRF."""
ROUNDING = 1e-6


def chosen(
    searches: Sequence[Search], params: Calibrate, iterations: int, default: tuple[float, float]
) -> Choice | str:
    """The candidates of the highest J, averaged over each video's frames and then over videos.

    Motion may ask more of a pixel than the defaults do, but not less: the flow's outline lies
    outside of the subject's, so that it tells masks that are too large, but would enlarge good
    ones. And a threshold lowered for frames in which much moves finds a subject in empty ones, too.
    Nor does so blurred an outline tell one CRF setting from another: the first one holds.

    Args:
        default: the thresholds without and with CRF that hold where nothing chooses.

    Returns:
        the choice, or in words why there is none and the defaults hold.
    """
    if not searches:
        return "nothing of a subject's size moves" if params.by_motion else "by_motion is off"
    by_motion = searches[0].moving_px is not None
    measure = "overlap with what moves" if by_motion else "validation J"
    with Progress("calibrate without CRF", sum(s.size for s in searches), "frames") as progress:
        results = run_jobs(searches, without_crf, progress)
    if by_motion:
        searches = [search for search in searches if _on_what_moves(search, results[search.video])]
        if not searches:
            return "masks and what moves lie apart"
    kept = [results[search.video] for search in searches]
    J, J_blob, J_flow = (np.mean(part, axis=0) for part in zip(*kept, strict=True))
    least = default[0] if by_motion else 0.0
    thresholds = _not_below(least, THRESHOLDS)
    J = J[len(THRESHOLDS) - len(thresholds) :]
    threshold = thresholds[int(np.argmax(J))] if thresholds else least
    least_crf = _least_under_crf(default, threshold) if by_motion else 0.0
    crf_thresholds = _not_below(least_crf, CRF_THRESHOLDS)
    if not (thresholds and crf_thresholds):
        return "they lie above all candidates"
    crfs = params.crf[:1] if by_motion else params.crf
    J_crf, J_blob_crf = _search_crf(searches, crfs, iterations, threshold, crf_thresholds)
    if min(J.max(), J_crf.max()) <= 0:
        return f"no candidate has any {measure}"
    setting, crf_threshold = _argmax(J_crf)
    (flow_step,) = _argmax(J_flow)
    log.info("calibrate: %s %.3f, with CRF %.3f", measure, J.max(), J_crf.max())
    if not by_motion:
        log.info(
            "calibrate: controls: blob %.3f, with CRF %.3f; flow %.3f",
            *(float(values.max()) for values in (J_blob, J_blob_crf, J_flow)),
        )
    masks = Calibration(
        source="motion" if by_motion else "validation",
        frames=sum(search.size for search in searches),
        threshold=threshold,
        threshold_crf=crf_thresholds[crf_threshold],
        crf=params.crf[setting],
        iterations=iterations,
    )
    controls = Controls(
        blob=_blob_choice(J_blob, J_blob_crf, params, iterations),
        flow_threshold_px=searches[0].flow_thresholds[flow_step],
    )
    return Choice(masks, controls)


def _least_under_crf(default: tuple[float, float], threshold: float) -> float:
    """What is even to the CRF by default, of masks that are centred on another threshold."""
    value = uncentred(np.array([default[1]], np.float32), default[0])
    return float(centred(value, threshold)[0])


def _not_below(default: float, thresholds: tuple[float, ...]) -> tuple[float, ...]:
    """The ascending candidates without those below the default."""
    return tuple(threshold for threshold in thresholds if threshold > default - ROUNDING)


def _on_what_moves(search: Search, scores: tuple[Scores, Scores, Scores]) -> bool:
    """Whether the masks of a video overlap enough with what moves for that to choose."""
    overlap = float(scores[0].max())
    if overlap < LEAST_OVERLAP:
        log.info(
            "calibrate: '%s' is left out: its masks have an overlap of %.3f with what moves",
            search.video,
            overlap,
        )
    return overlap >= LEAST_OVERLAP


def default_blob(params: Calibrate, iterations: int) -> BlobChoice:
    """The control where nothing chooses its form."""
    return BlobChoice(
        scale=DEFAULT_BLOB_SCALE,
        threshold=DEFAULT_BLOB_THRESHOLD,
        scale_crf=DEFAULT_BLOB_SCALE,
        threshold_crf=DEFAULT_BLOB_THRESHOLD,
        crf=params.crf[0],
        iterations=iterations,
    )


def _blob_choice(J: Scores, J_crf: Scores, params: Calibrate, iterations: int) -> BlobChoice:
    """The control's best form of `(S, T)` and, with CRF, of `(C, S, U)`.

    A weak control makes a mask look good: where the best scale is the last of its candidates, a
    better one may lie beyond, and that is said. Without CRF a larger scale is a higher threshold.
    Of no candidates it is the default.
    """
    if not J.size:
        return default_blob(params, iterations)
    scale, threshold = _argmax(J)
    setting, scale_crf, threshold_crf = _argmax(J_crf)
    largest = max(params.blob_scales)
    if len(params.blob_scales) > 1 and params.blob_scales[scale_crf] == largest:
        log.warning(
            "calibrate: the blob with CRF is best at the largest of calibrate.blob_scales, %g; "
            "the control may be better still with larger ones",
            largest,
        )
    return BlobChoice(
        scale=params.blob_scales[scale],
        threshold=THRESHOLDS[threshold],
        scale_crf=params.blob_scales[scale_crf],
        threshold_crf=BLOB_CRF_THRESHOLDS[threshold_crf],
        crf=params.crf[setting],
        iterations=iterations,
    )


def _search_crf(
    searches: Sequence[Search],
    crfs: Sequence[Crf],
    iterations: int,
    threshold: float,
    crf_thresholds: tuple[float, ...],
) -> tuple[Scores, Scores]:
    """J of the CRF's settings and thresholds `(C, T)`, and of the control's `(C, S, U)`."""
    per_video = max(1, BLOB_CRF_FRAMES // len(searches))
    jobs = [
        CrfSearch(
            search,
            frozenset(search.frames[place] for place in spread(search.size, per_video)),
            tuple(crf_setting(crf) for crf in crfs),
            iterations,
            threshold,
            crf_thresholds,
        )
        for search in searches
    ]
    with Progress("calibrate with CRF", sum(job.size for job in jobs), "frames") as progress:
        results = run_jobs(jobs, with_crf, progress)
    J, J_blob = (np.mean(part, axis=0) for part in zip(*results.values(), strict=True))
    return J, J_blob


def _argmax(scores: Scores) -> tuple[int, ...]:
    """Place of the highest score; the first of equal ones."""
    return tuple(int(place) for place in np.unravel_index(np.argmax(scores), scores.shape))
