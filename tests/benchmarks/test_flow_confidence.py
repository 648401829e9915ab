from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.flow_confidence import auc

VALUES = st.lists(st.integers(0, 255), min_size=1, max_size=12)


@given(VALUES, VALUES)
def test_auc_is_the_share_of_pairs_in_the_right_order(lower: list[int], higher: list[int]) -> None:
    pairs = [(a < b) + (a == b) / 2 for a in lower for b in higher]
    found = auc(np.array(lower, np.uint8), np.array(higher, np.uint8))
    assert abs(found - sum(pairs) / len(pairs)) < 1e-9
