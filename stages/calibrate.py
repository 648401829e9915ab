"""Choose on validation frames what cannot be learnt: threshold, CRF setting, and the controls'.

    python -m stages.calibrate model|student

The only place where ground truth chooses anything, and only that of validation videos. Without
any, the defaults hold. Reads predictions, frames and flow; writes
`artifacts/calibrate/calibration.json`, or `artifacts/student/calibrate/calibration.json`. Each
source has controls of its own, in its own boxes. Without self-training there is nothing to do for
the student.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import numpy as np

from models.segmentation_metrics import THRESHOLDS
from pipeline.evaluation.calibration import BlobChoice, Calibration, crf_setting
from pipeline.evaluation.collect import VideoResult, predicted_videos
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
from pipeline.params.read import load_section
from pipeline.params.results import Calibrate, RefineMasks
from pipeline.pool import run_jobs
from pipeline.progress import Progress
from pipeline.self_training import is_off, switch_off, switch_on, wanted_source
from pipeline.stage import run_stage
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.hdf5 import FLOW, open_artifact
from pipeline.store.paths import Source

log = logging.getLogger("backdrop")

FLOW_STEPS = tuple(round(0.1 * step, 1) for step in range(1, 21))
"""Thresholds on residual flow tried, in units of the videos' median flow scale."""
DEFAULT_FLOW_STEP = 0.5
DEFAULT_BLOB_THRESHOLD = 0.5


def main(source: Source) -> None:
    """Choose for the masks of `source`, and for the controls in its boxes."""
    folder = source.calibration_file.parent
    if source is Source.STUDENT and is_off(source.predictions_folder):
        switch_off(folder)
        return
    switch_on(folder)
    params = load_section(Calibrate, "calibrate")
    iterations = load_section(RefineMasks, "refine_masks").iterations
    videos = [video for video in predicted_videos({"val"}, source) if video.masks]
    if videos:
        choice = chosen(videos, params, iterations)
    else:
        log.info("calibrate: no validation video has ground truth; the defaults hold")
        choice = default_choice(source, params, iterations)
    log.info(
        "calibrate: %s: threshold %.2f (%s, %d frames), CRF setting %d of %d",
        source,
        choice.threshold,
        choice.source,
        choice.val_frames,
        params.crf.index(choice.crf) + 1,
        len(params.crf),
    )
    write_json(source.calibration_file, choice.model_dump(mode="json"))


def default_choice(source: Source, params: Calibrate, iterations: int) -> Calibration:
    """What holds without validation ground truth: nothing is chosen."""
    model = source is Source.MODEL
    scale = params.blob_scales[len(params.blob_scales) // 2]
    return Calibration(
        source="default",
        val_frames=0,
        threshold=params.default_threshold if model else params.student_threshold,
        threshold_crf=params.default_threshold_crf if model else params.student_threshold_crf,
        crf=params.crf[0],
        iterations=iterations,
        blob=BlobChoice(
            scale=scale,
            threshold=DEFAULT_BLOB_THRESHOLD,
            scale_crf=scale,
            threshold_crf=DEFAULT_BLOB_THRESHOLD,
            crf=params.crf[0],
        ),
        flow_threshold_px=DEFAULT_FLOW_STEP * flow_scale(predicted_videos(source=source)),
    )


def chosen(videos: Sequence[VideoResult], params: Calibrate, iterations: int) -> Calibration:
    """The candidates of the highest J, averaged over each video's frames and then over videos."""
    scale_px = flow_scale(videos)
    flow_thresholds = tuple(step * scale_px for step in FLOW_STEPS)
    searches = [
        Search(
            video, spread(video.size, params.frames_per_video), params.blob_scales, flow_thresholds
        )
        for video in videos
    ]
    frames = sum(search.size for search in searches)
    with Progress("calibrate without CRF", frames, "frames") as progress:
        results = run_jobs(searches, without_crf, progress)
    J, J_blob, J_flow = (np.mean(part, axis=0) for part in zip(*results.values(), strict=True))
    (best,) = _argmax(J)
    J_crf, J_blob_crf = _search_crf(searches, params, iterations, THRESHOLDS[best])
    setting, crf_threshold = _argmax(J_crf)
    (flow_step,) = _argmax(J_flow)
    log.info("calibrate: validation J %.3f, with CRF %.3f", J.max(), J_crf.max())
    log.info(
        "calibrate: controls: blob %.3f, with CRF %.3f; flow %.3f",
        *(float(values.max()) for values in (J_blob, J_blob_crf, J_flow)),
    )
    return Calibration(
        source="validation",
        val_frames=frames,
        threshold=THRESHOLDS[best],
        threshold_crf=CRF_THRESHOLDS[crf_threshold],
        crf=params.crf[setting],
        iterations=iterations,
        blob=_blob_choice(J_blob, J_blob_crf, params),
        flow_threshold_px=flow_thresholds[flow_step],
    )


def _blob_choice(J: Scores, J_crf: Scores, params: Calibrate) -> BlobChoice:
    """The control's best form of `(S, T)` and, with CRF, of `(C, S, U)`.

    A weak control makes a mask look good: where the best scale is the last of its candidates, a
    better one may lie beyond, and that is said. Without CRF a larger scale is a higher threshold.
    """
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
    )


def flow_scale(videos: Sequence[VideoResult]) -> float:
    """Median over videos of the flow magnitude that their flow images show at 0.76, px."""
    scales = []
    for video in videos:
        with open_artifact(paths.video_file(paths.FLOW, video.video), FLOW) as file:
            scales.append(float(file.attrs["scale_px"]))
    return float(np.median(scales))


def _search_crf(
    searches: Sequence[Search], params: Calibrate, iterations: int, threshold: float
) -> tuple[Scores, Scores]:
    """J of the CRF's settings and thresholds `(C, T)`, and of the control's `(C, S, U)`."""
    per_video = max(1, BLOB_CRF_FRAMES // len(searches))
    jobs = [
        CrfSearch(
            search,
            frozenset(search.frames[place] for place in spread(search.size, per_video)),
            tuple(crf_setting(crf) for crf in params.crf),
            iterations,
            threshold,
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


if __name__ == "__main__":
    wanted = wanted_source(sys.argv[1:], "python -m stages.calibrate")
    run_stage(f"calibrate_{wanted}", lambda: main(wanted))
