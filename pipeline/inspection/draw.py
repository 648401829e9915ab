"""One frame of an artifact as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from models.warping import read_mesh, warp_onto
from pipeline.drawing.captions import resize, resize_mask, side_by_side, with_caption
from pipeline.drawing.marks import Image, draw_box, draw_detection, draw_instances, grid_of
from pipeline.drawing.masks import flow_colours, flow_key, heat, overlay, overlay_instances
from pipeline.errors import BackdropError
from pipeline.frames import FrameReader, check_length
from pipeline.inspection.kinds import Kind, hdf5_schema, kind_of, table_schema
from pipeline.instances import has_instances
from pipeline.store import hdf5, tables
from pipeline.store.hdf5 import open_artifact
from pipeline.store.paths import FRAMES as FRAMES_FOLDER
from pipeline.store.paths import video_file
from pipeline.video.decode import iter_frames

SHORTEST_WIDTH = 480  # px; smaller frames are enlarged to it
KEY_WIDTH = 120  # px, of the flow's colour key


def draw_frame(path: Path, frame: int) -> Image:
    """Draw frame `frame` (0-based) of an artifact or a video; of homographies, row `frame`.

    Returns:
        (H, W, 3) uint8 RGB, with a caption.

    Raises:
        BackdropError: missing, cut short, of a schema that is not known or holds no pictures, or
            without such a frame (the valid range is named).
    """
    kind = kind_of(path)
    if kind is Kind.HDF5:
        schema = hdf5_schema(path)
        with open_artifact(path, schema) as file:
            _require(path, frame, _length(file))
            return _HDF5_PAINTERS[schema](path, file, frame)
    if kind is Kind.VIDEO:
        return _draw_video(path, frame)
    if kind is Kind.TABLE and table_schema(path).equals(tables.HOMOGRAPHIES):
        return _draw_pair(path, frame)
    raise BackdropError(
        f"is a {kind.value} and has no frame to draw",
        where=str(path),
        remedy="draw one of frames, flow, predictions, masks, labels, homographies or a video",
    )


def _length(file: h5py.File) -> int:
    return min(len(file[name]) for name in file)


def _require(path: Path, frame: int, count: int) -> None:
    if not 0 <= frame < count:
        raise _no_frame(path, frame, count)


def _no_frame(path: Path, frame: int, count: int) -> BackdropError:
    return BackdropError(
        f"has no frame {frame}", where=str(path), remedy=f"its frames are 0 to {count - 1}"
    )


def _draw_frames(path: Path, _file: h5py.File, frame: int) -> Image:
    with FrameReader(path) as reader:
        image = reader.read(frame)
    return with_caption(_enlarged(image), f"{path.stem}, frame {frame}")


def _draw_flow(path: Path, file: h5py.File, frame: int) -> Image:
    """The flow's colours; what is outside the warp hatched dark; the key beside it."""
    flow, scale_px = file["flow"][frame].astype(np.float32), float(file.attrs["scale_px"])
    colours = flow_colours(flow, scale_px)
    colours[file["valid"][frame] == 0] //= 3
    picture = _enlarged(colours, smooth=False)
    largest = float(np.hypot(flow[..., 0], flow[..., 1]).max())
    state = "" if file["ok"][frame] else ", its pair is not ok"
    text = f"{path.stem}, flow of frame {frame}, at most {largest:.2f} px{state}"
    key = with_caption(flow_key(KEY_WIDTH, scale_px), f"rim {2 * scale_px:.2g} px")
    return side_by_side([with_caption(picture, text), key])


def _draw_predictions(path: Path, file: h5py.File, frame: int) -> Image:
    """Box, dots (a student has none) and offset on the frame if it is there, and the soft mask."""
    soft = file["mask"][frame]
    ground = _enlarged(_frame_beside(path, frame, file["mask"]))
    box = file["boxes"][frame] * (ground.shape[1] / soft.shape[1])
    if "cell" in file:
        cell, probability = int(file["cell"][frame]), file["cell_probability"][frame]
        drawn = draw_detection(ground, box, cell, probability)
        row, column = divmod(cell, grid_of(len(probability)))
        told = f"cell {row},{column} with p {probability[cell]:.2f}"
    else:
        drawn = draw_box(ground, box)
        told = f"confidence {file['confidence'][frame]:.2f}"
    if has_instances(file):
        scale = ground.shape[1] / soft.shape[1]
        drawn = draw_instances(drawn, file["instance_boxes"][frame] * scale)
    text = f"{path.stem}, frame {frame}: {told}"
    mask = heat(resize(soft, ground.shape[1]))
    return side_by_side([with_caption(drawn, text), with_caption(mask, "soft mask")])


def _draw_masks(path: Path, file: h5py.File, frame: int) -> Image:
    mask = file["mask"][frame] > 0
    ground = _enlarged(_frame_beside(path, frame, file["mask"]))
    drawn = overlay(ground, resize_mask(mask, *ground.shape[:2]))
    if "instance" in file:
        labels = resize(file["instance"][frame], ground.shape[1], smooth=False)
        drawn = overlay_instances(ground, labels)
    return with_caption(drawn, f"{path.stem}, mask of frame {frame}, {mask.mean():.1%} of it")


def _draw_labels(path: Path, file: h5py.File, frame: int) -> Image:
    """The mask on the frame if it is there, and the trust in each pixel."""
    ground = _enlarged(_frame_beside(path, frame, file["mask"]))
    mask = resize_mask(file["mask"][frame] > 0, *ground.shape[:2])
    text = f"{path.stem}, label of frame {frame}, weight {file['weight'][frame]:.2f}"
    trust = heat(resize(file["trust"][frame], ground.shape[1]))
    return side_by_side([with_caption(overlay(ground, mask), text), with_caption(trust, "trust")])


def _draw_pair(path: Path, row: int) -> Image:
    """The target frame and, blended half and half with it, the source warped onto it."""
    pairs = tables.read_table(path, tables.HOMOGRAPHIES)
    _require(path, row, len(pairs))
    pair = pairs.iloc[row]
    video, source, target = str(pair["video"]), int(pair["source"]), int(pair["target"])
    frames = video_file(path.parent.parent / FRAMES_FOLDER.name, video)
    with FrameReader(frames) as reader:
        if max(source, target) >= reader.count:
            raise BackdropError(
                f"row {row} is of frames {source} and {target}, but the video has {reader.count}",
                where=str(path),
                remedy="it was made from other frames; run `dvc repro stabilize`",
            )
        onto, moved = reader.read(target), reader.read(source)
    homography = np.array([[pair[f"h{i}{j}"] for j in range(3)] for i in range(3)], np.float64)
    mesh = read_mesh(pair["mesh"])
    warped, _ = warp_onto(moved, homography, mesh, onto.shape[:2])
    blend = cv2.addWeighted(onto, 0.5, warped, 0.5, 0)
    state = "ok" if pair["ok"] else f"not ok: {pair['reason']}"
    by = "" if mesh is None else " by plane and mesh"
    error = f"{pair['inliers']} inliers, {pair['error_px']:.2f} px, {state}"
    return side_by_side(
        [
            with_caption(_enlarged(onto), f"{video}, frame {target} (target)"),
            with_caption(_enlarged(np.asarray(blend)), f"with frame {source} warped{by}: {error}"),
        ]
    )


def _draw_video(path: Path, frame: int) -> Image:
    for decoded in iter_frames(path):
        if decoded.index == frame:
            return with_caption(_enlarged(decoded.image), f"{path.name}, frame {frame}")
    raise _no_frame(path, frame, decoded.index + 1)


_HDF5_PAINTERS: dict[hdf5.Schema, Callable[[Path, h5py.File, int], Image]] = {
    hdf5.FRAMES: _draw_frames,
    hdf5.FLOW: _draw_flow,
    hdf5.PREDICTIONS: _draw_predictions,
    hdf5.MASKS: _draw_masks,
    hdf5.LABELS: _draw_labels,
}


def _frame_beside(path: Path, frame: int, masks: h5py.Dataset) -> Image:
    """The frame from `../frames/VIDEO.h5`, or for a student's artifact from one folder higher.

    Plain grey where that is not there. DVC may have made links into its cache: not followed.
    """
    for folder in path.absolute().parents[1:3]:
        frames = folder / FRAMES_FOLDER.name / path.name
        if frames.exists():
            with FrameReader(frames) as reader:
                check_length(path, masks, reader)
                return reader.read(frame)
    return np.full((*masks.shape[1:3], 3), 128, dtype=np.uint8)


def _enlarged(image: NDArray[np.uint8], *, smooth: bool = True) -> Image:
    return resize(image, max(SHORTEST_WIDTH, image.shape[1]), smooth=smooth)
