"""`backdrop init --videos`: from videos and a preset to `data/raw/NAME/` and `params.yaml`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.doctor import VideoReport, examine_paths, print_reports
from pipeline.errors import BackdropError
from pipeline.init_notes import camera_note, doubt_note, shape_note, thinning_note
from pipeline.intake import RAW_ROOT, collect, data_name, linked, place, refuse_loss
from pipeline.mask_intake import ground_truth_folder, warn_of_unused_masks
from pipeline.params.data import NAME
from pipeline.params.fitted import Fitted, read_fitted, refit
from pipeline.params.overrides import put
from pipeline.params.preset import compose, load_preset
from pipeline.params.read import PARAMS_FILE, validate
from pipeline.params.schema import Params, read_params
from pipeline.params.write import changed_by_hand, refuse_lost_work, render_params
from pipeline.params.yaml_text import load_yaml
from pipeline.sizing import Material, frames_kept, network_size, thinning
from pipeline.splits import trained_on
from pipeline.store.atomic import write_bytes
from pipeline.video.probe import VideoInfo
from pipeline.video.sources import Source, find_videos

Say = Callable[[str], None]


def init_videos(
    root: Path,
    paths: list[Path],
    name: str | None,
    preset: str | None,
    *,
    force: bool,
    reset_params: bool,
    say: Say,
) -> None:
    """Check videos, put them under `data/raw/NAME`, and write `params.yaml` for them.

    Nothing is written before everything is known to be sound. Params for this folder that were
    changed by hand stay; of them, only what `init` itself has fitted to the videos is fitted anew.

    Args:
        force: replace other videos in the folder.
        reset_params: overwrite params that were changed by hand.

    Raises:
        BackdropError: a path without videos, two videos of one name, a video that cannot be used,
            a name that stands for other videos, or params changed by hand for another folder.
    """
    file, target = root / PARAMS_FILE, RAW_ROOT / (name or data_name(paths))
    # What is mistyped, or in the way, is told before minutes of decoding.
    _refuse_mistyped(preset, name)
    sources = collect(paths)
    before = None if reset_params else _changed_for(target, file)
    if before is None:
        refuse_lost_work(None, file, force=reset_params)
    if not force:
        refuse_loss(sources, root / target)
    reports = _examine(sources)
    chosen = preset or _preset_for(reports)
    videos = {report.video: _material(report.info) for report in reports if report.info}
    if before is None:
        text = _fresh(chosen, target, videos)
    else:
        text = _refitted(before, videos, set() if force else _names_in(root / target))
    params = validate(Params, load_yaml(text), file, prefix=())
    material = list(videos.values())
    _refuse_too_short([source.path for source in sources], frames_kept(params, material), params)
    _place(sources, root / target, force, say)
    if text != before:
        write_bytes(file, text.encode())
    notes = (
        shape_note(params, videos),
        thinning_note(params, videos),
        camera_note(params, reports, chosen=preset is None and before is None),
        doubt_note(reports),
    )
    for note in filter(None, notes):
        say(note)
    if before is not None:
        _tell_kept(before, text, preset, say)
        return
    say(f"preset {chosen}: {load_preset(chosen).about}")
    say(f"wrote {PARAMS_FILE}; next: dvc repro")


def _tell_kept(before: str, text: str, preset: str | None, say: Say) -> None:
    """What became of params that were changed by hand."""
    if text != before:
        say(f"fitted anew to these videos: {_differences(before, text)}")
    fitted = read_fitted(text)
    ignored = preset is not None and (fitted is None or fitted.preset != preset)
    kept = "kept as changed by hand" + (f", without --preset {preset}" if ignored else "")
    say(f"{kept} (--reset-params overwrites it): {PARAMS_FILE}; next: dvc repro")


def _refuse_mistyped(preset: str | None, name: str | None) -> None:
    if preset is not None:
        load_preset(preset)
    if name is not None and not re.match(NAME, name):
        raise BackdropError(
            "may hold letters, digits, '_', '.' and '-', and begins with a letter or digit",
            where=f"--name {name!r}",
        )


def _examine(sources: list[Source]) -> list[VideoReport]:
    """Print what each video is; raise if one cannot be used."""
    warn_of_unused_masks(sources)
    reports = examine_paths([source.path for source in sources])
    if not print_reports(reports):
        raise BackdropError(
            "some videos cannot be used; the lines above say why",
            remedy="mend them or leave them out, and run `backdrop init` again",
        )
    return reports


def fit(name: str, videos: Mapping[str, Material], crop: tuple[float, ...] | None = None) -> Fitted:
    """What of a preset depends on its videos, for frames cropped so."""
    preset = load_preset(name)
    material = list(videos.values())
    params = compose(preset.params, {"extract_frames": {"crop": crop}})
    values = {f"network.{key}": value for key, value in network_size(params, material).items()}
    if preset.frame_budget:
        thinned = thinning(preset.frame_budget, material)
        values |= {f"extract_frames.{key}": value for key, value in thinned.items()}
    return Fitted(name, values)


def _fresh(preset: str, target: Path, videos: Mapping[str, Material]) -> str:
    """The text of `params.yaml` by a preset, for the videos in a folder."""
    data = {"name": target.name, "source": "videos", "root": target.as_posix()}
    own: dict[str, Any] = {"prepare_data": data}
    fitted = fit(preset, videos)
    for key, value in fitted.values.items():
        put(own, key, value)
    return render_params(compose(load_preset(preset).params, own), fitted)


def _changed_for(target: Path, file: Path) -> str | None:
    """The text of params that were changed by hand and are for the videos in this folder."""
    if not changed_by_hand(file):
        return None
    data = read_params(file).prepare_data
    folder = file.parent / data.root
    mine = data.source == "videos" and folder.resolve() == (file.parent / target).resolve()
    return file.read_text(encoding="utf-8") if mine else None


def _names_in(folder: Path) -> set[str]:
    """The videos that an earlier `init` has put there, as far as they can be told."""
    try:
        return {source.video for source in find_videos([folder])}
    except BackdropError:  # it is not there, or `place` says what is wrong with it
        return set()


def _refitted(before: str, videos: Mapping[str, Material], there: Collection[str]) -> str:
    """The text with what the last `init` fitted to its videos, and nobody has set, fitted anew.

    To the videos that are trained on, and only if they are others than those that are `there`:
    else a test video more would train all anew. A crop may be new, and decides shapes, too.
    """
    fitted = read_fitted(before)
    if fitted is None:
        return before
    params = Params.model_validate(load_yaml(before))
    names = trained_on(params.prepare_data, list(videos)) or list(videos)
    known = set(trained_on(params.prepare_data, list(there)))
    if set(names) == known and params.extract_frames.crop is None:
        return before
    decisive = {name: videos[name] for name in names}
    return refit(before, fit(fitted.preset, decisive, params.extract_frames.crop))


def _differences(before: str, after: str) -> str:
    """Of what was fitted, by key."""
    old, new = read_fitted(before), read_fitted(after)
    was, now = old.values if old else {}, new.values if new else {}
    return ", ".join(
        f"{key} {json.dumps(value)} (was {json.dumps(was[key])})"
        for key, value in now.items()
        if was[key] != value
    )


def _place(sources: list[Source], target: Path, force: bool, say: Say) -> None:
    placed = place(sources, target, force=force)
    masks = sum(ground_truth_folder(source) is not None for source in sources)
    did = "wrote" if placed else "unchanged:"
    say(f"{did} {target}, {len(sources)} video(s), {masks} with masks")
    if placed and linked(target):
        say(
            "the videos in it are your own files under another name (hard links): do not edit them "
            "there; change yours, and run `backdrop init` again"
        )


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
