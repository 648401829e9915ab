"""Does a backward flow found with less care tell the forward flow's errors as well?

    python -m benchmarks.flow_confidence ../shared/data/flow \
        ../shared/data/davis2016_train/JPEGImages/480p

Of DIS: the way back as `compute_flow` takes it (`as_check`) against the same care as forward. Pairs
with true flow (FlyingChairs and the like, shrunk), and pairs synthesised from a folder of films.
AUC: of two px, one with an error of more than a px, how often that one has the lower confidence.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.flow.dis import DisFlow
from pipeline.optical_flow.benchmark_pairs import find_pairs, load_pair
from pipeline.optical_flow.residual import consistency
from pipeline.optical_flow.training.pairs import Pair, synthesise

SIDES = (128, 320)
WRONG_PX = 1.0
SYNTHETIC = 30  # pairs per size
Scores = defaultdict[tuple[str, bool], list[tuple[float, float]]]
"""AUC and ms of each pair, by name and `as_check`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="folder of pairs with true flow")
    parser.add_argument("films", type=Path, help="folder of folders of JPEGs, to synthesise from")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found: Scores = defaultdict(list)
    for name, pair in known_pairs(arguments.pairs):
        measure(name, pair, found)
    for name, pair in synthetic_pairs(arguments.films, np.random.default_rng(arguments.seed)):
        measure(name, pair, found)
    print("| pairs | the way back | AUC | ms |\n|---|---|---|---|")
    for (name, as_check), values in found.items():
        auc, ms = np.mean(values, axis=0)
        way = "with less care" if as_check else "as the way there"
        print(f"| {name}, {len(values)} | {way} | {auc:.3f} | {ms:.1f} |")


def known_pairs(folder: Path) -> Iterator[tuple[str, Pair]]:
    """Pairs whose flow is known at every px, shrunk."""
    for found in find_pairs(folder):
        loaded = load_pair(found)
        if not loaded.known.all():
            print(f"{found.name}: left out, its flow is not known everywhere", file=sys.stderr)
            continue
        height, width = loaded.flow.shape[:2]
        for side in SIDES:
            scale = side / max(height, width)
            size = round(width * scale), round(height * scale)
            target, source, flow = (
                cv2.resize(image, size, interpolation=cv2.INTER_AREA)
                for image in (loaded.target, loaded.source, loaded.flow)
            )
            yield f"with true flow, {side} px", Pair(target, source, flow * np.float32(scale))


def synthetic_pairs(films: Path, rng: np.random.Generator) -> Iterator[tuple[str, Pair]]:
    """Pairs made from every 20th frame of each film."""
    frames = [path for film in sorted(films.iterdir()) for path in sorted(film.glob("*.jpg"))[::20]]
    textures = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in frames]
    for side in SIDES:
        height = round(side * 9 / 16)
        for _ in range(SYNTHETIC):
            pair = synthesise(textures, rng, height, side, motion_px=side / 16)
            yield f"synthesised, {side} px", pair


def measure(name: str, pair: Pair, found: Scores) -> None:
    """Adds AUC and ms of both ways back; not where hardly anything or hardly nothing is wrong."""
    dis = DisFlow()
    forward = dis.estimate(pair.target[None], pair.source[None])[0]
    wrong = np.linalg.norm(forward - pair.flow, axis=-1) > WRONG_PX
    if not 0.001 < wrong.mean() < 0.999:
        return
    for as_check in (False, True):
        began = time.process_time()
        back = dis.estimate(pair.source[None], pair.target[None], as_check=as_check)[0]
        ms = 1000 * (time.process_time() - began)
        confidence = consistency(forward, back, np.ones(wrong.shape, bool))
        found[name, as_check].append((auc(confidence[wrong], confidence[~wrong]), ms))


def auc(lower: NDArray[np.uint8], higher: NDArray[np.uint8]) -> float:
    """How often a value of the first is below one of the second; ties count half."""
    first, second = (np.bincount(values, minlength=256) for values in (lower, higher))
    above = second[::-1].cumsum()[::-1] - second
    return float((first * (above + second / 2)).sum() / (len(lower) * len(higher)))


if __name__ == "__main__":
    main()
