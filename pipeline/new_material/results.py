"""The folder of one input: `masks/NUMBER.png`, `boxes.csv`, and what to look at."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.scores import hard_at_size_of, inside
from pipeline.new_material.films import open_film
from pipeline.new_material.inputs import Input
from pipeline.new_material.moving import Located, motion_params, only_moving
from pipeline.new_material.segment import segment
from pipeline.new_material.trained import Trained
from pipeline.pool import Advance
from pipeline.store.images import encode

MASKS, BOXES, VIDEO, PICTURE = "masks", "boxes.csv", "overlay.mp4", "overlay.png"
RAW = "surrogateescape"  # how Python keeps such bytes in a `str`
COLUMNS = (
    "frame",
    "time_s",
    "x",
    "y",
    "width",
    "height",
    "confidence",
    "mask_area",
    "empty",
    "file",
)


@dataclass(frozen=True)
class Result:
    """What is told of one frame, in px of the source.

    Attributes:
        index: number of the frame in the source.
        time_s: s since its first frame.
        mask: `(height, width)` bool.
        box: `(4,)` x, y, width, height.
        confidence: 0..1.
    """

    index: int
    time_s: float
    mask: NDArray[np.bool_]
    box: NDArray[np.float64]
    confidence: float

    @property
    def row(self) -> list[str]:
        """Its line of the table, but for the file."""
        box = [f"{value:.2f}" for value in self.box]
        area, empty = f"{self.mask.mean():.6f}", str(int(not self.mask.any()))
        return [str(self.index), f"{self.time_s:.6f}", *box, f"{self.confidence:.4f}", area, empty]


def write_results(
    source: Input, trained: Trained, folder: Path, *, overlay: bool, advance: Advance
) -> None:
    """Predict `source` into `folder`, which is there and empty.

    Raises:
        BackdropError: the input is damaged, or an artifact is.
    """
    (folder / MASKS).mkdir()
    found = find(source, trained, folder, advance)
    if overlay:
        found = _filmed(source, found, folder)
    # A name on disk may be no UTF-8; its bytes then stand in the table as they are.
    with (folder / BOXES).open("w", encoding="utf-8", errors=RAW, newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        files = source.picture_files()
        for one in found:
            data = encode(np.where(one.mask, 255, 0).astype(np.uint8), ".png")
            (folder / MASKS / f"{one.index:06d}.png").write_bytes(data)
            writer.writerow([*one.row, files[one.index] if files else ""])
            advance(source.stride)


def find(source: Input, trained: Trained, scratch: Path, advance: Advance) -> Iterator[Result]:
    """What is found in the frames taken of `source`, in order; raises as `segment` does.

    Args:
        scratch: folder for what is needed on the way to what moves; nothing stays there.
        advance: told of the steps to that, `MOTION_STEPS` times each frame.
    """
    found: Iterator[Located] = (
        Located(one.index, one.time_s, one.finding.box, one.finding.confidence, one.mask)
        for one in segment(source, trained)
    )
    motion = motion_params(source, trained)
    if motion:
        found = only_moving(source, found, (trained.frames, motion), scratch, advance)
    for one in found:
        mask, box = at_source(one.mask, source), box_at_source(one.box, source)
        yield Result(one.index, one.time_s, mask, box, one.confidence)


def at_source(mask: NDArray[np.bool_], source: Input) -> NDArray[np.bool_]:
    """A mask of the networks' side as `evaluate` scores it, (height, width) of the source.

    Nothing outside of the crop belongs to the subject.
    """
    cut, full = source.framing, np.zeros((source.height, source.width), bool)
    part = full[cut.top : cut.top + cut.crop_height, cut.left : cut.left + cut.crop_width]
    part[:] = hard_at_size_of(mask, part)
    return full


def box_at_source(box: NDArray[np.floating], source: Input) -> NDArray[np.float64]:
    """A box x, y, width, height as far as it lies in the crop, in px of the source."""
    cut = source.framing
    size = np.array([cut.width, cut.height])
    seen = inside(box.astype(np.float64), size)
    scale = np.tile(np.array([cut.crop_width, cut.crop_height]) / size, 2)
    return np.asarray(seen * scale + [cut.left, cut.top, 0, 0], np.float64)


def _filmed(source: Input, found: Iterator[Result], folder: Path) -> Iterator[Result]:
    """Draw what passes by. The source is decoded anew: its full frames are not kept in memory."""
    path = folder / (PICTURE if source.is_picture else VIDEO)
    with open_film(source, path) as draw:
        for one, frame in zip(found, source.decode(), strict=True):
            draw(frame.image, one.mask, one.box, one.time_s)
            yield one
