"""Cuts are found; fast pans, flashes and a subject in front of the lens are not cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_video import texture

from pipeline.video.cuts import CutDetector, colour_change
from pipeline.video.decode import iter_frames

SEQUENCES = ("car-turn", "hike", "horsejump-low", "lucia", "rollerblade", "tennis")


def cuts(images) -> list[int]:
    detector = CutDetector()
    return [index for index, image in enumerate(images) if detector.begins_shot(image)]


def tinted(image, *factors):
    return np.clip(image * np.array(factors), 0, 255).astype(np.uint8)


def test_a_cut_is_found_where_it_is():
    first, second = texture(120, 160, 1), tinted(texture(120, 160, 2), 0.5, 1.2, 0.4)
    assert cuts([first] * 4 + [second] * 4) == [4]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_a_pan_is_no_cut(share):
    step = round(share * 160)
    panorama = texture(120, 160 + 20 * step, 3)
    assert cuts(panorama[:, step * n : step * n + 160] for n in range(20)) == []


def test_a_flash_is_no_cut():
    image = texture(120, 160, 4)
    assert cuts([image, image, tinted(image, 1.5, 1.5, 1.5), image]) == []


def test_colour_change_of_halves():
    black, half = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    half[:4] = 255
    assert colour_change(black, black) == pytest.approx(0)
    assert colour_change(black, half) == pytest.approx(0.5)
    assert colour_change(black, black + 255) == pytest.approx(1)


def test_real_sequences_joined(test_data: Path):
    """Six DAVIS sequences of ten frames each, one after the other: five cuts, no other."""
    folder = test_data / "davis2016_train" / "JPEGImages" / "480p"
    images = [
        frame.image
        for name in SEQUENCES
        for frame, _ in zip(iter_frames(folder / name), range(10), strict=False)
    ]
    assert cuts(images) == [10, 20, 30, 40, 50]


@pytest.fixture
def two_shots():
    return texture(120, 160, 1), tinted(texture(120, 160, 2), 0.5, 1.2, 0.4)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_frames_of_one_colour_between_two_shots_do_not_hide_the_cut(two_shots, level):
    first, second = two_shots
    between = np.full_like(first, level)
    assert cuts([first] * 4 + [between] * 3 + [second] * 4) == [4, 7]


def test_a_cut_to_a_frame_whose_middle_is_overexposed_is_found(two_shots):
    first, second = two_shots
    second = second.copy()
    second[20:100, 30:130] = 255
    assert cuts([first] * 4 + [second] * 4) == [4]


@pytest.mark.parametrize("light", [0.6, 0.3, 0.15])
def test_real_sequences_by_little_light(test_data: Path, light):
    folder = test_data / "davis2016_train" / "JPEGImages" / "480p"
    images = [
        tinted(frame.image, light, light, light)
        for name in SEQUENCES
        for frame, _ in zip(iter_frames(folder / name), range(10), strict=False)
    ]
    assert cuts(images) == [10, 20, 30, 40, 50]
