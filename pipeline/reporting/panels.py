"""Which frames of which videos are shown, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.drawing.marks import Image
from pipeline.drawing.panel import FrameResult, Picture, StudentResult, draw_panel
from pipeline.evaluation.final import sources
from pipeline.frames import open_frames
from pipeline.ground_truth import open_truth
from pipeline.instances import has_instances
from pipeline.store import paths
from pipeline.store.hdf5 import FLOW, MASKS, PREDICTIONS, open_artifact
from pipeline.store.paths import Source, video_file
from pipeline.truth_files import TruthFiles

Inpaint = Callable[[Image, NDArray[np.floating]], Image]


@dataclass(frozen=True)
class Panel:
    """The pictures of one frame and its numbers; J is NaN without ground truth."""

    frame: int
    time_s: float
    confidence: float
    J: float
    least_sure: bool
    pictures: list[Picture]


def choose_frames(
    confidence: Sequence[float], count: int, labelled: Collection[int] = ()
) -> list[int]:
    """A frame from each of `count` equal parts of the video, and the least confident prediction's.

    It is the one in the middle or, where the part has some in `labelled`, the nearest to it of
    those.

    >>> choose_frames([0.9, 0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.9], 2)
    [2, 4, 6]
    >>> choose_frames([0.9, 0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.9], 2, [0])
    [0, 4, 6]
    """
    total, chosen = len(confidence), {int(np.argmin(confidence))}
    for part in range(count):
        middle = int((part + 0.5) * total / count)
        inside = [at for at in labelled if at == middle or at * count // total == part]
        chosen.add(min(inside, key=lambda at: abs(at - middle), default=middle))
    return sorted(chosen)


def video_panels(
    video: str,
    truth: TruthFiles,
    index: pd.DataFrame,
    per_frame: pd.DataFrame,
    inpaint: Inpaint,
    count: int,
    width: int,
) -> list[Panel]:
    """The panels of one video.

    Args:
        video: its name.
        truth: its masks.
        index, per_frame: the video's rows, by frame.
        inpaint: puts the inpainter's background into the 1.1x box (x, y, w, h px) of a frame.
        count: frames spread over the video.
        width: px of one picture.
    """
    confidence = per_frame["confidence"].tolist()
    source_frames = index["source_frame"].tolist()
    chosen = choose_frames(confidence, count, truth.places(source_frames))
    panels = []
    for frame, result in zip(
        chosen,
        _read_results(video, chosen, source_frames, truth, inpaint),
        strict=True,
    ):
        panels.append(
            Panel(
                frame=frame,
                time_s=float(index["time_s"].iloc[frame]),
                confidence=confidence[frame],
                J=float(per_frame["J"].iloc[frame]),
                least_sure=frame == int(np.argmin(confidence)),
                pictures=draw_panel(result, width),
            )
        )
    return panels


def _read_results(
    video: str,
    chosen: Sequence[int],
    source_frames: Sequence[int],
    truth: TruthFiles,
    inpaint: Inpaint,
) -> Iterator[FrameResult]:
    """Read the chosen frames from the video's artifacts, the student's too if there is one."""
    student = sources()[-1] is Source.STUDENT
    with (
        ExitStack() as stack,
        open_frames(video) as frames,
        open_artifact(video_file(paths.FLOW, video), FLOW) as flow,
        open_artifact(video_file(paths.PREDICTIONS, video), PREDICTIONS) as predictions,
        open_artifact(video_file(paths.MASKS, video), MASKS) as refined,
        open_artifact(video_file(paths.MOVING, video), MASKS) as moving,
    ):
        masks = open_truth(truth, frames.attributes)
        learnt = _open_student(video, stack) if student else None
        for frame in chosen:
            image = frames.read(frame)
            box = predictions["boxes"][frame]
            yield FrameResult(
                image=image,
                box=box,
                cell=int(predictions["cell"][frame]),
                cell_probability=predictions["cell_probability"][frame],
                soft=predictions["mask"][frame],
                hard=refined["mask"][frame] > 0,
                moving=moving["mask"][frame] > 0,
                flow=flow["flow"][frame].astype(np.float32) if flow["ok"][frame] else None,
                flow_scale_px=float(flow.attrs["scale_px"]),
                background=inpaint(image, box),
                student=learnt(frame) if learnt else None,
                truth=masks.load(source_frames[frame]),
                instances=(predictions["instance_boxes"][frame], refined["instance"][frame])
                if has_instances(predictions)
                else None,
            )


def _open_student(video: str, stack: ExitStack) -> Callable[[int], StudentResult]:
    """Reads the student's result of a frame; its artifacts are open as long as `stack` is."""
    student = Source.STUDENT
    predictions, refined, moving = (
        stack.enter_context(open_artifact(video_file(folder, video), schema))
        for folder, schema in (
            (student.predictions_folder, PREDICTIONS),
            (student.masks_folder, MASKS),
            (student.moving_folder, MASKS),
        )
    )
    return lambda frame: StudentResult(
        soft=predictions["mask"][frame],
        hard=refined["mask"][frame] > 0,
        moving=moving["mask"][frame] > 0,
        box=predictions["boxes"][frame],
    )
