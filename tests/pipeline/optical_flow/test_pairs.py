import os
import signal

import cv2
import numpy as np
import pytest
from helpers_motion import around_centre, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from models.flow.dis import DisFlow
from pipeline.errors import BackdropError
from pipeline.optical_flow.training.batches import PairBatches, curriculum, to_tensors
from pipeline.optical_flow.training.layers import Layer, pixel_grid, similarity, smooth_field
from pipeline.optical_flow.training.pairs import synthesise
from pipeline.optical_flow.training.shapes import random_shape
from pipeline.params.flow import TrainFlow

SIZE = (64, 96)
TEXTURES = [texture(96, 128, seed) for seed in range(3)]


def smooth_texture():
    """So smooth that interpolating it twice hardly errs."""
    return cv2.GaussianBlur(texture(160, 200, 4), (0, 0), 4)


def layer(motion, deform=None, shape=None):
    image = smooth_texture()
    everywhere = np.full(image.shape[:2], 255, np.uint8)
    return Layer(
        image,
        everywhere if shape is None else shape,
        similarity(0.2, 1.1, 50, 30),
        motion,
        np.zeros((*SIZE, 2)) if deform is None else deform,
    )


def painted(one):
    target, source = np.zeros((2, *SIZE, 3), np.float32)
    flow = np.zeros((*SIZE, 2), np.float32)
    one.paint_target(target, flow)
    one.paint_source(source)
    return target, source, flow


@pytest.mark.parametrize("amplitude", [0.0, 1.5])
def test_the_source_fetched_along_the_flow_is_the_target(amplitude):
    deform = smooth_field(np.random.default_rng(0), *SIZE, amplitude)
    motion = around_centre(SIZE, degrees=4, zoom=1.05, shift=(3, -2), tilt=(2e-4, -1e-4))
    target, source, flow = painted(layer(motion, deform))
    at = (pixel_grid(*SIZE) + flow).astype(np.float32)
    fetched = cv2.remap(source, at, None, cv2.INTER_LINEAR)
    inside = ((at >= 1) & (at <= np.array(SIZE[::-1]) - 2)).all(-1)
    assert inside.mean() > 0.6
    assert np.abs(fetched - target)[inside].max() < 3.0
    assert np.abs(source - target)[inside].mean() > 5.0


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(-0.2, 0.2), st.floats(0.8, 1.25))
@settings(max_examples=25, deadline=None)
def test_without_deformation_the_flow_is_that_of_the_homography(dx, dy, angle, zoom):
    motion = similarity(angle, zoom, dx, dy)
    flow = painted(layer(motion))[2]
    for x, y in ((0, 0), (95, 0), (40, 63)):
        moved = motion @ [x, y, 1.0]
        assert flow[y, x] == pytest.approx(moved[:2] / moved[2] - [x, y], abs=1e-3)


def test_a_thing_covers_its_shape_alone_in_both_frames():
    shape = np.zeros((160, 200), np.uint8)
    shape[60:100, 80:140] = 255
    motion = similarity(0, 1, 7, -3)
    target, source, flow = painted(layer(motion, shape=shape))
    moved = np.zeros(SIZE, bool)
    grid = cv2.perspectiveTransform(pixel_grid(*SIZE), similarity(0.2, 1.1, 50, 30))
    moved = (grid[..., 0] > 79.5) & (grid[..., 0] < 139.5)
    moved &= (grid[..., 1] > 59.5) & (grid[..., 1] < 99.5)
    assert ((flow == [7, -3]).all(-1) == moved).mean() > 0.995
    assert (flow[~(flow == [7, -3]).all(-1)] == 0).all()
    assert (
        (target.sum(-1) > 0) & ~cv2.dilate(moved.astype(np.uint8), np.ones((5, 5))).astype(bool)
    ).sum() == 0
    shifted = np.roll(target, (-3, 7), (0, 1))
    assert np.abs(shifted - source)[4:-8, 8:-8].max() < 1.5  # remap knows 32nds of a px


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_pairs_have_bounded_finite_motion_and_repeat(seed):
    first, again = (
        synthesise(TEXTURES, np.random.default_rng(seed), *SIZE, motion_px=8.0) for _ in range(2)
    )
    assert first.target.shape == first.source.shape == (*SIZE, 3)
    assert first.target.dtype == np.uint8
    assert np.isfinite(first.flow).all()
    assert np.linalg.norm(first.flow, axis=-1).max() < 60
    assert first.flow.tobytes() == again.flow.tobytes()
    assert first.source.tobytes() == again.source.tobytes()


def test_warping_back_explains_most_of_a_pair():
    better = []
    for seed in range(12):
        pair = synthesise(TEXTURES, np.random.default_rng(seed), *SIZE, motion_px=8.0)
        at = (pixel_grid(*SIZE) + pair.flow).astype(np.float32)
        fetched = cv2.remap(pair.source, at, None, cv2.INTER_LINEAR).astype(int)
        inside = ((at >= 0) & (at <= np.array(SIZE[::-1]) - 1)).all(-1)
        explained = np.abs(fetched - pair.target)[inside].mean()
        better.append(
            explained < 0.8 * np.abs(pair.source.astype(int) - pair.target)[inside].mean()
        )
    assert np.mean(better) > 0.7  # not where nothing moves and only noise differs


def test_shapes_fill_some_of_their_square_and_differ():
    shapes = [random_shape(np.random.default_rng(seed), 64) for seed in range(20)]
    shares = [(shape > 127).mean() for shape in shapes]
    assert min(shares) > 0.01
    assert max(shares) < 0.7
    assert len({shape.tobytes() for shape in shapes}) == 20


@pytest.fixture
def batches(tmp_path):
    """Makes sources of batches, and closes them."""
    made = []

    def make(workers, seed=0, **params):
        sizes = {"batch_size": 2, "crop_height": 64, "crop_width": 64, "iterations": 10}
        params = TrainFlow(**sizes, **params)
        made.append(PairBatches(TEXTURES, params, seed, 1, workers, tmp_path / str(len(made))))
        return made[-1]

    yield make
    for source in made:
        source.close()
    assert not list(tmp_path.iterdir())


def test_batches_depend_on_seed_and_iteration_alone(batches):
    one, four, other = batches(1), batches(4), batches(1, seed=1)
    for iteration in (0, 1, 5, 2):  # also out of order, as after a resume
        a, b, c = (source.batch(iteration) for source in (one, four, other))
        assert [p.flow.tobytes() for p in a] == [p.flow.tobytes() for p in b]
        assert [p.target.tobytes() for p in a] != [p.target.tobytes() for p in c]


@pytest.mark.parametrize(
    ("how", "why"),
    [(signal.SIGKILL, "most often the system ran out of memory"), (signal.SIGSEGV, "it crashed")],
)
def test_a_process_that_dies_is_told(batches, how, why):
    source = batches(1)
    source.batch(0)
    (process,) = source.pool._processes.values()
    os.kill(process.pid, how)
    told = rf"train_flow: a process that makes pairs died at iteration \d; {why}"
    with pytest.raises(BackdropError, match=told):
        list(map(source.batch, range(1, 5)))


def test_tensors_keep_axes_and_ranges(batches):
    pairs = batches(1).batch(3)
    (target, _, dis), flow = to_tensors(pairs, "cpu")
    assert target.shape == (2, 3, 64, 64)
    assert flow.shape == (2, 2, 64, 64)
    assert target[1, 2, 5, 7].item() == pytest.approx(pairs[1].target[5, 7, 2] / 255)
    assert flow[1, 0, 5, 7].item() == pairs[1].flow[5, 7, 0]
    expected = DisFlow().estimate(pairs[1].target[None], pairs[1].source[None])
    assert np.array_equal(dis[1].permute(1, 2, 0), expected[0])


def test_only_a_network_that_corrects_dis_is_given_its_flow(batches):
    source = batches(1, variant="flownet2_s")
    pairs = source.batch(3)
    assert all(pair.dis is None for pair in pairs)
    assert len(to_tensors(pairs, "cpu")[0]) == 2


def test_the_curriculum_rises_to_full_motion():
    values = [curriculum(i, 100, 24.0) for i in range(100)]
    assert values[0] == 8.0
    assert values == sorted(values)
    assert values[20] == 16.0
    assert values[40:] == [24.0] * 60
    assert {curriculum(i, 100, 3.0) for i in range(100)} == {3.0}
