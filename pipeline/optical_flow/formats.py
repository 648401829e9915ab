"""Files of true flow: Middlebury's `.flo` and KITTI's 16-bit PNG.

    flow, known = read_flow(Path("00001_flow.flo"))
    write_flow(Path("00001_flow.png"), flow, known)

`flow` is float32 (H, W, 2), px to the right and downwards, zero where it is not known; `known` is
bool (H, W).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError, unreadable
from pipeline.store.atomic import write_bytes

MAGIC = b"PIEH"  # 202021.25 as little-endian float32
HEADER = 12  # bytes: magic, width, height
LARGEST_KNOWN = 1e9  # px; a .flo says with a larger value that it does not know
UNKNOWN = 1e10
KITTI_STEPS = 64.0  # per px
KITTI_ZERO = 2**15
KITTI_RANGE = (-512.0, 511.984375)  # px, what 16 bits hold
FORMATS = (".flo", ".png")
AGAIN = "get it again from where it came from"


class Flow(NamedTuple):
    """Flow and where it is known; see the module."""

    flow: NDArray[np.float32]
    known: NDArray[np.bool_]


def read_flow(path: Path) -> Flow:
    """Read a `.flo` or a KITTI PNG.

    Raises:
        BackdropError: missing, cut short, or no flow.
    """
    suffix = _suffix(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    return _decode_flo(path, data) if suffix == ".flo" else _decode_kitti(path, data)


def write_flow(path: Path, flow: NDArray[np.floating], known: NDArray[np.bool_]) -> None:
    """Write a `.flo`, exactly, or a KITTI PNG, in steps of 1/64 px.

    Args:
        flow: (H, W, 2), px. known: bool (H, W); what is not known is not written.

    Raises:
        BackdropError: another suffix, or more than a KITTI PNG can hold.
    """
    shown = np.where(known[..., None], flow, 0.0)
    flo = _suffix(path) == ".flo"
    data = _encode_flo(shown, known) if flo else _encode_kitti(path, shown, known)
    write_bytes(path, data)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BackdropError(
            f"'{suffix}' is no format of flow", where=str(path), remedy="known are: .flo, .png"
        )
    return suffix


def _decode_flo(path: Path, data: bytes) -> Flow:
    if data[:4] != MAGIC:
        raise BackdropError(
            "is no .flo file (it does not begin with 'PIEH')", where=str(path), remedy=AGAIN
        )
    width, height = (int.from_bytes(data[at : at + 4], "little") for at in (4, 8))
    promised = HEADER + 8 * width * height
    if len(data) != promised or promised == HEADER:
        raise BackdropError(
            f"has {len(data)} bytes, its header promises {promised} ({width}x{height} px)",
            where=str(path),
            remedy=AGAIN,
        )
    flow = np.frombuffer(data, "<f4", offset=HEADER).reshape(height, width, 2)
    known = (np.abs(flow) <= LARGEST_KNOWN).all(axis=-1)  # false for NaN
    return Flow(np.where(known[..., None], flow, np.float32(0)).astype(np.float32), known)


def _encode_flo(flow: NDArray[np.floating], known: NDArray[np.bool_]) -> bytes:
    height, width = known.shape
    values = np.where(known[..., None], flow, UNKNOWN).astype("<f4")
    return MAGIC + np.array([width, height], "<i4").tobytes() + values.tobytes()


def _decode_kitti(path: Path, data: bytes) -> Flow:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise BackdropError("is cut short, or no PNG", where=str(path), remedy=AGAIN)
    if image.dtype != np.uint16 or image.shape[2:] != (3,):
        channels = image.shape[2] if image.ndim == 3 else 1
        raise BackdropError(
            f"is no flow ({channels} channels of {image.itemsize * 8} bits, KITTI's has 3 of 16)",
            where=str(path),
            remedy=AGAIN,
        )
    known = image[..., 0] > 0  # OpenCV turns the channels u, v, known around
    flow = (image[..., :0:-1].astype(np.float32) - KITTI_ZERO) / np.float32(KITTI_STEPS)
    return Flow(np.where(known[..., None], flow, np.float32(0)).astype(np.float32), known)


def _encode_kitti(path: Path, flow: NDArray[np.floating], known: NDArray[np.bool_]) -> bytes:
    low, high = KITTI_RANGE
    if not ((flow >= low) & (flow <= high)).all():
        raise BackdropError(
            f"flow of {np.abs(flow).max():.0f} px does not fit a PNG ({low:.0f} to {high:.0f} px)",
            where=str(path),
            remedy="write a .flo file",
        )
    steps = np.rint(flow * KITTI_STEPS + KITTI_ZERO) * known[..., None]
    channels = np.concatenate([known[..., None], steps[..., ::-1]], axis=-1)
    _, data = cv2.imencode(".png", channels.astype(np.uint16))
    return data.tobytes()
