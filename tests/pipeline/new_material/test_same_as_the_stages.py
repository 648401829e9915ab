"""A video that the project holds gets, frame by frame, what the project's own stages gave it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest
from helpers_trained import make_trained

from pipeline.new_material.inputs import Input, find_inputs
from pipeline.new_material.segment import segment
from pipeline.new_material.trained import read_trained
from pipeline.video.decode import DecodedFrame

CROP = [0.1, 0.05, 0.8, 0.9]


@pytest.mark.parametrize(
    ("student", "others"),
    [
        (False, {}),
        (False, {"subjects": 2}),
        (True, {"store": "jpeg", "jpeg_quality": 60, "crop": CROP}),
        (True, {"known_background": True}),
    ],
)
def test_masks_boxes_and_confidences_are_those_of_the_artifacts(
    tmp_path, monkeypatch, student, others
):
    project = make_trained(tmp_path, monkeypatch, student=student, **others)
    trained = read_trained()
    (source,) = find_inputs([project.source], trained.frames, stride=1)
    found = list(segment(source, trained))
    masks, (boxes, confidence) = project.masks(), project.boxes()
    assert 0.02 < (masks > 0).mean() < 0.9  # else it would be easy to agree
    assert [one.index for one in found] == list(range(7))
    np.testing.assert_array_equal([one.finding.levels for one in found], project.soft())
    np.testing.assert_array_equal([one.mask for one in found], masks > 0)
    np.testing.assert_array_equal([one.finding.box for one in found], boxes)
    np.testing.assert_array_equal(np.float32([one.finding.confidence for one in found]), confidence)


def test_every_other_frame_gets_the_same_masks_all_but_for_rounding(tmp_path, monkeypatch):
    """Other frames share a batch, which may change the last bits of a network's sums."""
    project = make_trained(tmp_path, monkeypatch, student=True)
    trained = read_trained()
    (source,) = find_inputs([project.source], trained.frames, stride=3)
    found = list(segment(source, trained))
    assert [one.index for one in found] == [0, 3, 6]
    assert [one.time_s for one in found] == pytest.approx([0, 3 / 25, 6 / 25])
    levels = np.array([one.finding.levels for one in found], int)
    assert np.abs(levels - project.soft()[::3]).max() <= 1


def test_frames_are_decoded_as_they_are_needed_and_then_let_go(tmp_path, monkeypatch):
    project = make_trained(tmp_path, monkeypatch, student=True)
    trained = read_trained()
    (source,) = find_inputs([project.source], trained.frames, stride=1)
    decoded = []

    def endless(_: Input) -> Iterator[DecodedFrame]:
        for number in count():
            frame = DecodedFrame(number, 0.0, (144, 192), lambda: np.zeros((144, 192, 3), np.uint8))
            decoded.append(weakref.ref(frame))
            yield frame

    monkeypatch.setattr(Input, "decode", endless)
    assert [one.index for one in islice(segment(source, trained), 40)] == list(range(40))
    assert len(decoded) < 50
    assert sum(frame() is not None for frame in decoded) < 5


def test_several_processes_give_the_same(tmp_path, monkeypatch):
    project = make_trained(tmp_path, monkeypatch, student=True)
    trained = read_trained()
    trained = replace(trained, predict=trained.predict.model_copy(update={"batch_size": 2}))
    (source,) = find_inputs([project.source], trained.frames, stride=1)
    alone = list(segment(source, trained))
    monkeypatch.setattr("pipeline.new_material.segment.processes_for", lambda frames: 2)
    monkeypatch.setattr("pipeline.new_material.segment.processes_of_job_on", lambda device: 2)
    found = list(segment(source, trained))
    assert [one.index for one in found] == list(range(7))
    assert project.masks().any()
    for one, same in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.mask, same.mask)
        np.testing.assert_array_equal(one.finding.levels, same.finding.levels)
        np.testing.assert_array_equal(one.finding.box, same.finding.box)
        assert one.finding.confidence == same.finding.confidence
