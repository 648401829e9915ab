from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from helpers_artifacts import make_project
from helpers_labels import label_all

from pipeline.errors import BackdropError
from pipeline.params.training import Compute, Network
from pipeline.training.frames import TrainingFrames
from pipeline.training.pseudo_labels import PseudoLabels, Size
from pipeline.training.read_ahead import ReadAhead

CPU = torch.device("cpu")


def images_of(places):
    return np.array(places, np.uint8)


def test_what_is_expected_is_read_in_another_thread_while_the_caller_goes_on():
    go_on, readers = threading.Event(), []

    def read(places):
        assert go_on.wait(10)
        readers.append(threading.current_thread())
        return images_of(places)

    ahead = ReadAhead(read)
    ahead.expect([3, 1])  # comes back though the read is not done
    assert not readers
    go_on.set()
    assert ahead.take([3, 1]).tolist() == [3, 1]
    assert readers[0] is not threading.current_thread()
    assert len(readers) == 1


def test_other_places_are_read_at_once_and_the_expected_ones_stay():
    asked = []

    def read(places):
        asked.append(list(places))
        return images_of(places)

    ahead = ReadAhead(read)
    ahead.expect([5])
    assert ahead.take([7, 8]).tolist() == [7, 8]
    assert ahead.take([5]).tolist() == [5]
    assert sorted(asked) == [[5], [7, 8]]
    assert ahead.take([5]).tolist() == [5]  # once: then it is read anew
    assert len(asked) == 3


def test_an_error_of_the_thread_reaches_who_takes():
    def read(places):
        raise BackdropError(f"frame {places[0]} is damaged")

    ahead = ReadAhead(read)
    ahead.expect([2])
    with pytest.raises(BackdropError, match="frame 2 is damaged"):
        ahead.take([2])


def test_frames_and_labels_read_ahead_are_those_in_memory(tmp_path, monkeypatch):
    label_all(make_project(tmp_path, monkeypatch, ["train", "val", "train_test"], frames=5))
    size, on_disk = Network(height=32, width=40), Compute(cache_mib=0)
    for kind in ("rgb", "flow"):
        frames = TrainingFrames(kind, size, on_disk)
        frames.expect([1, 8, 3])
        assert torch.equal(
            frames.batch([1, 8, 3], CPU),
            TrainingFrames(kind, size, Compute()).batch([1, 8, 3], CPU),
        )
    labels = PseudoLabels(Size(32, 40), on_disk)
    labels.expect(6, np.random.default_rng(4))
    asked = labels.store.ahead._read
    labels.store.ahead._read = lambda _: pytest.fail("drawn otherwise than expected")
    drawn = labels.draw(6, np.random.default_rng(4), CPU)
    labels.store.ahead._read = asked
    kept = PseudoLabels(Size(32, 40), Compute())
    assert torch.equal(drawn, kept.draw(6, np.random.default_rng(4), CPU))
