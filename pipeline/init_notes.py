"""What `init` tells of videos that the params do not suit in full."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.doctor import VideoReport
from pipeline.errors import listed
from pipeline.params.schema import Params
from pipeline.sizing import ENOUGH_FPS, Material, aspect, frames_kept

BEARABLE = 1.3  # factor between a video's aspect and the network's
SHOWN = 3  # videos in a line
BROKEN = "looks broken"


def thinning_note(params: Params, videos: Mapping[str, Material]) -> str | None:
    """Which frames are not kept; None where all are."""
    counts = dict(zip(videos, frames_kept(params, list(videos.values())), strict=True))
    kept, total = sum(counts.values()), sum(video.frames for video in videos.values())
    if kept == total:
        return None
    stride = params.extract_frames.stride
    cut = {
        name: f"{name}: the first {counts[name] * stride / video.fps:.0f} of "
        f"{video.frames / video.fps:.0f} s"
        for name, video in videos.items()
        if counts[name] < math.ceil(video.frames / stride)
    }
    told, keys = f"keeping {kept} of {total} frames", []
    if stride > 1:
        told += f", 1 in {stride}"
        if min(video.fps for video in videos.values()) >= 1.5 * ENOUGH_FPS:
            told += " (neighbouring frames of slow motion show next to no motion)"
        keys.append("extract_frames.stride")
    if cut:
        told += f", and only the beginning of {len(cut)} video(s) ({listed(cut.values(), SHOWN)})"
        keys.append("extract_frames.max_frames")
    return (
        f"{told}; the others get no masks. To keep more, which takes longer: "
        f"{' and '.join(keys)} in params.yaml"
    )


def shape_note(params: Params, videos: Mapping[str, Material]) -> str | None:
    """Which videos are squeezed to the network's shape; None where all suit it."""
    network = params.network
    shape = network.width / network.height
    factors = {name: aspect(params, video) / shape for name, video in videos.items()}
    squeezed = {
        name: f"{name} by {max(factor, 1 / factor):.1f}"
        for name, factor in factors.items()
        if max(factor, 1 / factor) > BEARABLE
    }
    if not squeezed:
        return None
    remedy = (
        "set extract_frames.crop to a part of another shape"
        if len(videos) == 1
        else "crop their files to the others' shape, or run `init` on them alone (--name)"
    )
    return (
        f"{len(squeezed)} of {len(videos)} video(s) have another shape than the network "
        f"({network.width}x{network.height}) and are squeezed to it: "
        f"{listed(squeezed.values(), SHOWN)} — {remedy}"
    )


def camera_note(params: Params, reports: Sequence[VideoReport], *, chosen: bool) -> str | None:
    """Which cameras were not seen to stand still, where that decides; None where it does not.

    Args:
        chosen: whether `init` itself has chosen the preset, by the cameras.
    """
    others = [
        f"{report.video} ({report.camera}: {report.camera_why})"
        for report in reports
        if report.camera != "static"
    ]
    if not others:
        return None
    if params.train_inpainter.rgb.background == "median":
        return (
            "params.yaml asks for the background of a camera that stands still, and not all do, "
            f"as it seems: {listed(others, SHOWN)} — leave them out, or take --preset moving-camera"
        )
    if not chosen:
        return None
    return (
        f"the preset is one for moving cameras because of {listed(others, SHOWN)} — "
        "if all stand still, give --preset static-camera"
    )


def doubt_note(reports: Sequence[VideoReport]) -> str | None:
    """Which videos hardly suit the method; None where all may."""
    doubtful = [
        report.video
        for report in reports
        if report.subject is None or BROKEN in (report.a1.state, report.a2.state)
    ]
    if not doubtful:
        return None
    return f"these may not suit the method, the lines above say why: {listed(doubtful, SHOWN)}"
