"""How far a frame differs from the known background."""

from __future__ import annotations

import numpy as np
import pytest
from helpers_training import write_inpainter

from pipeline.background_difference import known_difference
from pipeline.store import paths


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_inpainted_background_says_nothing():
    write_inpainter(48, 64)
    assert known_difference(paths.inpainter("rgb")) is None


@pytest.mark.parametrize("size", [(48, 64), (32, 40)])
def test_the_difference_is_that_of_the_images_in_the_frames_light(size):
    height, width = size
    write_inpainter(height, width, known=np.full((height, width, 3), 60, np.uint8))
    differs = known_difference(paths.inpainter("rgb"))
    image, mask = np.full((48, 64, 3), 90, np.uint8), np.zeros((48, 64), bool)
    mask[8:40, 16:48] = True
    image[mask] = [90, 141, 77]  # by 51 in the channel that differs most
    found = differs(image, mask)
    assert found.shape == (48, 64)
    np.testing.assert_allclose(found[12:36, 20:44], 0.2, atol=1e-5)
    np.testing.assert_allclose(found[:4], 0, atol=1e-5)
