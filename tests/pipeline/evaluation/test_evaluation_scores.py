"""One frame's scores: at the truth's size, in the truth's px."""

from __future__ import annotations

import numpy as np
import pytest
from helpers_records import BLOB, CONTROLS

from models.crf import CrfSetting, refine
from pipeline.evaluation.collect import FrameResult
from pipeline.evaluation.controls import Controls
from pipeline.evaluation.scores import at_size_of, hard_at_size_of, score, score_controls


def controls(**changed):
    return Controls.model_validate({**CONTROLS, **changed})


def frame(**changed):
    """24x32; a bright rectangle in rows 6-17 and columns 8-19, with its true box and mask."""
    subject = np.zeros((24, 32), bool)
    subject[6:18, 8:20] = True
    image = np.repeat(np.where(subject, 220, 40)[..., None], 3, axis=-1).astype(np.uint8)
    values = {
        "number": 0,
        "image": image,
        "soft": np.where(subject, 0.8, 0.1).astype(np.float32),
        "box": np.array([8.0, 6, 12, 12]),
        "boxes": np.array([[8.0, 6, 12, 12]]),
        "confidence": 0.9,
        "speed": np.where(subject, 2.0, 0.0).astype(np.float32),
        "moving_px": 1.0,
        "truth": subject.repeat(3, axis=0).repeat(3, axis=1),
    }
    return FrameResult(**{**values, **changed})


def test_a_perfect_prediction_is_perfect_at_three_times_the_size():
    one = frame()
    half_speed = controls(flow_threshold_px=1.0)
    values, curve = score(one, one.truth, (one.soft > 0.5, one.soft > 0.5), 0.5, 0.008)
    values |= score_controls(one, one.truth, half_speed)
    for name in ("J", "J_no_crf", "J_flow_threshold"):
        assert values[name] > 0.97, name  # bilinear growing rounds the corners
    assert values["F"] == 1.0
    assert values["box_iou"] == 1.0
    assert values["hit"] == 1.0
    assert curve.shape == (19,)
    assert curve[9] == values["J_no_crf"]  # at 0.5


def test_moving_parts_are_scored_beside_the_whole_mask():
    """The mask covers the subject and half as much again elsewhere, which rests: J is 2 / 3."""
    one = frame()
    subject = one.soft > 0.5
    beside = np.zeros_like(subject)
    beside.reshape(-1)[-(subject.sum() // 2) :] = True  # at the bottom
    assert not (beside & subject).any()
    values, _ = score(one, subject, (subject | beside, subject), 0.5, 0.008)
    whole = subject.sum() / (subject | beside).sum()
    assert values["J"] == pytest.approx(whole)
    assert values["J_moving"] == values["F_moving"] == 1.0
    assert values["F"] < 1.0


def test_the_blob_is_an_ellipse_in_the_box_with_its_own_choices():
    one = frame()
    choice = controls(blob={**BLOB, "scale": 0.7, "threshold": 0.4, "scale_crf": 1.2})
    values = score_controls(one, one.truth, choice)
    x, y = np.arange(32) + 0.5, np.arange(24)[:, None] + 0.5
    soft = np.exp2(-(((x - 14) / (0.7 * 6)) ** 2) - ((y - 12) / (0.7 * 6)) ** 2)
    small = soft > 0.4
    overlap = (small & (one.soft > 0.5)).sum() / (small | (one.soft > 0.5)).sum()
    assert values["J_blob_no_crf"] == pytest.approx(overlap, abs=0.03)
    wide = np.exp2(-(((x - 14) / (1.2 * 6)) ** 2) - ((y - 12) / (1.2 * 6)) ** 2)
    expected = refine(wide.astype(np.float32), one.image, 0.5, CrfSetting(), 5) > 0.5
    overlap = (expected & (one.soft > 0.5)).sum() / (expected | (one.soft > 0.5)).sum()
    assert values["J_blob"] == pytest.approx(overlap, abs=0.03)


def test_several_subjects_have_a_control_in_each_box_and_are_found_by_the_box_around_them():
    """Two equal subjects, both boxes right: a control in one of them could reach a half at most."""
    x, y = np.arange(32) + 0.5, np.arange(24)[:, None] + 0.5
    both = np.minimum(np.hypot(x - 7, y - 12), np.hypot(x - 23, y - 12)) < 6
    one = frame(
        soft=np.where(both, 0.8, 0.1).astype(np.float32),
        boxes=np.array([[1.0, 6, 12, 12], [17.0, 6, 12, 12]]),
        truth=both,
    )
    values, _ = score(one, both, (both, both), 0.5, 0.008)
    values |= score_controls(one, both, controls(blob={**BLOB, "scale": 1.0}))
    assert (values["box_iou"], values["hit"]) == (1.0, 1.0)
    assert values["J_blob_no_crf"] > 0.95


def test_of_a_box_that_reaches_beyond_the_frame_only_what_is_seen_is_compared():
    """A subject at the border: its truth cannot reach further, D's box may."""
    subject = np.zeros((24, 32), bool)
    subject[6:18, :8] = True
    one = frame(boxes=np.array([[-6.0, 6, 14, 12]]), truth=subject)
    values, _ = score(one, subject, (subject, subject), 0.5, 0.008)
    assert values["box_iou"] == 1.0
    assert values["hit"] == 1.0  # its centre, at 1, is the whole box's


def test_a_frame_without_a_subject_has_no_box_to_hit():
    one = frame()
    nothing, empty = np.zeros((72, 96), bool), np.zeros((24, 32), bool)
    values, _ = score(one, nothing, (empty, empty), 0.5, 0.008)
    assert values["J"] == 1.0  # both empty
    assert values["J_no_crf"] == 0.0
    assert values["hit"] is None
    assert values["box_iou"] is None


def test_a_hard_mask_grows_and_shrinks_in_place():
    mask = np.zeros((10, 10), bool)
    mask[2:6, 4:8] = True
    grown = hard_at_size_of(mask, np.zeros((40, 40), bool))
    rows, columns = np.nonzero(grown)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 23, 16, 31)
    np.testing.assert_array_equal(hard_at_size_of(grown, mask), mask)


def test_values_are_interpolated_between_the_centres_of_pixels():
    """The centres of four pixels lie 1/4, 3/4, 5/4 and 7/4 px into two."""
    grown = at_size_of(np.array([[0.0, 1.0]], np.float32), np.zeros((2, 4), bool))
    np.testing.assert_allclose(grown, [[0, 0.25, 0.75, 1]] * 2)


def test_a_box_whose_middle_lies_beyond_the_frame_hits_nothing():
    """Of its 14 px 4 are seen, in the middle of the subject; its own middle is at -3."""
    subject = np.zeros((24, 32), bool)
    subject[6:18, :8] = True
    one = frame(boxes=np.array([[-10.0, 6, 14, 12]]), truth=subject)
    values, _ = score(one, subject, (subject, subject), 0.5, 0.008)
    assert values["box_iou"] == 0.5
    assert values["hit"] == 0.0


def test_the_blob_under_the_crf_is_cut_at_its_own_threshold():
    """With a CRF that does nothing: 2^-r^2 is above 0.8 within 0.568 of the semi-axes."""
    one = frame()
    idle = {**BLOB["crf"], "smooth_weight": 0.0, "bilateral_weight": 0.0, "floor": 0.0}
    own = {"scale_crf": 1.0, "threshold": 0.2, "threshold_crf": 0.8, "crf": idle}
    x, y = np.arange(32) + 0.5, np.arange(24)[:, None] + 0.5
    disk = np.hypot(x - 14, y - 12) < 6 * np.sqrt(-np.log2(0.8))
    values = score_controls(one, disk, controls(blob={**BLOB, **own}))
    assert values["J_blob"] == 1.0


def test_the_flow_is_cut_at_the_speed_that_was_chosen_for_the_control():
    one = frame(moving_px=5.0)
    subject = one.soft > 0.5
    for chosen, expected in ((1.9, 1.0), (2.1, 0.0)):
        values = score_controls(one, subject, controls(flow_threshold_px=chosen))
        assert values["J_flow_threshold"] == expected
