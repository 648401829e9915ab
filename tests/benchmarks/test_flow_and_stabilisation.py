"""The benchmarks of flow and of stabilisation measure what they say, on a clip of known motion."""

from __future__ import annotations

import re
import sys
from itertools import pairwise

import numpy as np
import pytest
from helpers_motion import pan, texture
from helpers_video import write_video

from benchmarks import flow, stabilize
from pipeline.params.data import Stabilize

FRAMES = 12


@pytest.fixture
def clip(tmp_path):
    """A pan of 2 px a frame over a wall, on which a square moves by 3 px more."""
    frames = pan(FRAMES, (96, 128), 2.0)
    for t, frame in enumerate(frames):
        frame[30:58, 30 + t : 58 + t] = texture(28, 28, seed=9)
    return write_video(tmp_path / "clip.mp4", frames)


@pytest.mark.parametrize("asked_for", [FRAMES, FRAMES + 50])
def test_both_ways_of_the_flow_find_the_same_flow_and_are_timed(
    clip, monkeypatch, capsys, asked_for
):
    asked = ["flow", str(clip), "--frames", str(asked_for), "--side", "128", "--turns", "1"]
    monkeypatch.setattr(sys, "argv", asked)
    flow.main()
    told = capsys.readouterr().out
    assert f"128x96 px, {FRAMES - 1} pairs\n\ndis-medium\n" in told
    apart, length = re.search(r"differ by ([\d.]+) px.*mean length is ([\d.]+) px", told).groups()
    assert float(apart) < 0.1 * float(length)
    loop, ours, speed_up = (
        float(re.search(pattern, told)[1])
        for pattern in (r"plain loop +([\d.]+)", r"ours +([\d.]+)", r"speed-up ([\d.]+)")
    )
    assert speed_up == pytest.approx(ours / loop, rel=0.02)


def test_every_way_of_stabilising_aligns_a_pan(clip):
    frames = stabilize.read(clip, FRAMES, 128)
    pairs, before = list(pairwise(frames)), [np.eye(3)] * (FRAMES - 1)
    for way in (stabilize.ours, stabilize.keypoints_alone, stabilize.per_pair):
        found = way(frames, Stabilize())
        shifts = np.array([H[:2, 2] for H in found])
        assert np.abs(np.median(shifts, axis=0) - [2.0, 0.0]).max() < 0.2
        assert stabilize.alignment(pairs, found) < 0.5 * stabilize.alignment(pairs, before)
    assert stabilize.measure(frames).count("|") == 6


def test_what_is_left_is_of_the_pairs_that_every_way_solves(clip, monkeypatch):
    """The peer fails at the one pair that the others align badly."""
    frames = stabilize.read(clip, FRAMES, 128)
    good, bad = np.eye(3), np.full((3, 3), np.nan)
    good[0, 2] = 2.0
    ours = [np.eye(3), *[good] * (FRAMES - 2)]
    monkeypatch.setattr(stabilize, "ours", lambda *_: ours)
    monkeypatch.setattr(stabilize, "keypoints_alone", lambda *_: [good] * (FRAMES - 1))
    monkeypatch.setattr(stabilize, "per_pair", lambda *_: [bad, *[good] * (FRAMES - 2)])
    columns = stabilize.measure(frames).split(" | ")
    assert columns[1] == columns[3] == columns[5]


def test_frames_with_hardly_a_keypoint_have_no_homography():
    flat = np.full((64, 96, 3), 100, np.uint8)
    flat[30:34, 40:44] = 255
    (H,) = stabilize.per_pair([flat, flat], Stabilize())
    assert np.isnan(H).all()
