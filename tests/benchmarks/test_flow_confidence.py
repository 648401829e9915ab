from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.flow_confidence import auc, known_pairs

VALUES = st.lists(st.integers(0, 255), min_size=1, max_size=12)


@pytest.mark.parametrize("known", [True, False])
def test_a_pair_whose_flow_is_not_known_everywhere_is_left_out(tmp_path, capsys, known):
    """In .flo files, a flow of 1e10 px stands for none."""
    flow = np.zeros((48, 64, 2), np.float32)
    flow[3, 5] = 0 if known else 1e10
    header = np.array([202021.25], np.float32).tobytes() + np.array([64, 48], np.int32).tobytes()
    (tmp_path / "1_flow.flo").write_bytes(header + flow.tobytes())
    for name in ("1_img1.ppm", "1_img2.ppm"):
        cv2.imwrite(str(tmp_path / name), np.zeros((48, 64, 3), np.uint8))
    assert len(list(known_pairs(tmp_path))) == (2 if known else 0)
    assert ("not known everywhere" in capsys.readouterr().err) == (not known)


@given(VALUES, VALUES)
def test_auc_is_the_share_of_pairs_in_the_right_order(lower: list[int], higher: list[int]) -> None:
    pairs = [(a < b) + (a == b) / 2 for a in lower for b in higher]
    found = auc(np.array(lower, np.uint8), np.array(higher, np.uint8))
    assert abs(found - sum(pairs) / len(pairs)) < 1e-9
