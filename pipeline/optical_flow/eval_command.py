"""`backdrop eval-flow`: how well flow backends do on pairs whose flow is known."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import cv2
import torch

from pipeline.errors import BackdropError, did_you_mean
from pipeline.optical_flow.benchmark_pairs import BenchmarkPair, find_pairs
from pipeline.optical_flow.choose import Choice, available, choose_estimator
from pipeline.optical_flow.evaluation import PairScore, evaluate, format_table, summarise
from pipeline.params.flow import Backend, ComputeFlow
from pipeline.progress import Progress
from pipeline.stage import start_log
from pipeline.store.atomic import require_writable, write_bytes
from pipeline.store.images import write_png

ALL = "all"
DIGITS = 6  # of the numbers in the CSV


def eval_flow(
    folder: Path,
    backends: Sequence[str],
    weights: Path,
    pictures: Path | None,
    csv_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Evaluate, print a table, and write what is asked for.

    Args:
        folder: of pairs, see `benchmark_pairs`.
        backends: names as in `compute_flow.backend`, or `all` that can run here.
        weights: file or folder of weights.
        pictures: folder for a PNG per pair.
        csv_file: for a line per backend and pair.

    Raises:
        BackdropError: an unknown backend, no pairs, one path for two outputs, a file that cannot
            be read or written, a network that does not fit the memory of the GPU, or flow that is
            not finite.
    """
    start_log()
    pairs = find_pairs(folder)
    choices = choose(backends, weights)
    if csv_file is not None and csv_file == pictures:
        raise BackdropError(
            "is given for both the table and the folder of pictures",
            where=str(csv_file),
            remedy="give --csv and --pictures different paths",
        )
    if csv_file is not None:
        require_writable(csv_file)
    if pictures is not None:
        require_writable(_picture(pictures, pairs[0]))
    for choice in choices:
        say(f"{choice.name}: {choice.reason}")
    estimators = [choice.make() for choice in choices]
    scores: list[PairScore] = []
    with Progress("eval-flow", len(estimators) * len(pairs), "estimates") as progress:
        for result in evaluate(estimators, pairs, progress.advance):
            scores += result.scores
            if pictures is not None:
                from pipeline.optical_flow.comparison import draw_comparison

                write_png(_picture(pictures, result.pair), draw_comparison(result))
    say(f"\n{len(pairs)} pairs in {folder}; {_machine(choices)}\n")
    say(format_table(summarise(scores)))
    if csv_file is not None:
        write_bytes(csv_file, _as_csv(scores).encode())


def choose(backends: Sequence[str], weights: Path) -> list[Choice]:
    """A choice per backend, none twice.

    Raises:
        BackdropError: an unknown backend, or its weights are missing.
    """
    known = (*get_args(Backend), ALL)
    choices = []
    for name in backends:
        if name not in known:
            raise BackdropError(
                "is no backend", where=f"--backend {name}", remedy=did_you_mean(name, known)
            )
        if name == ALL:
            choices += available(ComputeFlow(weights=str(weights)))
        else:
            asked = {"backend": name, "weights": str(weights)}
            choices.append(choose_estimator(ComputeFlow.model_validate(asked)))
    return list({choice.name: choice for choice in choices}.values())


def _picture(folder: Path, pair: BenchmarkPair) -> Path:
    return folder / f"{pair.name.replace('/', '_')}.png"


def _machine(choices: Iterable[Choice]) -> str:
    threads = f"CPU with {torch.get_num_threads()} threads (OpenCV: {cv2.getNumThreads()})"
    on_gpu = any(choice.device == "cuda" for choice in choices)
    return f"{torch.cuda.get_device_name(0)}; {threads}" if on_gpu else threads


def _as_csv(scores: Sequence[PairScore]) -> str:
    text = io.StringIO()
    rows = [asdict(score) for score in scores]
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else round(value, DIGITS)
