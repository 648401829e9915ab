"""DAVIS, a model per sequence (4.5): J and F of ours beside what a user would pick instead.

    python -m benchmarks.davis DAVIS_ROOT --to FOLDER [--sequences lucia hike] [--jobs 2]
        [--preset davis2016-cpu] [--set train_model.iterations=500 ...]

FOLDER/SEQUENCE is a project of its own (a clone of this working tree), trained and tested on that
sequence; log.txt in it tells how far it is, sheet.png shows what came out. FOLDER/table.md and
table.csv are written again after each sequence. A finished sequence is not repeated, an interrupted
one goes on where it was. One setting for all sequences; ground truth only scores them (what the
preset owes to lucia's is said in docs/davis.md).
"""

from __future__ import annotations

import argparse
import csv
import io
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import chdir
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.davis_scores import METHODS, Score, score_project
from benchmarks.project import SCORED_EVEN_COLLAPSED, TRAINING, make_project, reproduce
from pipeline.errors import BackdropError
from pipeline.store.atomic import read_json, write_bytes, write_json
from pipeline.store.images import write_png

SEQUENCES = ("lucia", "rollerblade", "hike", "tennis", "car-turn", "horsejump-low")
PRESET = "davis2016-cpu"
FRAMES = Path("JPEGImages", "480p")
RESULT, SHEET = "result.json", "sheet.png"

Result = dict[str, Any]


def run_sequence(folder: Path, frames: Path, preset: str, settings: Sequence[str]) -> Result:
    """Train, predict and score one sequence in a project of its own.

    Returns:
        `scores` [J, F] by method, `training_s`, and the `preset` and `settings` that it was run
        with; read from the project's `result.json` where these are the same.
    """
    run = {"preset": preset, "settings": list(settings)}
    path = folder / RESULT
    if path.exists():
        result: Result = read_json(path)
        if result.items() >= run.items():
            return result
    make_project(folder, frames, preset, [*SCORED_EVEN_COLLAPSED, *settings])
    seconds = reproduce(folder)
    training = sum(time for stage, time in seconds.items() if stage.startswith(TRAINING))
    cv2.setNumThreads(1)
    with chdir(folder):
        scores, sheet = score_project()
    write_png(folder / SHEET, sheet)
    result = {**run, "training_s": round(training, 1), "scores": scores}
    write_json(path, result)
    return result


def rows(results: Mapping[str, Result]) -> list[list[str]]:
    """Sequence, J and F of each method, seconds of training; a header above, the means below.

    A mean is given only where the method has a score for every sequence.
    """
    names = [name for name in METHODS if any(name in one["scores"] for one in results.values())]
    header = ["sequence", *(f"{name} {kind}" for name in names for kind in Score._fields)]
    values = {
        sequence: [
            *(value for name in names for value in result["scores"].get(name, (np.nan, np.nan))),
            result["training_s"],
        ]
        for sequence, result in results.items()
    }
    values["mean"] = list(np.mean(list(values.values()), axis=0))
    body = [
        [sequence, *("" if np.isnan(value) else f"{value:.3f}" for value in scores), f"{last:.0f}"]
        for sequence, (*scores, last) in values.items()
    ]
    return [[*header, "training, s"], *body]


def write_tables(folder: Path, results: Mapping[str, Result]) -> str:
    """`table.md` and `table.csv` in `folder`; the former is also returned."""
    lines = rows(results)
    comma_separated = io.StringIO()
    csv.writer(comma_separated, lineterminator="\n").writerows(lines)
    write_bytes(folder / "table.csv", comma_separated.getvalue().encode())
    rule = ["---"] * len(lines[0])
    table = "".join(f"| {' | '.join(row)} |\n" for row in [lines[0], rule, *lines[1:]])
    write_bytes(folder / "table.md", table.encode())
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="J and F on DAVIS, a model per sequence")
    parser.add_argument("davis", type=Path, metavar="DAVIS_ROOT", help="holds JPEGImages/480p")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--sequences", nargs="+", default=SEQUENCES, metavar="NAME")
    parser.add_argument("--preset", default=PRESET)
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings"
    )
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="sequences at once")
    return parser.parse_args()


def main() -> None:
    """Run the sequences, print the table."""
    asked = _arguments()
    results: dict[str, Result] = {}
    failed = False
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, spawn) as pool:
        running = {
            pool.submit(
                run_sequence,
                asked.to.absolute() / name,
                asked.davis.absolute() / FRAMES / name,
                asked.preset,
                asked.settings,
            ): name
            for name in asked.sequences
        }
        for future in as_completed(running):
            try:
                results[running[future]] = future.result()
            except BackdropError as error:
                print(f"error: {running[future]}: {error}", file=sys.stderr, flush=True)
                failed = True
                continue
            ordered = {name: results[name] for name in asked.sequences if name in results}
            print(write_tables(asked.to, ordered), flush=True)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
