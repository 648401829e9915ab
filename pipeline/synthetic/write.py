"""Put a clip on disk as a user would have it: `VIDEO.mp4` and `masks/VIDEO/00000.png` and on."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.store.atomic import fsync
from pipeline.synthetic.recipe import ClipSpec, Recipe
from pipeline.synthetic.render import render_clip
from pipeline.video.encode import open_encoder

CRF = 12


def write_clip(recipe: Recipe, clip: ClipSpec, root: Path) -> None:
    """Render one clip to `root/VIDEO.mp4` and `root/masks/VIDEO/`; both appear whole or not at all.

    The video comes last, so a clip whose video exists has its masks too.
    """
    masks = root / "masks" / clip.video
    video = root / f"{clip.video}.mp4"
    masks_new = masks.with_name(f".{clip.video}.{os.getpid()}.tmp")
    video_new = video.with_name(f".{clip.video}.{os.getpid()}.tmp.mp4")
    masks_new.mkdir(parents=True)
    try:
        _write(recipe, clip, video_new, masks_new)
        shutil.rmtree(masks, ignore_errors=True)
        masks_new.replace(masks)
        video_new.replace(video)
    finally:
        shutil.rmtree(masks_new, ignore_errors=True)
        video_new.unlink(missing_ok=True)
    for folder in (masks.parent, root):
        fsync(folder)


def _write(recipe: Recipe, clip: ClipSpec, video: Path, masks: Path) -> None:
    rate = Fraction(recipe.fps)
    with open_encoder(video, rate, recipe.height, recipe.width, CRF) as write_frame:
        for number, (frame, mask) in enumerate(render_clip(recipe, clip)):
            write_frame(frame)
            _write_mask(masks / f"{number:05d}.png", mask)
    fsync(masks)


def _write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    _, encoded = cv2.imencode(".png", mask)
    path.write_bytes(encoded.tobytes())
    fsync(path)
