"""Choose what cannot be learnt: thresholds, CRF setting, and the controls'.

    python -m stages.calibrate model|student

The only place where ground truth chooses anything, and only that of validation frames. Without
any, the overlap with what moves does, and where nothing does, the defaults hold. Reads predictions,
frames and flow; writes `calibration.json` and `controls.json` in `artifacts/calibrate` or
`artifacts/student/calibrate`. Each source has controls of its own, in its own boxes. Without
self-training there is nothing to do for the student.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.calibration import Calibration
from pipeline.evaluation.choice import chosen, default_blob
from pipeline.evaluation.collect import (
    VideoResult,
    predicted_videos,
    tell_masks_of_no_frame,
)
from pipeline.evaluation.controls import Choice, Controls
from pipeline.evaluation.motion_searches import motion_searches
from pipeline.evaluation.search import Search, spread
from pipeline.params.data import TRAINED_ON
from pipeline.params.read import load_section
from pipeline.params.results import Calibrate, RefineMasks
from pipeline.self_training import pass_on
from pipeline.stage import run_stage, wanted
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.hdf5 import FLOW, open_artifact
from pipeline.store.paths import Source

log = logging.getLogger("backdrop")

FLOW_STEPS = tuple(round(0.1 * step, 1) for step in range(1, 21))
"""Thresholds on residual flow tried, in units of the videos' median flow scale."""
DEFAULT_FLOW_STEP = 0.5


def main(source: Source) -> None:
    """Choose for the masks of `source`, and for the controls in its boxes."""
    if pass_on(source.predictions_folder, source.calibration_file.parent):
        return
    params = load_section(Calibrate, "calibrate")
    iterations = load_section(RefineMasks, "refine_masks").iterations
    videos = predicted_videos(source=source)
    default = default_choice(source, videos, params, iterations)
    thresholds = default.masks.threshold, default.masks.threshold_crf
    choice = chosen(_searches(videos, params), params, iterations, thresholds)
    if isinstance(choice, str):
        log.info("calibrate: the defaults hold: %s", choice)
        choice = default
    masks = choice.masks
    log.info(
        "calibrate: %s: threshold %.2f, under CRF %.2f (%s, %d frames), CRF setting %d of %d",
        source,
        masks.threshold,
        masks.threshold_crf,
        masks.source,
        masks.frames,
        params.crf.index(masks.crf) + 1,
        len(params.crf),
    )
    write_json(source.calibration_file, masks.model_dump(mode="json"))
    write_json(source.controls_file, choice.controls.model_dump(mode="json"))


def _searches(videos: Sequence[VideoResult], params: Calibrate) -> list[Search]:
    """Over validation frames with ground truth; without any, over frames in which much moves."""
    validation = [video for video in videos if video.split == "val"]
    tell_masks_of_no_frame("calibrate", validation)
    with_truth = [video for video in validation if video.labelled()]
    if with_truth:
        scale_px, count = flow_scale(with_truth), params.frames_per_video
        thresholds = tuple(step * scale_px for step in FLOW_STEPS)
        return [
            Search(video, _looked_at(video, count), params.blob_scales, thresholds)
            for video in with_truth
        ]
    log.info("calibrate: no validation video has ground truth")
    seen = may_choose(videos)
    if not params.by_motion or not seen:
        return []
    scored = any(video.labelled() for video in videos if video.split != "train")
    scales = params.blob_scales if scored else ()
    return motion_searches(seen, scales, DEFAULT_FLOW_STEP * flow_scale(seen))


def _looked_at(video: VideoResult, count: int) -> tuple[int, ...]:
    """At most `count` of the frames with ground truth, spread evenly."""
    labelled = video.labelled()
    return tuple(labelled[place] for place in spread(len(labelled), count))


def default_choice(
    source: Source, videos: Sequence[VideoResult], params: Calibrate, iterations: int
) -> Choice:
    """What holds where nothing can choose.

    The flow's scale is that of test videos only where there are no others.
    """
    model = source is Source.MODEL
    masks = Calibration(
        source="default",
        frames=0,
        threshold=params.default_threshold if model else params.student_threshold,
        threshold_crf=params.default_threshold_crf if model else params.student_threshold_crf,
        crf=params.crf[0],
        iterations=iterations,
    )
    scale = flow_scale(may_choose(videos) or videos)
    blob = default_blob(params, iterations)
    return Choice(masks, Controls(blob=blob, flow_threshold_px=DEFAULT_FLOW_STEP * scale))


def may_choose(videos: Sequence[VideoResult]) -> list[VideoResult]:
    """The videos that are trained on or validate; no choice may look at test videos."""
    return [video for video in videos if video.split in (*TRAINED_ON, "val")]


def flow_scale(videos: Sequence[VideoResult]) -> float:
    """Median over videos of the flow magnitude that their flow images show at 0.76, px."""
    scales = []
    for video in videos:
        with open_artifact(paths.video_file(paths.FLOW, video.video), FLOW) as file:
            scales.append(float(file.attrs["scale_px"]))
    return float(np.median(scales))


if __name__ == "__main__":
    asked = wanted(Source, "stages.calibrate")
    run_stage(f"calibrate_{asked}", lambda: main(asked))
