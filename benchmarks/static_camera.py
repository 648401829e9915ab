"""Clips of a static camera without ground truth: do the masks lie on what moves?

    python -m benchmarks.static_camera PROJECT               # after `dvc repro` in PROJECT
    python -m benchmarks.static_camera --run CLIP --to PROJECT [--set compute.threads=1 ...]

The second form makes the project first (preset static-camera) and brings it up to date. The
reference is derived, not annotated: see `benchmarks.moving_region`. Prints a table, and writes
static_camera.png into the project: the region's outline, and the masks.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np

from benchmarks.contact_sheet import Image, contact_sheet, spread
from benchmarks.moving_region import (
    LEAST_SHARE,
    Agreement,
    compare,
    differing_region,
    emptiest_background,
    median_background,
    moving_region,
)
from benchmarks.project import SCORED_EVEN_COLLAPSED, final_masks, make_project, reproduce
from pipeline.errors import BackdropError
from pipeline.evaluation.collect import predicted_videos
from pipeline.frames import open_frames
from pipeline.store.images import write_png

PRESET = "static-camera"
SHEET = "static_camera.png"
SHOWN = 12
HEADER = (
    "video",
    "background",
    "what of it",
    "frames with it",
    "mask overlaps it",
    "region covered",
    "mask inside",
    "frames without",
    "mask empty",
)

MOVES_WITHIN_S = 0.5
BACKGROUNDS = {"median": median_background, "emptiest": emptiest_background}


def examine(video: str) -> tuple[dict[tuple[str, str], Agreement], Image]:
    """One video of the project in the working directory.

    Returns:
        agreement by kind of background, and with what moves or all that differs; a contact sheet
        with what moves by the last kind of background.
    """
    with open_frames(video) as reader:
        frames = reader.read_many(range(reader.count))
        lag = max(1, round(MOVES_WITHIN_S * reader.fps))
    masks = final_masks(video)
    agreements = {}
    for name, of in BACKGROUNDS.items():
        differing = differing_region(frames, of(frames))
        region = moving_region(frames, differing, lag)
        agreements[name, "moves"] = compare(masks, region)
        agreements[name, "differs"] = compare(masks, differing)
    shown = spread(len(frames), SHOWN)
    sheet = contact_sheet(
        {number: frames[number] for number in shown},
        {number: region[number] for number in shown},
        {"ours": masks},
    )
    return agreements, sheet


def row(video: str, background: str, part: str, found: Agreement) -> str:
    """A line of the table in markdown."""
    cells = [
        video,
        background,
        part,
        str(found.frames),
        *(f"{share:.3f}" for share in (found.overlapping, found.covered, found.inside)),
        str(found.resting_frames),
        "" if np.isnan(found.resting_empty) else f"{found.resting_empty:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Masks against the derived moving region")
    parser.add_argument("project", type=Path, nargs="?", help="a project that is up to date")
    parser.add_argument("--run", type=Path, metavar="CLIP", help="make a project of it first")
    parser.add_argument("--to", type=Path, metavar="PROJECT", help="where, with --run")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings"
    )
    asked = parser.parse_args()
    if (asked.run is None) != (asked.to is None) or (asked.project is None) != bool(asked.run):
        parser.error("give PROJECT, or --run CLIP --to PROJECT")
    return asked


def main() -> None:
    """Print the table."""
    asked = _arguments()
    project = (asked.project or asked.to).absolute()
    cv2.setNumThreads(1)
    try:
        if asked.run:
            settings = [*SCORED_EVEN_COLLAPSED, *asked.settings]
            make_project(project, asked.run, PRESET, settings)
            reproduce(project)
        with chdir(project):
            found = {video.video: examine(video.video) for video in predicted_videos()}
            write_png(Path(SHEET), np.concatenate([sheet for _, sheet in found.values()]))
    except BackdropError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"| {' | '.join(HEADER)} |\n{'|---' * len(HEADER)}|")
    for video, (agreements, _) in found.items():
        for (background, part), agreement in agreements.items():
            print(row(video, background, part, agreement))
    print(
        "\nReference: derived from the difference to a background, the median of the frames or "
        f"that of the emptiest of them (components of at least {LEAST_SHARE:.1%} of the frame), "
        f"all of it or what changes within {MOVES_WITHIN_S} s; not ground truth."
    )


if __name__ == "__main__":
    main()
