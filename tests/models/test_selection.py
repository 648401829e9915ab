"""Selection with suppression against a plain loop over cells, and its promises as properties."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.boxes import box_iou
from models.detector import Proposals
from models.selection import Limits, apart, select


def proposals(seed: int, cells: int = 16, images: int = 3) -> Proposals:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, cells, generator=generator)
    logits[torch.rand(images, cells, generator=generator) < 0.2] = float("-inf")
    logits[:, 0] = 1.0  # at least one cell is left
    centre = torch.rand(images, cells, 2, generator=generator)
    size = 0.05 + 0.4 * torch.rand(images, cells, 2, generator=generator)
    return Proposals(logits, torch.cat([centre, size], dim=2))


def plain_iou(a: list[float], b: list[float]) -> float:
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(w, 0) * max(h, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def within(point: list[float], box: list[float]) -> bool:
    return all(abs(point[i] - box[i]) <= box[i + 2] / 2 for i in (0, 1))


def plain_select(logits: list[float], boxes: list[list[float]], limits: Limits) -> list[int]:
    taken: list[int] = []
    for cell in sorted(range(len(logits)), key=lambda c: -logits[c]):
        if len(taken) == limits.subjects or logits[cell] == -math.inf:
            break
        if math.exp(logits[cell] - max(logits)) < limits.share:
            break
        if not any(
            plain_iou(boxes[cell], boxes[t]) > limits.overlap
            or within(boxes[cell], boxes[t])
            or within(boxes[t], boxes[cell])
            for t in taken
        ):
            taken.append(cell)
    return taken


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    subjects=st.integers(1, 6),
    share=st.floats(0.001, 1.0),
    overlap=st.floats(0.0, 0.6),
)
def test_as_a_plain_loop_and_never_overlapping_and_by_probability(seed, subjects, share, overlap):
    some, limits = proposals(seed), Limits(subjects, share, overlap)
    cells, found = select(some, limits)
    p = some.probability.gather(1, cells)
    for image in range(len(cells)):
        mine = cells[image][found[image]]
        plain = plain_select(some.logits[image].tolist(), some.boxes[image].tolist(), limits)
        assert mine.tolist() == plain
        assert not found[image, len(mine) :].any()  # those found come first
        # Another cell's hole would be inpainted behind all of them.
        assert (cells[image, len(mine) :] == mine[0]).all()
        assert (p[image, : len(mine)].diff() <= 0).all()
        boxes = some.boxes[image, mine]
        iou = box_iou(boxes[:, None], boxes[None]).fill_diagonal_(0)
        assert (iou <= overlap + 1e-6).all()


def test_one_subject_is_the_most_probable_cell():
    some = proposals(3)
    cells, found = select(some, Limits())
    assert torch.equal(cells[:, 0], some.logits.argmax(dim=1))
    assert found.all()


def test_box_iou_of_known_boxes():
    one, half = torch.tensor([0.5, 0.5, 0.4, 0.4]), torch.tensor([0.6, 0.5, 0.2, 0.4])
    assert torch.allclose(box_iou(one, half), torch.tensor(0.5))
    assert box_iou(one, torch.tensor([0.9, 0.5, 0.2, 0.2])) == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), subjects=st.integers(1, 5), overlap=st.floats(0.0, 0.6))
def test_fitted_boxes_keep_no_two_of_one_subject(seed, subjects, overlap):
    generator = torch.Generator().manual_seed(seed)
    boxes = 0.1 + 0.5 * torch.rand(8, subjects, 4, generator=generator)
    found = torch.rand(8, subjects, generator=generator) < 0.8
    found[:, 0] = True
    kept = apart(boxes, found, overlap)
    for image in range(8):
        expected: list[int] = []
        for place, box in enumerate(boxes[image].tolist()):
            others = [boxes[image, k].tolist() for k in expected]
            clash = any(
                plain_iou(box, o) > overlap or within(box, o) or within(o, box) for o in others
            )
            if found[image, place] and not clash:
                expected.append(place)
        assert kept[image].nonzero()[:, 0].tolist() == expected
