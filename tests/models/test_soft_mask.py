from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.soft_mask import centred, uncentred


@given(st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_centring_moves_the_threshold_to_a_half_and_keeps_the_order(value, threshold):
    below, at, above = centred(np.array([value / 2, threshold, 0.99], np.float32), threshold)
    assert at == pytest.approx(0.5, abs=1e-4)
    odds = value / 2 / (1 - value / 2) * (1 - threshold) / threshold
    assert below == pytest.approx(odds / (1 + odds), rel=1e-3)
    assert above > at


@given(st.floats(0.0, 1.0), st.floats(0.02, 0.98))
def test_uncentring_undoes_it(value, threshold):
    there = centred(np.array([value], np.float32), threshold)
    assert uncentred(there, threshold)[0] == pytest.approx(value, abs=1e-4)
