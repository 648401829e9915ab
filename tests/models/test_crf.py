"""Mean field against a brute-force dense CRF, and what it does to edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.crf import CrfSetting, DenseCrf, refine, unary_energies
from pipeline.evaluation.calibration import crf_setting
from pipeline.params.results import Crf


def brute_force(soft, image, threshold, setting, iterations):
    """Kraehenbuehl & Koltun's algorithm 1 with every pair of pixels, symmetric normalisation.

    Their message passing leaves the pixel's message to itself in, as their code does.
    """
    height, width = soft.shape
    pixels = list(itertools.product(range(height), range(width)))
    place = np.array([(x, y) for y, x in pixels], float)
    colour = image.reshape(-1, 3).astype(float)

    def kernel(features):
        distances = ((features[:, None] - features[None]) ** 2).sum(-1)
        K = np.exp(-distances / 2)
        norm = 1 / np.sqrt(K.sum(1))
        return K * norm[:, None] * norm[None]

    K = setting.smooth_weight * kernel(place / setting.smooth_px)
    K += setting.bilateral_weight * kernel(
        np.hstack([place / setting.bilateral_px, colour / setting.bilateral_colour])
    )
    clipped = np.clip(soft.ravel().astype(float), 0.5 / 255, 1 - 0.5 / 255)
    evidence = np.log(clipped / (1 - clipped)) - np.log(threshold / (1 - threshold))
    q = 1 / (1 + np.exp(-evidence))
    for _ in range(iterations):
        # Potts: a label pays for the neighbours' belief in the other one.
        q = 1 / (1 + np.exp(-(evidence + K @ q - K @ (1 - q))))
    return q.reshape(height, width)


@pytest.fixture
def noisy_edge():
    """8x8: dark left, bright right; the soft mask follows it with noise."""
    rng = np.random.default_rng(0)
    bright = np.tile(np.arange(8) >= 4, (8, 1))
    image = (np.where(bright, 190, 60)[..., None] + rng.integers(-6, 7, (8, 8, 3))).astype(np.uint8)
    soft = np.clip(0.5 + 0.15 * np.where(bright, 1, -1) + rng.normal(0, 0.2, (8, 8)), 0, 1)
    return image, soft.astype(np.float32), bright


@pytest.mark.parametrize("iterations", [1, 2, 5])
@pytest.mark.parametrize(
    "setting",
    [
        CrfSetting(smooth_weight=0.8, smooth_px=1.5, bilateral_weight=0.6, bilateral_px=4),
        CrfSetting(smooth_weight=0.0, bilateral_weight=1.5, bilateral_px=8, bilateral_colour=15),
    ],
)
def test_mean_field_agrees_with_brute_force(noisy_edge, setting, iterations):
    image, soft, _ = noisy_edge
    expected = brute_force(soft, image, 0.5, setting, iterations)
    found = refine(soft, image, 0.5, setting, iterations)
    sure = abs(expected - 0.5) > 0.1  # the permutohedral lattice approximates the kernels
    assert sure.sum() > 40
    np.testing.assert_array_equal((found > 0.5)[sure], (expected > 0.5)[sure])
    assert abs(found - expected).mean() < 0.06


def test_a_noisy_mask_snaps_to_the_edge(noisy_edge):
    image, soft, bright = noisy_edge
    assert ((soft > 0.5) != bright).any()
    np.testing.assert_array_equal(refine(soft, image, 0.5, CrfSetting(), 5) > 0.5, bright)


def test_a_smeared_mask_snaps_to_the_edge():
    """Soft values fall off across an edge at column 30; the threshold alone cuts at 24."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = 200
    soft = np.tile(np.linspace(0.95, 0.0, 60, dtype=np.float32) ** 1.5, (40, 1))
    assert abs((soft[0] > 0.5).sum() - 30) > 5
    mask = refine(soft, image, 0.5, CrfSetting(smooth_weight=0, bilateral_px=40), 10) > 0.5
    np.testing.assert_array_equal(mask, np.tile(np.arange(60) < 30, (40, 1)))


@settings(deadline=None)
@given(st.floats(0.05, 0.95), st.integers(0, 99))
def test_without_pairwise_terms_it_is_the_threshold(threshold, seed):
    rng = np.random.default_rng(seed)
    soft = rng.integers(0, 256, (6, 7)).astype(np.float32) / 255
    image = rng.integers(0, 256, (6, 7, 3)).astype(np.uint8)
    found = refine(
        soft, image, threshold, CrfSetting(smooth_weight=0, bilateral_weight=0, floor=0), 3
    )
    clear = abs(soft - threshold) > 1e-3
    np.testing.assert_array_equal((found > 0.5)[clear], (soft > threshold)[clear])


def test_unaries_are_calibrated_to_the_threshold():
    background, foreground = unary_energies(np.array([[0.3, 0.0, 1.0]], np.float32), 0.3)
    np.testing.assert_array_equal(background, 0)
    assert foreground[0] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(foreground).all()
    assert foreground[1] > 5
    assert foreground[2] < -5


def test_the_same_bits_each_time_and_whether_or_not_the_field_is_shared(noisy_edge):
    image, soft, _ = noisy_edge
    field = DenseCrf(image, CrfSetting())
    field.refine(1 - soft, 0.3, 2)  # leaves nothing behind
    shared = field.refine(soft, 0.4, 5)
    np.testing.assert_array_equal(shared, refine(soft, image, 0.4, CrfSetting(), 5))
    assert shared.dtype == np.float32
    assert 0 <= shared.min() <= shared.max() <= 1


@pytest.mark.parametrize(
    ("image", "mask", "told"),
    [
        (np.zeros((4, 5), np.uint8), (4, 5), r"\(H, W, 3\)"),
        (np.zeros((4, 5, 3), np.float32), (4, 5), "float32"),
        (np.zeros((4, 5, 3), np.uint8), (5, 4), r"mask \(5, 4\)"),
    ],
)
def test_what_it_refuses(image, mask, told):
    with pytest.raises(ValueError, match=told):
        refine(np.zeros(mask, np.float32), image, 0.5, CrfSetting(), 1)


def test_floor_bounds_how_sure_a_pixel_may_be():
    soft = np.array([[0.0, 0.05, 0.5, 0.97, 1.0]] * 5, np.float32)
    image = np.zeros((5, 5, 3), np.uint8)
    quiet = {"smooth_weight": 0.0, "bilateral_weight": 0.0}
    found = refine(soft, image, 0.5, CrfSetting(**quiet, floor=0.1), 1)
    np.testing.assert_allclose(found[0], [0.1, 0.1, 0.5, 0.9, 0.9], atol=1e-5)


def test_a_setting_left_alone_is_that_of_the_params():
    assert CrfSetting() == crf_setting(Crf())


@pytest.mark.parametrize(("levels", "alike"), [(5.0, False), (60.0, True)])
@pytest.mark.parametrize("px", [6.0, 40.0])
def test_its_own_deviation_tells_which_colours_are_alike(levels, px, alike):
    """Columns of two colours, 25 levels apart: by 5 they are two things, by 60 one."""
    stripe = np.tile(np.arange(24) % 2 == 0, (16, 1))
    image = np.repeat(np.where(stripe, 100, 125)[..., None], 3, axis=2).astype(np.uint8)
    soft = np.where(stripe, 0.75, 0.4).astype(np.float32)
    setting = CrfSetting(
        smooth_weight=0.0, bilateral_weight=5.0, bilateral_px=px, bilateral_colour=levels
    )
    mask = refine(soft, image, 0.5, setting, 10) > 0.5
    np.testing.assert_array_equal(mask, stripe | alike)
