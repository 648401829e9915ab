"""What costs more where nobody trained: the place, or the people who stand around in it?

    python -m benchmarks.bystanders --to FOLDER [--clips 12] [--seed 101]

Run it in a project that was trained on the built-in data. Renders new subjects before new cameras
in each built-in place, once as it is and once without the people who stand still there, and
predicts them with the project's networks as `backdrop predict` does, with and without `--moving`.
With another seed the places are others, too. Prints a table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from models.segmentation_metrics import region_similarity
from pipeline.errors import BackdropError
from pipeline.new_material.command import predict
from pipeline.new_material.results import MASKS
from pipeline.synthetic import location
from pipeline.synthetic.recipe import ClipSpec, Recipe, read_recipe
from pipeline.synthetic.write import write_clip

RECIPE = Path("data/builtin/recipe.yaml")
FRAMES = 30
FIRST_SUBJECT, FIRST_CAMERA = 100, 900  # the recipe's own end at 44 and 400
HEADER = (
    *("place", "people at rest", "clips", "J", "subject covered", "mask on the subject"),
    *("J, what moves", "subject covered", "mask on the subject"),
)

Mask = NDArray[np.bool_]


@contextmanager
def nobody_at_rest() -> Iterator[None]:
    """Places are painted without bystanders; all else in them stays, for they come last."""
    location.panorama.cache_clear()
    with mock.patch.object(location.put, "bystander"):
        yield
    location.panorama.cache_clear()


def render(recipe: Recipe, place: str, clips: int, folder: Path) -> None:
    for number in range(clips):
        subject, camera = FIRST_SUBJECT + number, FIRST_CAMERA + number
        spec = ClipSpec(f"{folder.name}_{number:02d}", "test", place, subject, camera, FRAMES)
        write_clip(recipe, spec, folder)


def scores(truths: Path, masks: Path) -> tuple[float, float, float]:
    """Means over a clip's frames: J, share of the subject covered, share of the mask on it."""
    found = []
    for file in sorted(truths.glob("*.png")):
        truth, mask = _read(file), _read(masks / f"{int(file.stem):06d}.png")
        both = (truth & mask).sum()
        covered, on_it = both / max(1, truth.sum()), both / max(1, mask.sum())
        found.append((region_similarity(mask, truth), covered, on_it))
    J, covered, on_it = np.mean(found, axis=0)
    return float(J), float(covered), float(on_it)


def _read(file: Path) -> Mask:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) > 127)


def measure(recipe: Recipe, clips: int, to: Path) -> Iterator[tuple[str, ...]]:
    """Rows of the table."""
    folders = {}
    for place in location.LOCATIONS:
        folders[place, "yes"] = to / f"{place}_as_it_is"
        folders[place, "none"] = to / f"{place}_alone"
        render(recipe, place, clips, folders[place, "yes"])
        with nobody_at_rest():
            render(recipe, place, clips, folders[place, "none"])
    ways = {False: to / "predicted", True: to / "predicted_moving"}
    for moving, results in ways.items():
        predict(
            list(folders.values()),
            results,
            stride=1,
            moving=moving,
            overlay=False,
            force=True,
            keep=False,
            say=lambda _: None,
        )
    for (place, people), folder in folders.items():
        names = [file.stem for file in sorted(folder.glob("*.mp4"))]
        means = [
            np.mean([scores(folder / "masks" / name, way / name / MASKS) for name in names], axis=0)
            for way in ways.values()
        ]
        yield (place, people, str(len(names)), *(f"{value:.3f}" for value in np.concatenate(means)))


def main() -> None:
    parser = argparse.ArgumentParser(description="bystanders, and places never seen")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=12, help="per place")
    parser.add_argument("--seed", type=int, help="of the places; by default the recipe's")
    options = parser.parse_args()
    if options.to.exists() and any(options.to.iterdir()):
        parser.error(f"{options.to} is not empty: its clips would be counted, too")
    recipe = read_recipe(RECIPE)
    if options.seed is not None:
        recipe = replace(recipe, seed=options.seed)
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|")
    for row in measure(recipe, options.clips, options.to):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except BackdropError as error:
        sys.exit(f"error: {error}")
