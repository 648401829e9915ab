import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.optical_flow.parts import changed_part

SIDES = st.integers(1, 90)


@given(height=SIDES, width=SIDES, seed=st.integers(0, 2**32 - 1), share=st.floats(0, 0.02))
def test_all_that_changed_is_inside_and_the_borders_touch_it(height, width, seed, share):
    weight = (np.random.default_rng(seed).random((height, width)) < share).astype(np.float32)
    part = changed_part(weight, 0.0)
    if part is None:
        assert not weight.any()
        return
    inside = weight[part]
    assert inside.sum() == weight.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()


def test_the_margin_is_a_share_of_the_longest_side_and_ends_at_the_border():
    weight = np.zeros((60, 100), np.float32)
    weight[2:10, 40:50] = 0.01
    assert changed_part(weight, 0.05) == (slice(0, 15), slice(35, 55))


@pytest.mark.parametrize("size", [(60, 100), (100, 60)])
def test_a_margin_of_one_is_the_whole_frame(size):
    weight = np.zeros(size, np.float32)
    weight[-1, 0] = 1
    assert changed_part(weight, 1.0) == (slice(0, size[0]), slice(0, size[1]))
