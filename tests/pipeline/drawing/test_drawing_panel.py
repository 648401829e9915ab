"""A panel holds the right pictures, each showing what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.drawing.colours import CYAN, GREY, ORANGE, RED, WHITE
from pipeline.drawing.panel import FrameResult, StudentResult, draw_panel

BOX = np.array([20.0, 10.0, 20.0, 30.0])


@pytest.fixture
def frame() -> FrameResult:
    soft = np.zeros((48, 64), np.uint8)
    soft[15:35, 25:35] = 200
    return FrameResult(
        image=np.full((48, 64, 3), 100, np.uint8),
        box=BOX,
        cell=27,
        cell_probability=np.eye(64)[27],
        soft=soft,
        hard=soft > 127,
        moving=soft > 127,
        flow=np.zeros((48, 64, 2), np.float32),
        flow_scale_px=1.0,
        background=np.full((48, 64, 3), 60, np.uint8),
        truth=np.repeat(np.repeat(soft > 127, 4, axis=0), 4, axis=1),
    )


def has(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (image == colour).all(axis=2)


def test_pictures_in_the_order_of_the_method(frame: FrameResult) -> None:
    pictures = draw_panel(frame, 320)
    names = ["Input", "Flow", "Inpainted", "Soft mask", "CRF mask", "Ground truth"]
    assert [picture.caption for picture in pictures] == names
    assert {picture.image.shape for picture in pictures} == {(240, 320, 3)}
    assert [p.caption for p in draw_panel(replace(frame, truth=None), 320)] == names[:5]


def test_marks_follow_the_enlargement(frame: FrameResult) -> None:
    image = draw_panel(frame, 320)[0].image
    rows, columns = np.nonzero(has(image, RED))
    assert (columns.min(), rows.min()) == (pytest.approx(100, abs=2), pytest.approx(50, abs=2))
    assert (columns.max(), rows.max()) == (pytest.approx(200, abs=2), pytest.approx(200, abs=2))


def test_the_hole_is_a_tenth_larger_than_the_box(frame: FrameResult) -> None:
    image = draw_panel(frame, 320)[2].image
    rows, columns = np.nonzero(has(image, WHITE))
    assert columns.max() - columns.min() == pytest.approx(110, abs=4)
    assert rows.max() - rows.min() == pytest.approx(165, abs=4)
    assert np.median(image) == 60


def test_truth_of_another_size_lands_on_the_same_place(frame: FrameResult) -> None:
    pictures = draw_panel(frame, 320)
    mask, truth = has(pictures[4].image, ORANGE), has(pictures[5].image, CYAN)
    edges = [np.argwhere(drawn).min(axis=0) for drawn in (mask, truth)]
    assert np.abs(edges[0] - edges[1]).max() <= 2


def test_a_pair_that_was_not_aligned_is_not_drawn_as_at_rest(frame: FrameResult) -> None:
    rest = draw_panel(frame, 320)[1]
    assert rest.caption == "Flow"
    assert not has(rest.image, GREY).any()
    failed = draw_panel(replace(frame, flow=None), 320)[1]
    assert failed.caption == "No flow: frames not aligned"
    assert failed.image.shape == rest.image.shape
    assert has(failed.image, GREY).all()


def test_the_students_box_is_drawn_over_its_mask(frame: FrameResult) -> None:
    box = np.array([5.0, 5.0, 40.0, 20.0])
    student = StudentResult(frame.soft, frame.hard, frame.moving, box)
    pictures = {p.caption: p.image for p in draw_panel(replace(frame, student=student), 320)}
    rows, columns = np.nonzero(has(pictures["Student, CRF mask"], RED))
    edges = (columns.min(), columns.max(), rows.min(), rows.max())
    assert edges == pytest.approx((25, 225, 25, 125), abs=2)
    assert not has(pictures["CRF mask"], RED).any()
    empty = student._replace(hard=np.zeros_like(frame.hard))
    pictures = {p.caption: p.image for p in draw_panel(replace(frame, student=empty), 320)}
    assert not has(pictures["Student, CRF mask"], RED).any()


def test_what_never_moves_has_no_colour(frame: FrameResult) -> None:
    """The lower half of the mask rests: its outline is grey, the upper half's is not."""
    moving = frame.hard.copy()
    moving[25:] = False
    student = StudentResult(frame.soft, frame.hard, moving, BOX)
    pictures = draw_panel(replace(frame, moving=moving, student=student), 320)
    for number in (4, 6):
        image = pictures[number].image
        rows = [np.nonzero(has(image, colour))[0] for colour in (ORANGE, GREY)]
        assert (rows[0].min(), rows[1].max()) == (
            pytest.approx(75, abs=3),
            pytest.approx(175, abs=3),
        )
        assert rows[1].min() == pytest.approx(125, abs=3)
    assert not has(draw_panel(frame, 320)[4].image, GREY).any()
