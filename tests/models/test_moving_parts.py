"""Parts of masks that never move are left out, those of the subject never, even where it rests."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.moving_parts import MovingParts

SIZE = (24, 40)
KNOWN = np.ones(SIZE, bool)


def square(x: int, y: int = 8, side: int = 6) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def select(masks, moving, *, known=None, cuts=(), least=0.1):
    parts = MovingParts()
    for number, mask in enumerate(masks):
        seen = KNOWN if known is None else known[number]
        parts.add(mask, moving[number], seen, cut=number in cuts)
    return [
        mask & ~np.any([np.zeros_like(mask), *parts.resting(number, mask, least).values()], axis=0)
        for number, mask in enumerate(masks)
    ]


def test_who_never_moves_is_left_out_beside_who_does():
    """One square walks by 1 px a frame, another stands."""
    walker = [square(2 + t) for t in range(8)]
    masks = [one | square(30) for one in walker]
    for kept, expected in zip(select(masks, walker), walker, strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_a_subject_that_rests_for_a_while_stays_and_a_bystander_does_not():
    """It moves in three of ten frames."""
    place = [2, 3, 4, 5, 5, 5, 5, 5, 5, 5]
    subject = [square(x) for x in place]
    moving = [one if t < 3 else np.zeros(SIZE, bool) for t, one in enumerate(subject)]
    masks = [one | square(30) for one in subject]
    for kept, expected in zip(select(masks, moving), subject, strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_where_nothing_else_moves_the_mask_stays_whole():
    masks = [square(2) | square(30)] * 4
    for kept in select(masks, [np.zeros(SIZE, bool)] * 4):
        np.testing.assert_array_equal(kept, masks[0])


@pytest.mark.parametrize(("side", "left_out"), [(2, False), (3, True)])
def test_a_speck_that_flickers_does_not_speak_against_a_subject_at_rest(side, left_out):
    """6 x 6 px rest. 2 x 2 px that move are less than a quarter of them, 3 x 3 px are as many."""
    masks = [square(2) | square(30, side=side)] * 3
    for kept in select(masks, [square(30, side=side)] * 3):
        np.testing.assert_array_equal(kept, square(30, side=side) if left_out else masks[0])


@pytest.mark.parametrize(("share", "left_out"), [(3, True), (4, False)])
def test_from_the_share_that_was_asked_for_a_part_moves(share, left_out):
    """36 px, of which 3 or 4 move; at least a tenth must."""
    masks = [square(2) | square(30)] * 2
    flickers = np.zeros(SIZE, bool)
    flickers[8, 2 : 2 + share] = True
    for kept in select(masks, [flickers | square(30)] * 2):
        np.testing.assert_array_equal(kept, square(30) if left_out else masks[0])


def test_what_cannot_be_told_neither_leaves_out_nor_is_left_out():
    """The left square has no known px; the right one moves and may not speak for that."""
    known = np.ones(SIZE, bool)
    known[:, :20] = False
    masks = [square(2) | square(30)] * 3
    still = [np.zeros(SIZE, bool)] * 3
    for moving in ([square(30)] * 3, still):
        for kept in select(masks, moving, known=[known] * 3):
            np.testing.assert_array_equal(kept, masks[0])


def test_after_a_cut_a_part_is_another():
    """In the same place stands somebody who walked before the cut."""
    walker = [square(2)] * 3
    other = [square(30)] * 3
    masks = [a | b for a, b in zip(walker, other, strict=True)] * 2
    moving = [*walker, *other]
    whole = select(masks, moving)
    np.testing.assert_array_equal(whole[0], masks[0])  # both move somewhere
    parted = select(masks, moving, cuts={3})
    np.testing.assert_array_equal(parted[0], square(2))
    np.testing.assert_array_equal(parted[3], square(30))


COLUMNS = np.array([1, 1, 0, 1, 1, 0, 1, 1], bool)  # of three parts, each with gaps of its own


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    filled=st.sampled_from([0.5, 0.7, 0.9]),
    least=st.sampled_from([0.1, 0.3, 1.0]),
)
def test_as_a_reference_that_looks_at_one_pixel_after_the_other(seed, filled, least):
    """Most parts overlap enough with themselves in the next frame to be followed, some do not."""
    rng = np.random.default_rng(seed)
    masks = (rng.random((4, 6, 8)) < filled) & COLUMNS
    moving = rng.random(masks.shape) < rng.choice([0.0, 0.2, 0.6], (4, 1, 8))
    known = rng.random(masks.shape) < 0.8
    expected = reference(masks, moving, known, least)
    for kept, wanted, mask in zip(
        select(masks, moving, known=known, least=least), expected, masks, strict=True
    ):
        np.testing.assert_array_equal(kept, wanted)
        assert not (kept & ~mask).any()
        assert kept.any() == mask.any()


def reference(masks, moving, known, least):
    """The rule by sets of pixels."""
    frames = [components(mask) for mask in masks]
    ways: dict[tuple[int, int], list[tuple[int, frozenset]]] = {}
    way_of = {}
    for t, parts in enumerate(frames):
        for n, part in enumerate(parts):
            before = [
                m
                for m, other in enumerate(frames[t - 1] if t else [])
                if len(part & other) / len(part | other) > 0.5
            ]
            way_of[t, n] = way_of[t - 1, before[0]] if before else (t, n)
            ways.setdefault(way_of[t, n], []).append((t, part))
    shares = {}
    for way, steps in ways.items():
        seen = [(t, px) for t, part in steps for px in part if known[t][px]]
        shares[way] = sum(moving[t][px] for t, px in seen) / len(seen) if seen else None
    kept = masks.copy()
    for t, parts in enumerate(frames):
        share = [shares[way_of[t, n]] for n in range(len(parts))]
        moves = sum(
            len(part)
            for part, one in zip(parts, share, strict=True)
            if one is not None and one >= least
        )
        for part, one in zip(parts, share, strict=True):
            if one is not None and one < least and moves and moves >= 0.25 * len(part):
                for px in part:
                    kept[t][px] = False
    return kept


def components(mask):
    """Connected pixels, eight neighbours, by flooding."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    found = []
    while left:
        start = left.pop()
        part, queue = {start}, deque([start])
        while queue:
            y, x = queue.popleft()
            for near in [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    part.add(near)
                    queue.append(near)
        found.append(frozenset(part))
    return found


def test_motion_counts_only_where_it_is_known():
    """Beyond the known region the bystander seems to move: all but one of its columns."""
    known = KNOWN.copy()
    known[:, 31:] = False
    walker = [square(2 + t) for t in range(4)]
    masks = [one | square(30) for one in walker]
    moving = [one | square(31, side=5) for one in walker]
    for kept, expected in zip(select(masks, moving, known=[known] * 4), walker, strict=True):
        np.testing.assert_array_equal(kept, expected)
