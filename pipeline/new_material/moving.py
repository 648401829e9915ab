"""A new video's masks without what never moves: its camera and flow are made as by the stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from models.alignment import Alignment
from models.camera_path import CameraPath
from pipeline.align_video import align_video
from pipeline.frames import FrameReader, FrameWriter
from pipeline.moving_masks import Motion, moving_masks
from pipeline.new_material.inputs import Input
from pipeline.new_material.trained import MotionParams, Trained
from pipeline.optical_flow.choose import Choice, choose_estimator
from pipeline.optical_flow.video_flow import Pairs, write_flow
from pipeline.params.data import ExtractFrames
from pipeline.pool import Advance
from pipeline.store.hdf5 import FLOW, FRAMES, create, open_artifact
from pipeline.video.cuts import CutDetector

MOTION_STEPS = 3  # masks, camera, flow
NOTHING = np.empty((0, 0), bool)
THREADS = 2  # at the flow of a video, as in the stage where videos are many

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Located:
    """What was found in a frame: its number and time in the source, box `(4,)` and mask `(H, W)`.

    Both are in px of the networks' frames.
    """

    index: int
    time_s: float
    box: NDArray[np.float32]
    confidence: float
    mask: Mask


def only_moving(
    source: Input,
    found: Iterator[Located],
    params: tuple[ExtractFrames, MotionParams],
    scratch: Path,
    advance: Advance,
) -> Iterator[Located]:
    """`found` with masks without what never moves, as `keep_moving` has them.

    The masks of a whole video are in memory, a bit a px; frames and flow are in `scratch`. A video
    too short for a pair keeps its masks.

    Args:
        params: of the frames, and of the motion.
        scratch: a folder; nothing stays there.
        advance: told of each frame in each of `MOTION_STEPS`.
    """

    def tell(count: int) -> None:
        advance(source.stride * count)

    heads, bits = list[Located](), list[NDArray[np.uint8]]()
    for one in found:
        shape = one.mask.shape
        heads.append(replace(one, mask=NOTHING))
        bits.append(np.packbits(one.mask))
        tell(1)

    def mask(number: int) -> Mask:
        return np.unpackbits(bits[number], count=shape[0] * shape[1]).reshape(shape).astype(bool)

    if len(heads) < params[1].stabilize.fewest_frames:
        yield from (replace(head, mask=mask(number)) for number, head in enumerate(heads))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=scratch)))
        motion = _motion(source, len(heads), params, folder, tell, stack)
        moving = moving_masks(mask, motion, params[1].keep_moving.least_moving)
        for head, kept in zip(heads, moving, strict=True):
            yield replace(head, mask=kept)


def motion_params(source: Input, trained: Trained) -> MotionParams | None:
    """By which to tell what moves; None where all is to be kept, as of a picture.

    The two frames of a pair are as far apart in the source as the project's, as nearly as the
    frames taken allow: between closer ones slow motion would count as rest.
    """
    if source.is_picture or trained.motion is None:
        return None
    stabilize = trained.motion.stabilize
    apart = Fraction(stabilize.gap * trained.frames.stride, source.stride)
    gap = max(1, floor(apart + Fraction(1, 2)))
    return replace(trained.motion, stabilize=stabilize.model_copy(update={"gap": gap}))


def flow_choice(source: Input, settings: MotionParams) -> Choice:
    """The estimator of a video's flow; raises where what the params ask for cannot be had.

    Without the flow's confidence, which nothing here reads and which costs a third of DIS's time.
    """
    flow = settings.compute_flow.model_copy(update={"confidence": False})
    return choose_estimator(flow, min(source.framing.height, source.framing.width))


def _motion(
    source: Input,
    count: int,
    params: tuple[ExtractFrames, MotionParams],
    folder: Path,
    tell: Advance,
    stack: ExitStack,
) -> Motion:
    """Camera and flow of `count` frames; the flow is open as long as `stack` is."""
    frames, settings = params
    _write_frames(source, count, frames, folder / "frames.h5")
    reader = stack.enter_context(FrameReader(folder / "frames.h5"))
    _, pairs = align_video(reader, settings.stabilize, source.name, tell)
    choice = flow_choice(source, settings)
    write_flow(reader, _pairs(pairs, choice), folder / "flow.h5", tell)
    flow = stack.enter_context(open_artifact(folder / "flow.h5", FLOW))
    return Motion(flow, _camera(pairs), reader.cuts)


def _write_frames(source: Input, count: int, params: ExtractFrames, path: Path) -> None:
    """As `extract_frames` does, from the source, decoded anew."""
    height, width, cuts = source.framing.height, source.framing.width, CutDetector()
    with create(path, FRAMES) as file:
        writer = FrameWriter(file, count, height, width, params.store, params.jpeg_quality)
        shots = []
        for number, frame in enumerate(source.decode()):
            image = source.framing.apply(frame.image)
            writer.write(number, image)
            if cuts.begins_shot(image):
                shots.append(number)
        file.attrs.update({"store": params.store, "frames": count, "height": height})
        file.attrs.update({"width": width, "cuts": np.array(shots, np.int64)})


def _pairs(found: Mapping[tuple[int, int], Alignment], choice: Choice) -> Pairs:
    """By target, of which every frame is one."""
    by_target = {target: (source, one) for (source, target), one in found.items()}
    alignments = [by_target[target][1] for target in range(len(by_target))]
    return Pairs(
        sources=np.array([by_target[target][0] for target in range(len(by_target))], np.int64),
        H=np.stack([one.pair.H for one in alignments]),
        ok=np.array([one.pair.ok for one in alignments]),
        meshes=[one.mesh for one in alignments],
        choice=choice,
        threads=THREADS,
    )


def _camera(found: Mapping[tuple[int, int], Alignment]) -> CameraPath:
    """Of the pairs whose source comes after the target."""
    steps = {
        target: one.pair.H
        for (source, target), one in found.items()
        if one.pair.ok and source > target
    }
    return CameraPath(steps, max(abs(source - target) for source, target in found))
