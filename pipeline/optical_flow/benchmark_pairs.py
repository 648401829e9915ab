"""Pairs with true flow, found below a folder in the layouts that the benchmarks have.

for pair in find_pairs(Path("FlyingChairs_release")):
    target, source, flow, known = load_pair(pair)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BackdropError
from pipeline.optical_flow.formats import read_flow
from pipeline.video.folder import natural_key, read_image


@dataclass(frozen=True)
class BenchmarkPair:
    """Two pictures and the file of the true flow between them; `name` is unique in its set."""

    name: str
    target: Path
    source: Path
    flow: Path


class LoadedPair(NamedTuple):
    """Pictures uint8 RGB (H, W, 3), true flow float32 (H, W, 2) px, bool (H, W) where known."""

    target: NDArray[np.uint8]
    source: NDArray[np.uint8]
    flow: NDArray[np.float32]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class _Layout:
    """Where a benchmark keeps its files; paths relative to the folder, with `/`.

    Attributes:
        flow: pattern of a flow file; its groups fill the braces of the others, and {next} is {n}
            and one more.
        pictures: (target, source) to each flow; several where one flow serves several renderings.
        picture: pattern of a picture that means nothing without its flow.
    """

    name: str
    flow: str
    pictures: tuple[tuple[str, str], ...]
    picture: str = "(?!)"


LAYOUTS = (
    _Layout(
        "FlyingChairs (NAME_img1.ppm, NAME_img2.ppm, NAME_flow.flo)",
        r"(?P<stem>.*)_flow\.flo",
        (("{stem}_img1.ppm", "{stem}_img2.ppm"),),
        r".*_img[12]\.ppm",
    ),
    _Layout(
        "FlyingChairs (NAME-img0.ppm, NAME-img1.ppm, NAME-gt.flo)",
        r"(?P<stem>.*)-gt\.flo",
        (("{stem}-img0.ppm", "{stem}-img1.ppm"),),
        r".*-img[01]\.ppm",
    ),
    _Layout(
        "KITTI (image_2, or of 2012 colored_0 or image_0, with N_10.png and N_11.png; "
        "flow_occ/N_10.png or flow_noc/N_10.png)",
        r"(?P<root>(?:.*/)?)flow_(occ|noc)/(?P<n>\d+)_10\.png",
        (
            ("{root}image_2/{n}_10.png", "{root}image_2/{n}_11.png"),
            ("{root}colored_0/{n}_10.png", "{root}colored_0/{n}_11.png"),
            ("{root}image_0/{n}_10.png", "{root}image_0/{n}_11.png"),
        ),
    ),
    _Layout(
        "Middlebury (other-data/NAME/frame10.png, frame11.png, other-gt-flow/NAME/flow10.flo)",
        r"(?P<root>(?:.*/)?)other-gt-flow/(?P<scene>[^/]+)/flow10\.flo",
        (("{root}other-data/{scene}/frame10.png", "{root}other-data/{scene}/frame11.png"),),
    ),
    _Layout(
        "Sintel (clean or final/SCENE/frame_0001.png, frame_0002.png, flow/SCENE/frame_0001.flo)",
        r"(?P<root>(?:.*/)?)flow/(?P<scene>[^/]+)/frame_(?P<n>\d+)\.flo",
        (
            ("{root}clean/{scene}/frame_{n}.png", "{root}clean/{scene}/frame_{next}.png"),
            ("{root}final/{scene}/frame_{n}.png", "{root}final/{scene}/frame_{next}.png"),
        ),
    ),
)


def find_pairs(folder: Path) -> list[BenchmarkPair]:
    """All pairs below a folder, in all layouts, in natural order of their names.

    Of KITTI's two truths, the one with occluded px (`flow_occ`) is taken where both are there.

    Raises:
        BackdropError: no folder, nothing found in it, or half a pair.
    """
    if not folder.is_dir():
        raise BackdropError("is no folder", where=str(folder), remedy=_looked_for())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pairs = {  # flow_occ comes after flow_noc and takes its place
        pair.name: pair for layout in LAYOUTS for pair in _pairs_in(folder, files, layout)
    }
    if not pairs:
        raise BackdropError(
            "holds no pairs with true flow", where=str(folder), remedy=_looked_for()
        )
    return sorted(pairs.values(), key=lambda pair: natural_key(pair.name))


def load_pair(pair: BenchmarkPair) -> LoadedPair:
    """Read the pictures and the flow.

    Raises:
        BackdropError: a file is cut short or not what it should be, sizes differ, or no flow is
            known.
    """
    target, source = read_image(pair.target), read_image(pair.source)
    flow, known = read_flow(pair.flow)
    for path, size in ((pair.source, source.shape[:2]), (pair.flow, known.shape)):
        if size != target.shape[:2]:
            raise BackdropError(
                f"has {size[1]}x{size[0]} px, but {pair.target.name} has "
                f"{target.shape[1]}x{target.shape[0]}",
                where=str(path),
                remedy=f"{pair.flow.name} and its two frames must have one size",
            )
    if not known.any():
        raise BackdropError(
            "does not know the flow of a single px",
            where=str(pair.flow),
            remedy="copy it again, or take the pair out",
        )
    return LoadedPair(target, source, flow, known)


def _pairs_in(folder: Path, files: set[str], layout: _Layout) -> Iterator[BenchmarkPair]:
    used = set()
    for flow in sorted(files):
        match = re.fullmatch(layout.flow, flow)
        if match:
            for target, source in _pictures(folder, files, layout, match):
                used |= {target, source}
                yield BenchmarkPair(
                    target.rpartition(".")[0], folder / target, folder / source, folder / flow
                )
    for picture in sorted(files - used):
        if re.fullmatch(layout.picture, picture):
            raise _half(folder / picture, f"there is no flow to it, as in {layout.name}")


def _pictures(
    folder: Path, files: set[str], layout: _Layout, match: re.Match[str]
) -> list[tuple[str, str]]:
    """The pictures to a flow; of several renderings those that are there, but not a half."""
    groups = match.groupdict()
    if "n" in groups:
        groups["next"] = f"{int(groups['n']) + 1:0{len(groups['n'])}}"
    wanted = [(a.format(**groups), b.format(**groups)) for a, b in layout.pictures]
    missing = [[name for name in pair if name not in files] for pair in wanted]
    found = [pair for pair, lacks in zip(wanted, missing, strict=True) if not lacks]
    half = next((lacks for lacks in missing if len(lacks) == 1), None)
    if half or not found:
        names = " and no ".join(half or missing[0])
        raise _half(folder / match.string, f"there is no {names} below {folder}")
    return found


def _half(path: Path, what: str) -> BackdropError:
    return BackdropError(
        f"is half a pair: {what}", where=str(path), remedy="complete it, or take it away"
    )


def _looked_for() -> str:
    return "looked for " + "; ".join(layout.name for layout in LAYOUTS)
