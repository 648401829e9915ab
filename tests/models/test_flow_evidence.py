"""Evidence of the flow: Bayes' rule in closed form, and isotonic regression against another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flow_evidence import NEAR, STEP, STEPS, WRONG, rising, speed_ratio, with_flow

MASK = np.zeros((40, 60), bool)
MASK[10:20, 20:40] = True
ALL = np.ones_like(MASK)
SURE = (1 + WRONG) / WRONG
"""The ratio where the two share no speed."""


def pools(part: list[float], whole: list[float]) -> list[float]:
    """Isotonic regression by pooling adjacent violators, a block at a time."""
    blocks: list[list[float]] = []
    for some, amount in zip(part, whole, strict=True):
        blocks.append([some, amount, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    return [some / amount for some, amount, count in blocks for _ in range(int(count))]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=20))
def test_the_rising_shares_are_those_of_pooled_violators(counts):
    part = [float(min(some, amount)) for some, amount in counts]
    whole = [float(amount) for _, amount in counts]
    found = rising(np.array(part), np.array(whole))
    np.testing.assert_allclose(found, pools(part, whole), atol=1e-12)


def test_a_bin_without_counts_lies_between_its_neighbours():
    found = rising(np.array([0.0, 1.0, 0.0, 3.0, 0.0]), np.array([0.0, 4.0, 0.0, 4.0, 0.0]))
    assert found[[0, 1, 3, 4]].tolist() == [0.25, 0.25, 0.75, 0.75]
    assert 0.25 <= found[2] <= 0.75


def test_speeds_that_the_two_do_not_share_tell_as_much_as_a_mask_may_be_wrong():
    ratio = speed_ratio(MASK, np.where(MASK, 1.0, 0.0), ALL)
    np.testing.assert_allclose(ratio, np.where(MASK, SURE, 1 / SURE), rtol=1e-6)


def test_the_ratio_is_that_of_the_shares_inside_and_outside():
    """Half of the subject moves, and a tenth of what is around it."""
    speed = np.zeros(MASK.shape)
    speed[10:15] = 1.0 * MASK[10:15]
    outside = np.flatnonzero(~MASK)
    speed.flat[outside[::10]] = 1.0
    share = (speed[~MASK] > 0).mean()
    assert share == pytest.approx(0.1)
    ratio = speed_ratio(MASK, speed, ALL)
    for moves, inside, around in ((True, 0.5, share), (False, 0.5, 1 - share)):
        part = inside / (inside + around)
        expected = (part + WRONG) / (1 - part + WRONG)
        np.testing.assert_allclose(ratio[(speed > 0) == moves], expected, rtol=1e-6)


@pytest.mark.parametrize("inside", [0.0, 1.0])
def test_where_all_moves_alike_or_only_what_is_around_the_flow_says_nothing(inside):
    np.testing.assert_allclose(speed_ratio(MASK, np.where(MASK, inside, 1.0), ALL), 1, rtol=1e-6)


def test_noise_below_a_step_says_nothing():
    speed = np.where(MASK, 0.99 * STEP, 0.0)
    np.testing.assert_allclose(speed_ratio(MASK, speed, ALL), 1, rtol=1e-6)


@given(seed=st.integers(0, 999))
def test_of_two_pixels_the_faster_is_never_less_likely_the_subjects(seed):
    rng = np.random.default_rng(seed)
    speed = rng.gamma(1.0, 0.4, MASK.shape) * rng.uniform(0.3, 3, MASK.shape) ** MASK
    ratio = speed_ratio(MASK, speed, ALL)
    by_speed = ratio.ravel()[np.argsort(np.minimum(speed, STEP * STEPS), axis=None)]
    assert (np.diff(by_speed) >= -1e-5).all()
    assert (ratio <= SURE + 1e-3).all()


def test_a_frame_without_an_inside_or_an_outside_says_nothing():
    speed = np.ones(MASK.shape)
    for mask, near in ((~ALL, ALL), (ALL, ALL), (MASK, MASK), (MASK, ~ALL)):
        assert (speed_ratio(mask, speed, near) == 1).all()


def test_odds_are_multiplied_near_the_mask_and_where_the_flow_holds():
    soft = np.where(MASK, 0.6, 0.1).astype(np.float32)
    speed = np.where(MASK, 3.0, 0.0).astype(np.float32)
    valid = ALL.copy()
    valid[:, :25] = False
    found = with_flow(soft, speed, valid, scale=2.0)
    odds = 0.6 / 0.4 * SURE
    np.testing.assert_allclose(found[MASK & valid], odds / (1 + odds), rtol=1e-5)
    odds = 0.1 / 0.9 / SURE
    rows, columns = slice(10 - round(10 * NEAR), 20 + round(10 * NEAR)), slice(25, 40 + 6)
    near = np.zeros_like(MASK)
    near[rows, columns] = True
    np.testing.assert_allclose(found[near & ~MASK], odds / (1 + odds), rtol=1e-5)
    np.testing.assert_array_equal(found[~near], soft[~near])


def test_near_ends_at_the_frame():
    soft = np.full((8, 8), 0.2, np.float32)
    soft[:2, 6:] = 0.8
    found = with_flow(soft, (soft > 0.5).astype(np.float32), np.ones((8, 8), bool), 1.0)
    changed = found != soft
    assert changed[:3, 5:].all()
    assert changed.sum() == 9


def test_only_speeds_over_the_scale_matter():
    rng = np.random.default_rng(0)
    soft = rng.random(MASK.shape).astype(np.float32)
    speed = rng.gamma(1.0, 1.0, MASK.shape).astype(np.float32)
    one = with_flow(soft, speed, ALL, 1.5)
    np.testing.assert_array_equal(one, with_flow(soft, 4 * speed, ALL, 6.0))


def test_what_is_certain_stays_and_an_empty_mask_stays_empty():
    speed = np.where(MASK, 0.0, 3.0).astype(np.float32)
    certain = MASK.astype(np.float32)
    np.testing.assert_array_equal(with_flow(certain, 3 - speed, ALL, 1.0), certain)
    faint = np.full(MASK.shape, 0.4, np.float32)
    np.testing.assert_array_equal(with_flow(faint, speed, ALL, 1.0), faint)
