"""Box IoU by counting pixels, average precision by integrating the published curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection_metrics import average_precision, box_iou, hit, mask_box

whole_boxes = st.tuples(
    st.integers(0, 8), st.integers(0, 8), st.integers(1, 8), st.integers(1, 8)
).map(lambda box: np.array(box, float))


def painted(box):
    x, y, width, height = box.astype(int)
    return {(u, v) for u in range(x, x + width) for v in range(y, y + height)}


@given(whole_boxes, whole_boxes)
def test_box_iou_counts_pixels(a, b):
    expected = len(painted(a) & painted(b)) / len(painted(a) | painted(b))
    assert box_iou(a, b) == pytest.approx(expected)


@given(whole_boxes)
def test_the_box_of_a_painted_box_is_the_box(box):
    mask = np.zeros((20, 20), bool)
    for x, y in painted(box):
        mask[y, x] = True
    np.testing.assert_array_equal(mask_box(mask), box)


def test_an_empty_mask_has_no_box_and_flat_boxes_do_not_overlap():
    assert mask_box(np.zeros((4, 4), bool)) is None
    assert box_iou(np.array([1.0, 1, 0, 0]), np.array([1.0, 1, 0, 0])) == 0.0


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([4, 4, 2, 2], True),
        ([0, 0, 4, 4], True),  # centre (2, 2): the very corner
        ([0, 0, 3.9, 4], False),
        ([0, 0, 100, 100], False),
        ([6, 6, 4, 4], True),  # centre (8, 8): the other corner
        ([6.1, 6, 4, 4], False),
    ],
)
def test_hit_asks_for_the_centre(box, expected):
    assert hit(np.array(box, float), np.array([2.0, 2.0, 6.0, 6.0])) is expected


def slow_average_precision(confidence, correct, positives):
    """VOC 2010: a point per threshold, precision made monotonously decreasing from the right."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(confidence), reverse=True):
        kept = correct[confidence >= threshold]
        points.append((kept.sum() / positives, kept.mean()))
    area = 0.0
    for number in range(1, len(points)):
        step = points[number][0] - points[number - 1][0]
        area += step * max(precision for _, precision in points[number:])
    return area


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12),
    st.integers(0, 5),
)
def test_average_precision_is_pascals(detections, missed):
    confidence = np.array([c for c, _ in detections], float)
    correct = np.array([t for _, t in detections], bool)
    positives = int(correct.sum()) + missed
    if positives == 0:
        with pytest.raises(ValueError, match="at least one"):
            average_precision(confidence, correct, positives)
    else:
        expected = slow_average_precision(confidence, correct, positives)
        assert average_precision(confidence, correct, positives) == pytest.approx(expected)


def test_detections_of_one_confidence_have_one_precision_whatever_their_order():
    """Direct regression gives every box 1: half of them right is half, and not what comes first."""
    correct = np.array([True, False, True, False])
    for order in ([0, 2, 1, 3], [1, 3, 0, 2]):
        assert average_precision(np.ones(4), correct[order], 4) == pytest.approx(0.5 * 0.5)


def test_average_precision_by_hand():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, False])
    assert average_precision(confidence, correct, 2) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision(confidence, correct, 4) == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
