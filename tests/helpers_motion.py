"""Textured frames, known camera motions, and a frames artifact made of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.frames import FrameWriter
from pipeline.store import hdf5, paths
from pipeline.store.tables import INDEX, write_table


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Structure at several scales, as of leaves and stones: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for sigma in (1.5, 4, 12):
        noise = rng.normal(size=(height, width, 3)).astype(np.float32)
        image += cv2.GaussianBlur(noise, (0, 0), sigma) * sigma
    image -= image.min()
    return (image / image.max() * 255).astype(np.uint8)


def around_centre(
    size: tuple[int, int],
    degrees: float = 0.0,
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    tilt: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """The homography (3, 3) of a turn, zoom and shift (px) about the frame's centre."""
    height, width = size
    to_centre = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1.0]])
    cos, sin = zoom * np.cos(np.deg2rad(degrees)), zoom * np.sin(np.deg2rad(degrees))
    turn = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [*tilt, 1.0]])
    H = np.linalg.inv(to_centre) @ turn @ to_centre
    return np.asarray(H / H[2, 2])


def corner_error(
    H: NDArray[np.float64], truth: NDArray[np.float64], size: tuple[int, int]
) -> float:
    """Largest distance between the frame's corners under both homographies, px."""
    height, width = size
    corners = np.array([[[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]], float)
    a, b = cv2.perspectiveTransform(corners, H), cv2.perspectiveTransform(corners, truth)
    return float(np.linalg.norm(a - b, axis=-1).max())


def pan(count: int, size: tuple[int, int], step: float, seed: int = 0) -> NDArray[np.uint8]:
    """Frames of a camera that pans right over a wall: uint8 (N, H, W, 3)."""
    height, width = size
    wall = texture(height + 16, width + 16 + int(count * abs(step)), seed)
    views = [
        cv2.warpAffine(
            wall,
            np.array([[1, 0, 8 + t * step], [0, 1, 8.0]]),
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        )
        for t in range(count)
    ]
    return np.stack(views).astype(np.uint8)


def write_videos(
    videos: dict[str, NDArray[np.uint8]],
    cuts: Sequence[int] = (),
    params: dict[str, dict[str, object]] | None = None,
) -> None:
    """Write `params.yaml`, the frames artifacts and their index into the working directory."""
    paths.STATE.parent.joinpath("params.yaml").write_text(yaml.safe_dump(params or {}))
    index = []
    for video, frames in videos.items():
        count, height, width = frames.shape[:3]
        with hdf5.create(paths.video_file(paths.FRAMES, video), hdf5.FRAMES) as file:
            writer = FrameWriter(file, count, height, width, "raw", 95)
            for t, frame in enumerate(frames):
                writer.write(t, frame)
            file.attrs.update({"store": "raw", "fps": 10.0, "frames": count, "sha256": video})
            file.attrs.update({"height": height, "width": width})
            file.attrs["cuts"] = np.array(cuts, np.int64)
        for t in range(count):
            row = {"video": video, "frame": t, "source_frame": t, "time_s": t / 10}
            index.append({**row, "split": "train"})
    write_table(paths.INDEX_TABLE, index, INDEX)
