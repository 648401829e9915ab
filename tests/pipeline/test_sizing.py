"""Sizes and frame counts that `init` derives from the videos."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.params.preset import compose
from pipeline.params.schema import Params
from pipeline.sizing import (
    ENOUGH_FPS,
    LEAST_FPS,
    LEAST_FRAMES,
    Material,
    frames_kept,
    network_size,
    thinning,
)

DEFAULT = Params()
materials = st.lists(
    st.builds(
        Material,
        width=st.floats(160, 4096),
        height=st.floats(160, 4096),
        frames=st.integers(2, 20_000),
        fps=st.floats(1, 120),
    ),
    min_size=1,
    max_size=20,
)


def test_the_two_known_clips() -> None:
    person = Material(768, 432, 921, 10.0)
    mouse = Material(640, 480, 1590, 30.0)
    assert thinning(1200, [person]) == {"stride": 1, "max_frames": None}
    assert thinning(1200, [mouse]) == {"stride": 2, "max_frames": None}
    assert network_size(DEFAULT, [mouse]) == {"height": 72, "width": 96}
    assert network_size(DEFAULT, [person]) == {"height": 64, "width": 112}


@given(materials)
def test_network_sides_are_allowed_and_keep_area(videos: list[Material]) -> None:
    size = network_size(DEFAULT, videos)
    params = compose({"network": size})  # raises where a side is not allowed
    area = DEFAULT.network.height * DEFAULT.network.width
    if min(size.values()) > 32:
        assert 0.75 < params.network.height * params.network.width / area < 1.3


@given(materials, st.integers(100, 5000))
def test_the_budget_is_kept_and_motion_stays_small(videos: list[Material], budget: int) -> None:
    thinned = thinning(budget, videos)
    params = compose({"extract_frames": thinned})
    assert sum(frames_kept(params, videos)) <= max(budget, LEAST_FRAMES * len(videos))
    slowest = min(video.fps for video in videos)
    assert thinned["stride"] == 1 or slowest / thinned["stride"] >= LEAST_FPS


@given(materials)
def test_what_fits_is_left_alone_but_for_slow_motion(videos: list[Material]) -> None:
    total = sum(video.frames for video in videos)
    thinned = thinning(total, videos)
    assert thinned["max_frames"] is None
    if thinned["stride"] > 1:
        assert min(video.fps for video in videos) > ENOUGH_FPS
        assert all(math.ceil(v.frames / thinned["stride"]) >= LEAST_FRAMES for v in videos)


@pytest.mark.parametrize(
    ("frames", "fps", "stride"),
    [(720, 60.03, 1), (720, 119.88, 2), (720, 240.0, 4), (40, 240.0, 3), (10, 240.0, 1)],
)
def test_slow_motion_is_thinned_to_what_shows_motion(frames: int, fps: float, stride: int) -> None:
    videos = [Material(640, 480, frames, fps), Material(640, 480, 5000, 240.0)]
    assert thinning(10_000, videos)["stride"] == stride


def test_very_many_videos_keep_enough_of_each_to_be_of_use() -> None:
    params = thinning(1200, [Material(640, 480, 300, 30.0)] * 1300)
    assert params["max_frames"] == LEAST_FRAMES
