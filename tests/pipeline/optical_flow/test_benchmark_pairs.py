"""Every benchmark's layout is found below a folder; halves, nothing, and other sizes are told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.errors import BackdropError
from pipeline.optical_flow.benchmark_pairs import find_pairs, load_pair
from pipeline.optical_flow.formats import write_flow

OCC, NOC, IMAGE = (f"training/{folder}" for folder in ("flow_occ", "flow_noc", "image_2"))
# Files, and the (target, source, flow) to be found in them, in order.
LAYOUTS = {
    "chairs": (
        [f"data/{n}_{part}" for n in (2, 10) for part in ("img1.ppm", "img2.ppm", "flow.flo")],
        [(f"data/{n}_img1.ppm", f"data/{n}_img2.ppm", f"data/{n}_flow.flo") for n in (2, 10)],
    ),
    "chairs of flownet2": (
        ["0-img0.ppm", "0-img1.ppm", "0-gt.flo"],
        [("0-img0.ppm", "0-img1.ppm", "0-gt.flo")],
    ),
    "kitti": (
        [
            *(f"{IMAGE}/00000{n}_1{frame}.png" for n in (0, 1) for frame in (0, 1)),
            *(f"{NOC}/00000{n}_10.png" for n in (0, 1)),
            f"{OCC}/000000_10.png",
            "testing/image_2/000000_10.png",
        ],
        [
            (f"{IMAGE}/000000_10.png", f"{IMAGE}/000000_11.png", f"{OCC}/000000_10.png"),
            (f"{IMAGE}/000001_10.png", f"{IMAGE}/000001_11.png", f"{NOC}/000001_10.png"),
        ],
    ),
    "kitti of 2012, grey and colour": (
        [
            *(f"{camera}_0/000000_1{n}.png" for camera in ("colored", "image") for n in (0, 1)),
            "flow_noc/000000_10.png",
        ],
        [
            (f"{camera}_0/000000_10.png", f"{camera}_0/000000_11.png", "flow_noc/000000_10.png")
            for camera in ("colored", "image")
        ],
    ),
    "middlebury": (
        [
            "other-data/Venus/frame10.png",
            "other-data/Venus/frame11.png",
            "other-data/Walking/frame10.png",
            "other-gt-flow/Venus/flow10.flo",
        ],
        [
            (
                "other-data/Venus/frame10.png",
                "other-data/Venus/frame11.png",
                "other-gt-flow/Venus/flow10.flo",
            )
        ],
    ),
    "sintel": (
        [
            *(f"training/{kind}/a/frame_000{n}.png" for kind in ("clean", "final") for n in (1, 2)),
            "training/flow/a/frame_0001.flo",
            "training/flow_viz/a/frame_0001.png",
        ],
        [
            (
                f"training/{kind}/a/frame_0001.png",
                f"training/{kind}/a/frame_0002.png",
                "training/flow/a/frame_0001.flo",
            )
            for kind in ("clean", "final")
        ],
    ),
    "sintel at ten, one rendering": (
        ["final/a/frame_0009.png", "final/a/frame_0010.png", "flow/a/frame_0009.flo"],
        [("final/a/frame_0009.png", "final/a/frame_0010.png", "flow/a/frame_0009.flo")],
    ),
}


def make(folder, files):
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_found(tmp_path, layout):
    files, expected = LAYOUTS[layout]
    make(tmp_path, files)
    found = find_pairs(tmp_path)
    assert [(pair.target, pair.source, pair.flow) for pair in found] == [
        tuple(tmp_path / name for name in names) for names in expected
    ]
    assert len({pair.name for pair in found}) == len(expected)


def test_all_layouts_side_by_side(tmp_path):
    for number, (files, _) in enumerate(LAYOUTS.values()):
        make(tmp_path / str(number), files)
    assert len(find_pairs(tmp_path)) == sum(len(expected) for _, expected in LAYOUTS.values())


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["a_img1.ppm", "a_flow.flo"], "a_flow.flo: is half a pair: there is no a_img2.ppm below"),
        (["a-gt.flo"], "there is no a-img0.ppm and no a-img1.ppm below"),
        (["a_img1.ppm", "a_img2.ppm"], "a_img1.ppm: is half a pair: there is no flow to it"),
        (["x/flow_occ/7_10.png", "x/image_2/7_10.png"], "there is no x/image_2/7_11.png below"),
        (["other-gt-flow/V/flow10.flo"], "no other-data/V/frame10.png and no other-data/V/frame11"),
        (["flow/s/frame_0001.flo"], "there is no clean/s/frame_0001.png and no clean/s/frame_0002"),
        (
            [
                "clean/s/frame_0001.png",
                "clean/s/frame_0002.png",
                "final/s/frame_0001.png",
                "flow/s/frame_0001.flo",
            ],
            "there is no final/s/frame_0002.png below",
        ),
    ],
)
def test_half_a_pair_is_told(tmp_path, files, told):
    make(tmp_path, files)
    with pytest.raises(BackdropError) as refused:
        find_pairs(tmp_path)
    assert told in str(refused.value)


def test_nothing_is_told_with_what_was_looked_for(tmp_path):
    (tmp_path / "holiday.png").touch()
    for folder, what in ((tmp_path, "holds no pairs"), (tmp_path / "none", "is no folder")):
        with pytest.raises(BackdropError, match=what) as refused:
            find_pairs(folder)
        for name in ("_img1.ppm", "-gt.flo", "flow_occ", "other-gt-flow", "clean or final"):
            assert name in str(refused.value)


def test_a_pair_is_read(test_data):
    pairs = find_pairs(test_data / "flow")
    assert len(pairs) == 7
    target, source, flow, known = load_pair(pairs[0])
    assert target.shape == source.shape == (384, 512, 3)
    assert flow.shape == (384, 512, 2)
    assert known.all()


@pytest.mark.parametrize(
    ("source_size", "flow_size", "known", "told"),
    [
        ((8, 10), (8, 12), True, "a_img2.ppm: has 10x8 px, but a_img1.ppm has 12x8"),
        ((8, 12), (9, 12), True, "a_flow.flo: has 12x9 px, but a_img1.ppm has 12x8"),
        ((8, 12), (8, 12), False, "a_flow.flo: does not know the flow of a single px"),
    ],
)
def test_a_pair_that_does_not_fit_is_told(tmp_path, source_size, flow_size, known, told):
    cv2.imwrite(str(tmp_path / "a_img1.ppm"), np.zeros((8, 12, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "a_img2.ppm"), np.zeros((*source_size, 3), np.uint8))
    write_flow(tmp_path / "a_flow.flo", np.zeros((*flow_size, 2)), np.full(flow_size, known))
    with pytest.raises(BackdropError) as refused:
        load_pair(find_pairs(tmp_path)[0])
    assert told in str(refused.value)
