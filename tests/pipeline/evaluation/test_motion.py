"""The speed of a px of flow, and the one from which it counts as moving."""

from __future__ import annotations

import h5py
import numpy as np

from pipeline.evaluation.motion import moving_speed, speed_at


def test_speed_is_the_length_of_the_flow_whatever_its_direction(tmp_path):
    """Pythagorean triples, which float16 holds exactly, in every quadrant; frames stay apart."""
    flow = np.zeros((2, 2, 3, 2), np.float16)
    flow[1] = [[[3, 4], [-5, 12], [8, -15]], [[-7, -24], [0, 2], [-2, 0]]]
    with h5py.File(tmp_path / "flow.h5", "w") as file:
        file["flow"] = flow
        file.attrs["scale_px"] = 4.0
        found = speed_at(file, 1)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, [[5, 13, 17], [25, 2, 2]])
        assert not speed_at(file, 0).any()
        assert moving_speed(file) == 2.0  # half of the speed that the flow images show at 0.76
