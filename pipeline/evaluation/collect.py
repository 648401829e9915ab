"""Frames together with all that was predicted for them, and their ground truth where there is one.

for frame in read_frames(video, range(video.size)):
    frame.soft, frame.truth
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.motion import moving_speed, speed_at
from pipeline.evaluation.predicted import (
    open_predictions,
    predicted_index,
    soft_mask,
)
from pipeline.frames import open_fitting, open_frames
from pipeline.ground_truth import open_truth
from pipeline.instances import has_instances
from pipeline.store import paths
from pipeline.store.hdf5 import FLOW
from pipeline.store.paths import Source
from pipeline.store.tables import VIDEOS, read_table
from pipeline.truth_files import TruthFiles

log = logging.getLogger("backdrop")


@dataclass(frozen=True)
class VideoResult:
    """A video that was predicted; a job of the pool.

    Attributes:
        video: its name.
        split: its split.
        truth: its masks.
        source_frames: of each cached frame, its number in the source video.
        source: whose predictions.
    """

    video: str
    split: str
    truth: TruthFiles
    source_frames: tuple[int, ...]
    source: Source

    @property
    def size(self) -> int:
        """Number of frames."""
        return len(self.source_frames)

    def labelled(self) -> tuple[int, ...]:
        """The frames with ground truth, which may be none even if there are masks.

        Raises:
            BackdropError: as `TruthFiles.by_frame`.
        """
        return self.truth.places(self.source_frames)


@dataclass(frozen=True)
class FrameResult:
    """One frame; `(H, W)` is the cached frame's size, the truth has its own.

    Attributes:
        number: position in the cached video.
        image: `(H, W, 3)` uint8 RGB.
        soft: `(H, W)` float32 soft mask, 0..1.
        box: `(4,)` x, y, width, height px, of the likeliest subject.
        boxes: `(K, 4)` likewise, of all subjects found; the mask shows them together.
        confidence: 0..1.
        speed: `(H, W)` float32 magnitude of the residual flow, px.
        moving_px: speed above which a pixel of this video moves.
        truth: `(H', W')` bool, None where there is none.
    """

    number: int
    image: NDArray[np.uint8]
    soft: NDArray[np.float32]
    box: NDArray[np.float64]
    boxes: NDArray[np.float64]
    confidence: float
    speed: NDArray[np.float32]
    moving_px: float
    truth: NDArray[np.bool_] | None


def predicted_videos(
    splits: Collection[str] | None = None, source: Source = Source.MODEL
) -> list[VideoResult]:
    """The videos that `source` predicted, in the index's order; of `splits` only, if given.

    Raises:
        BackdropError: one of the index's videos has no predictions.
    """
    rows = read_table(paths.VIDEOS_TABLE, VIDEOS).to_dict("records")
    truth = {str(row["video"]): TruthFiles.of(row) for row in rows}
    found = [
        VideoResult(
            str(video),
            str(rows["split"].iloc[0]),
            truth[str(video)],
            tuple(int(number) for number in rows["source_frame"]),
            source,
        )
        for video, rows in predicted_index(source).groupby("video", sort=False)
    ]
    return [video for video in found if splits is None or video.split in splits]


def tell_masks_of_no_frame(stage: str, videos: Iterable[VideoResult]) -> None:
    """A line for each video some of whose masks are of frames that were not kept.

    Raises:
        BackdropError: as `TruthFiles.by_frame`.
    """
    for video in videos:
        given, kept = len(video.truth.by_frame()), len(video.labelled())
        if kept in (given, len(video.source_frames)):  # none is lost, or every kept frame has one
            continue
        told = f"extract_frames does not keep the frames of {given - kept} of its {given} masks"
        log.warning(
            "%s: '%s' %s: %s; a lower stride or a higher max_frames keeps more",
            stage,
            video.video,
            "has less ground truth" if kept else "counts as without ground truth",
            told,
        )


def read_frames(
    video: VideoResult, numbers: Iterable[int], *, with_truth: bool = True
) -> Iterator[FrameResult]:
    """Read frames of one video, one at a time.

    Raises:
        BackdropError: an artifact is missing, damaged or does not fit the others, or a mask of the
            ground truth does not.
    """
    with (
        open_frames(video.video) as reader,
        open_predictions(video.source, video.video, reader) as predictions,
        open_fitting(paths.video_file(paths.FLOW, video.video), FLOW, reader) as flow,
    ):
        truth = open_truth(video.truth, reader.attributes) if with_truth else None
        boxes, confidence = predictions["boxes"][:], predictions["confidence"][:]
        moving_px = moving_speed(flow)
        for number in numbers:
            yield FrameResult(
                number=number,
                image=reader.read(number),
                soft=soft_mask(predictions, number),
                box=boxes[number].astype(np.float64),
                boxes=_subjects(predictions, number),
                confidence=float(confidence[number]),
                speed=speed_at(flow, number),
                moving_px=moving_px,
                truth=truth.load(video.source_frames[number]) if truth else None,
            )


def _subjects(predictions: h5py.File, number: int) -> NDArray[np.float64]:
    """Boxes `(K, 4)` of the subjects found in a frame."""
    if not has_instances(predictions):
        return np.asarray(predictions["boxes"][number : number + 1], np.float64)
    boxes = np.asarray(predictions["instance_boxes"][number], np.float64)
    return boxes[~np.isnan(boxes[:, 0])]
