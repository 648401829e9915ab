"""The artifact of known backgrounds (3.1): one per video of a still camera, or pictures given.

It lies where the inpainter would, `artifacts/inpainter_rgb`, and `load_inpainter` reads either.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.background_estimation import BackgroundEstimate, coverage, estimate_background
from models.camera import EdgeMotionMeter
from models.known_background import KnownBackground
from pipeline.errors import BackdropError
from pipeline.frames import open_frames
from pipeline.image_batches import fit
from pipeline.job import Job
from pipeline.networks import KNOWN_BACKGROUND, save_network
from pipeline.params.training import Network, RgbInpainter
from pipeline.pool import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.store.paths import inpainter
from pipeline.training.curves import Curves
from pipeline.training.finish import require_unchanged
from pipeline.training_set import Part, training_set
from pipeline.video.folder import folder_images, read_image

log = logging.getLogger("backdrop")

MOST_FRAMES, MOST_MIB = 200, 128  # looked at per video, evenly spread
RARELY_SEEN = 0.5  # of the frames
WEAK_SHARE = 0.1
"""Share of rarely seen pixels from which a background is doubtful."""

Images = NDArray[np.uint8]


def write_known_background(
    params: RgbInpainter, network: Network, camera: Literal["auto", "static"]
) -> None:
    """Find the backgrounds of all training videos and write `artifacts/inpainter_rgb`.

    Args:
        camera: of `stabilize`: whether the frames may say that it moves.

    Raises:
        BackdropError: a camera moves, or a cut leads to another view (`median`); no readable
            picture (`image`); frames or params were changed meanwhile.
    """
    given = None if params.background == "median" else read_pictures(params, network)
    jobs = [Job(name, count, "", network) for name, count in training_set().counts.items()]
    with Progress("background", sum(job.size for job in jobs), "frames") as progress:
        found = run_jobs(jobs, partial(_background, given, camera == "static"), progress)
    known = given or {video: estimate.image for video, estimate in found.items()}
    videos = {video: _judge(video, one.coverage) for video, one in found.items()}
    config = {
        "schema": KNOWN_BACKGROUND,
        "source": params.background,
        "network": network.model_dump(),
        "backgrounds": list(known),
        "videos": videos,
    }
    require_unchanged(Part.FRAMES)
    save_network(inpainter("rgb"), _stack(known, found), config)
    curves = Curves("train_inpainter_rgb", [])
    for step, numbers in enumerate(videos.values(), start=1):
        curves.log(step, {"coverage": numbers["coverage"]})
    curves.close()


def read_pictures(params: RgbInpainter, network: Network) -> dict[str, Images]:
    """The pictures of `background_images` by name, (H, W, 3) at the network's size.

    Raises:
        BackdropError: missing, none in the folder, or unreadable.
    """
    path = Path(params.background_images)
    files = folder_images(path) if path.is_dir() else [path]
    if not files or not path.exists():
        raise BackdropError(
            "holds no picture" if path.is_dir() else "is missing",
            where=f"train_inpainter.rgb.background_images: {path}",
            remedy="put a picture of the empty view there, or set background to median",
        )
    return {file.name: fit(read_image(file), network.height, network.width) for file in files}


def _background(
    given: Mapping[str, Images] | None, rests: bool, job: Job[Network], advance: Advance
) -> BackgroundEstimate:
    """One video's estimated background, or that of the given ones which it shows; in a worker."""
    frames, shots = _sample(job, advance)
    if given is None:
        _require_one_view(job.video, shots, rests)
        return estimate_background(frames)
    seen = [BackgroundEstimate(image, coverage(frames, image)) for image in given.values()]
    return max(seen, key=lambda one: float(one.coverage.mean()))


def _sample(job: Job[Network], advance: Advance) -> tuple[Images, dict[int, EdgeMotionMeter]]:
    """Frames (T, H, W, 3) spread over the video, at the network's size, and its shots."""
    height, width = job.data.height, job.data.width
    most = min(MOST_FRAMES, max(16, MOST_MIB * 2**20 // (height * width * 3)))
    chosen = set(np.linspace(0, job.size - 1, min(most, job.size)).astype(int).tolist())
    shot, frames = EdgeMotionMeter(), []
    shots = {0: shot}
    with open_frames(job.video) as reader:
        for number in range(job.size):
            image = reader.read(number)
            if number in reader.cuts:
                shot = shots[number] = EdgeMotionMeter()
            shot.add(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)))
            if number in chosen:
                frames.append(fit(image, height, width))
            advance(1)
    return np.stack(frames), shots


def _require_one_view(video: str, shots: Mapping[int, EdgeMotionMeter], rests: bool) -> None:
    """Of shots by their first frame; `rests`: the camera is known to stand still in each."""
    others = (start for start, shot in shots.items() if not shot.same_view(shots[0]))
    start = next(others, None)
    if start is None and (rests or all(shot.still for shot in shots.values())):
        return
    remedy = (
        "leave the video out, or set train_inpainter.rgb.background to inpainted and "
        "train_model.objective to disentangled"
    )
    if start is None:
        seen = "its camera moves"
        remedy += "; if it does stand still, set stabilize.camera to static"
    else:
        seen = f"another view begins at frame {start}"
    raise BackdropError(f"{seen}, so that it has no one background", where=video, remedy=remedy)


def _judge(video: str, seen: NDArray[np.float32]) -> dict[str, float]:
    """Numbers of a coverage map, told; a background that is rarely seen is a warning."""
    rare = float((seen < RARELY_SEEN).mean())
    mean = float(seen.mean())
    doubt = ": look at the report's pictures of it" if rare > WEAK_SHARE else ""
    log.log(
        logging.WARNING if doubt else logging.INFO,
        "%s: %.0f%% of the frames agree with the background, fewer than half in %.0f%% of it%s",
        video, 100 * mean, 100 * rare, doubt,
    )  # fmt: skip
    return {"coverage": round(mean, 4), "rarely_seen": round(rare, 4)}


def _stack(known: Mapping[str, Images], found: Mapping[str, BackgroundEstimate]) -> KnownBackground:
    """All backgrounds, with the mean coverage of the videos that show each."""
    images = list(known.values())
    module = KnownBackground(len(images), *images[0].shape[:2])
    for place, image in enumerate(images):
        seen = [one.coverage for one in found.values() if np.array_equal(one.image, image)]
        module.backgrounds[place] = torch.from_numpy(image).permute(2, 0, 1).float() / 255
        if seen:
            module.coverage[place, 0] = torch.from_numpy(np.mean(seen, axis=0))
    return module
