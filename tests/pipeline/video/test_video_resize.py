"""The cached size keeps the aspect that a viewer sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BackdropError
from pipeline.video.resize import plan

CLIP = Path("a.mp4")


@settings(deadline=None, max_examples=40)
@given(
    st.integers(64, 4000), st.integers(64, 4000), st.floats(0.7, 1.5), st.sampled_from([128, 256])
)
def test_longest_side_aspect_and_multiples(width, height, pixel_aspect, longest):
    framing = plan(CLIP, width, height, pixel_aspect, longest, None)
    assert max(framing.width, framing.height) == longest
    assert framing.width % 8 == framing.height % 8 == 0
    shown = width * pixel_aspect / height
    expected = longest * min(shown, 1 / shown)
    assert abs(min(framing.width, framing.height) - max(expected, 8)) <= 4.001


def test_shrinking_averages_areas():
    checker = np.indices((64, 64)).sum(axis=0) % 2 * 200
    image = np.repeat(checker[..., None], 3, axis=2).astype(np.uint8)
    shrunk = plan(CLIP, 64, 64, 1.0, 32, None).apply(image)
    assert shrunk.shape == (32, 32, 3)
    assert (shrunk == 100).all()


def test_crop_takes_its_part():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:80, 50:150] = 255
    framing = plan(CLIP, 200, 100, 1.0, 104, (0.25, 0.2, 0.5, 0.6))
    assert (framing.left, framing.top, framing.crop_width, framing.crop_height) == (50, 20, 100, 60)
    assert (framing.apply(image) == 255).all()


def test_crop_that_leaves_nothing():
    with pytest.raises(BackdropError, match=r"crop: leaves 0x100 px of the 200x100 px of a\.mp4"):
        plan(CLIP, 200, 100, 1.0, 128, (1.0, 0.0, 0.5, 1.0))


@pytest.mark.parametrize(("width", "height"), [(2, 2), (400, 7)])
def test_a_frame_without_room_for_anything_is_told_by_its_video(width, height):
    with pytest.raises(
        BackdropError, match=rf"^a\.mp4: is {width}x{height} px, and 8 are the least"
    ):
        plan(CLIP, width, height, 1.0, 128, None)
