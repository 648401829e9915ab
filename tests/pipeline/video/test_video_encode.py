"""A written video has the frames it was given, its rate and size, and the same bytes again."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from helpers_video import texture

from pipeline.video.encode import open_encoder

IMAGES = [texture(48, 64, seed) for seed in range(5)]


def write(path, crf=12):
    with open_encoder(path, Fraction(25, 2), 48, 64, crf) as encode:
        for image in IMAGES:
            encode(image)
    return path.read_bytes()


def test_frames_rate_and_size_are_those_given(tmp_path):
    write(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert (stream.height, stream.width, stream.average_rate) == (48, 64, Fraction(25, 2))
    assert len(shown) == 5
    for picture, image in zip(shown, IMAGES, strict=True):
        assert np.abs(picture.astype(int) - image).mean() < 12
        assert np.abs(picture.astype(int) - IMAGES[0]).mean() > 30 or image is IMAGES[0]


def test_bytes_repeat_and_quality_costs_some(tmp_path):
    assert write(tmp_path / "a.mp4") == write(tmp_path / "b.mp4")
    assert len(write(tmp_path / "a.mp4", crf=30)) < len(write(tmp_path / "b.mp4", crf=12))


def test_frames_come_at_their_own_times(tmp_path):
    times = [0.0, 0.04, 0.5, 0.5, 2.0]  # two at once, as a clock of whole ms tells of fast cameras
    with open_encoder(tmp_path / "a.mp4", Fraction(25), 48, 64, 20, timed=True) as encode:
        for image, time_s in zip(IMAGES, times, strict=True):
            encode(image, time_s)
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = [float(frame.time) for frame in container.decode(video=0)]
    np.testing.assert_allclose(shown, times, atol=2e-5)


@pytest.mark.parametrize("times", [[0.0, 0.04, 0.5, 0.6, 2.0], [0.0, 0.7, 1.4, 1.44, 1.48]])
def test_the_stated_duration_reaches_the_last_frame(tmp_path, times):
    """And beyond it, for it is shown, too; by no more than the others."""
    with open_encoder(tmp_path / "a.mp4", Fraction(25), 48, 64, 20, timed=True) as encode:
        for image, time_s in zip(IMAGES, times, strict=True):
            encode(image, time_s)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stated_s = container.duration / av.time_base
    assert times[-1] < stated_s <= times[-1] + max(np.diff(times))
