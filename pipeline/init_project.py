"""`backdrop init --videos`: from videos and a preset to `data/raw/NAME/` and `params.yaml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.doctor import VideoReport, examine_paths, print_reports
from pipeline.errors import BackdropError
from pipeline.intake import RAW_ROOT, collect, data_name, only_adds, place
from pipeline.mask_intake import ground_truth_folder, warn_of_unused_masks
from pipeline.params.data import NAME
from pipeline.params.preset import Preset, compose, load_preset
from pipeline.params.read import PARAMS_FILE
from pipeline.params.schema import Params, read_params
from pipeline.params.write import changed_by_hand, refuse_lost_work, write_params
from pipeline.sizing import Material, frames_kept, network_size, thinning
from pipeline.video.probe import VideoInfo
from pipeline.video.sources import Source

Say = Callable[[str], None]


def init_videos(
    root: Path, paths: list[Path], name: str | None, preset: str | None, *, force: bool, say: Say
) -> None:
    """Check videos, put them under `data/raw/NAME`, and write `params.yaml` for them.

    Nothing is written before everything is known to be sound. Params that were changed by hand stay
    as they are if these are videos that they are for, and more.

    Raises:
        BackdropError: a path without videos, two videos of one name, a video that cannot be used,
            a name that stands for other videos, or params that were changed by hand.
    """
    # What is mistyped is told before minutes of decoding.
    if preset is not None:
        load_preset(preset)
    if name is not None and not re.match(NAME, name):
        raise BackdropError(
            "may hold letters, digits, '_', '.' and '-', and begins with a letter or digit",
            where=f"--name {name!r}",
        )
    sources = collect(paths)
    warn_of_unused_masks(sources)
    reports = examine_paths([source.path for source in sources])
    if not print_reports(reports):
        raise BackdropError(
            "some videos cannot be used; the lines above say why",
            remedy="mend them or leave them out, and run `backdrop init` again",
        )
    chosen = preset or _preset_for(reports)
    name = name or data_name(paths)
    target = RAW_ROOT / name
    material = [_material(report.info) for report in reports if report.info]
    file = root / PARAMS_FILE
    kept = None if force else _params_to_keep(file, target, sources)
    params = kept or fit(load_preset(chosen), name, target, material)
    _refuse_too_short([source.path for source in sources], frames_kept(params, material), params)
    if not kept:
        refuse_lost_work(params, file, force=force)
    placed = place(sources, root / target, force=force)
    masks = sum(ground_truth_folder(source) is not None for source in sources)
    did = "wrote" if placed else "unchanged:"
    say(f"{did} {target}, {len(sources)} video(s), {masks} with masks")
    if kept:
        did = "kept as changed by hand (--force overwrites it):"
    else:
        write_params(params, file, force=force)
        say(f"preset {chosen}: {load_preset(chosen).about}")
        did = "wrote"
    _say_thinning(params, material, say)
    say(f"{did} {PARAMS_FILE}; next: dvc repro")


def _params_to_keep(file: Path, target: Path, sources: list[Source]) -> Params | None:
    """The params that were changed by hand for these videos, where now some are only added."""
    if not changed_by_hand(file) or not only_adds(sources, file.parent / target):
        return None
    params = read_params(file)
    data = params.prepare_data
    return params if data.source == "videos" and Path(data.root) == target else None


def fit(preset: Preset, name: str, folder: Path, videos: Sequence[Material]) -> Params:
    """The preset's params, with the data's name and place and what depends on its videos."""
    data = {"name": name, "source": "videos", "root": folder.as_posix()}
    own: dict[str, Any] = {
        "prepare_data": data,
        "network": network_size(compose(preset.params), videos),
    }
    if preset.frame_budget:
        own["extract_frames"] = thinning(preset.frame_budget, videos)
    return compose(preset.params, own)


def _preset_for(reports: Sequence[VideoReport]) -> str:
    """Without a wish: static-camera if every camera stands still."""
    still = all(report.camera == "static" for report in reports)
    return "static-camera" if still else "moving-camera"


def _material(info: VideoInfo) -> Material:
    return Material(info.width * info.pixel_aspect, info.height, info.frames, info.fps)


def _refuse_too_short(paths: Sequence[Path], kept: Sequence[int], params: Params) -> None:
    """Raise where `stabilize` would, once the videos are already there and extracted."""
    least = params.stabilize.fewest_frames
    for path, count in zip(paths, kept, strict=True):
        if count < least:
            raise BackdropError(
                f"keeps {count} frames, and pairs {params.stabilize.gap} apart need {least}",
                where=str(path),
                remedy="leave it out, or give a longer video",
            )


def _say_thinning(params: Params, videos: Sequence[Material], say: Say) -> None:
    kept, total = sum(frames_kept(params, videos)), sum(video.frames for video in videos)
    if kept < total:
        say(
            f"keeping {kept} of {total} frames, to bound the time on a CPU: "
            "extract_frames.stride and max_frames in params.yaml"
        )
