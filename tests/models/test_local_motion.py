import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.local_motion import fit_mesh, spread
from models.warping import MESH_SIZE, mesh_displacement

SIZE = (96, 128)
NOISE = 0.06
PATCH = 0.39  # of width and height: 15 % of the frame
PLACES = {"middle": (0.3, 0.3), "corner": (0.0, 0.61), "edge": (0.61, 0.3)}


def field(points, px):
    """Residual of a ground before a far wall: it grows from the middle row downwards."""
    y = points[..., 1] / SIZE[0] - 0.5
    return np.stack([px * np.clip(2 * y, 0, None) - 0.2 * px, 0 * y], -1)


def tracks(parallax_px, place=None, motion=(0.0, 0.0), seed=0):
    """Points (K, 2), their residuals (K, 2), and which of them lie on the patch."""
    rng = np.random.default_rng(seed)
    points = np.stack(np.meshgrid(np.arange(4, 128, 8), np.arange(4, 96, 8)), -1).reshape(-1, 2)
    points = (points + rng.uniform(-3, 3, points.shape))[rng.random(len(points)) < 0.85]
    patch = on_patch(points, place) if place else np.zeros(len(points), bool)
    residuals = np.where(patch[:, None], motion, field(points, parallax_px))
    return points.astype(np.float32), residuals + rng.normal(0, NOISE, points.shape), patch


def on_patch(points, place):
    low = np.array(PLACES[place]) * SIZE[::-1]
    return ((points >= low) & (points < low + np.array(SIZE[::-1]) * PATCH)).all(-1)


def pixels():
    return np.stack(np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0])), -1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("motion", [(1.5, 0.0), (4.0, 1.0), (0.0, -3.0)])
def test_a_mesh_does_not_swallow_a_moving_patch(place, motion):
    points, residuals, _ = tracks(0.0, place, motion)
    mesh = fit_mesh(points, residuals, SIZE)
    assert np.linalg.norm(mesh, axis=-1).max() < 0.15


@pytest.mark.parametrize("place", PLACES)
def test_parallax_is_taken_up_and_a_patch_in_it_is_not(place):
    points, residuals, _ = tracks(1.5, place, (0.0, -4.0))
    dense = mesh_displacement(fit_mesh(points, residuals, SIZE), SIZE)
    error = np.linalg.norm(dense - field(pixels(), 1.5), axis=-1)
    before = np.linalg.norm(field(pixels(), 1.5), axis=-1)
    patch = on_patch(pixels(), place)
    assert np.median(error[~patch]) < 0.3 * np.median(before[~patch])
    assert np.median(error[patch]) < 0.15 * np.linalg.norm([0, -4]), "interpolated from around it"


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-2, 2)] * 4), st.integers(0, 99))
def test_noise_about_a_linear_field_is_smoothed(slope, seed):
    points, noise, _ = tracks(0.0, seed=seed)
    linear = (points / SIZE[::-1] - 0.5) @ np.reshape(slope, (2, 2))
    mesh = fit_mesh(points, linear + noise, SIZE)
    assert mesh.shape == (*MESH_SIZE, 2)
    expected = (pixels() / SIZE[::-1] - 0.5) @ np.reshape(slope, (2, 2))
    assert np.abs(mesh_displacement(mesh, SIZE) - expected).mean() < 0.15


def test_spread_is_the_noise_of_the_background():
    _, residuals, patch = tracks(0.0, "middle", (5.0, 0.0))
    assert 0.1 < patch.mean() < 0.2
    assert spread(residuals) == pytest.approx(NOISE, rel=0.35)
    assert spread(10 * residuals) == pytest.approx(10 * spread(residuals))
    _, parallax, _ = tracks(3.0)
    assert spread(parallax) > 5 * spread(residuals)


def test_few_tracks_have_no_mesh_and_no_spread():
    points, residuals, _ = tracks(0.0)
    assert fit_mesh(points[:10], residuals[:10], SIZE) is None
    assert np.isnan(spread(residuals[:10]))


def test_a_mesh_repeats_exactly():
    points, residuals, _ = tracks(1.0, "edge", (3.0, 0.0))
    first, second = (fit_mesh(points, residuals, SIZE) for _ in range(2))
    assert first.tobytes() == second.tobytes()
