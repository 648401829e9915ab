"""The homographies of one video's pairs; its frames are shared out where cores are left."""

from __future__ import annotations

from dataclasses import fields
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from models.alignment import Alignment, View, look
from models.camera import Camera
from models.keypoints import KeypointDetector
from models.pair_track import PairSettings, PairTrack
from models.stabilization import HomographySettings
from pipeline.frame_pool import in_order, processes_for
from pipeline.frames import FrameReader
from pipeline.params.data import Stabilize
from pipeline.pool import Advance


def align_video(
    reader: FrameReader, settings: Stabilize, video: str, advance: Advance
) -> tuple[Camera, dict[tuple[int, int], Alignment]]:
    """What `PairTrack.result` says of a video's frames.

    Args:
        reader: of its frames.
        settings: params of `stabilize`.
        video: its name, for errors.
        advance: told of every frame.
    """
    track = PairTrack(reader.count, reader.cuts, _pair_settings(settings))
    greys = (cv2.cvtColor(reader.read(t), cv2.COLOR_RGB2GRAY) for t in range(reader.count))
    # To find keypoints takes four fifths of the time, and needs no other frame.
    for view in in_order(partial(_look, settings), greys, processes_for(reader.count), video):
        track.add(view)
        advance(1)
    return track.result()


def _look(settings: Stabilize, grey: NDArray[np.uint8]) -> View:
    """Keypoints of a frame; perhaps in a process of its own."""
    return look(KeypointDetector(settings.keypoints, settings.contrast, settings.enlarge_to), grey)


def _pair_settings(settings: Stabilize) -> PairSettings:
    limits = settings.model_dump(include={part.name for part in fields(HomographySettings)})
    how = settings.model_dump(include={"gap", "camera", "chain", "local"})
    return PairSettings(**how, limits=HomographySettings(**limits))
