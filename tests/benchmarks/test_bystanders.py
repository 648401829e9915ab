"""Places without the people who stand in them, and masks against the truth."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from benchmarks.bystanders import main, nobody_at_rest, scores
from pipeline.synthetic.location import LOCATIONS, panorama


@pytest.mark.parametrize("place", LOCATIONS)
def test_only_the_people_at_rest_are_gone(place):
    before = panorama(place, 7).astype(int)
    with nobody_at_rest():
        without = panorama(place, 7).astype(int)
    changed = (before != without).any(axis=-1)
    rows, _ = np.nonzero(changed)
    assert 0.003 < changed.mean() < 0.05
    assert rows.max() < 545  # they stand where people walk
    parts, _ = cv2.connectedComponents(cv2.dilate(changed.astype(np.uint8), np.ones((25, 25))))
    assert parts - 1 == {"slope": 2, "yard": 3, "shore": 2}[place]
    assert (panorama(place, 7) == before).all()


def test_scores_are_means_over_frames(tmp_path):
    """Of 20 px of the subject 10 are covered by a mask of 40; then all by a mask of 20."""
    for folder in ("truth", "masks"):
        (tmp_path / folder).mkdir()
    for number, (first, count) in enumerate([(10, 40), (0, 20)]):
        truth, mask = np.zeros((1, 100), np.uint8), np.zeros((1, 100), np.uint8)
        truth[:, :20], mask[:, first : first + count] = 255, 255
        cv2.imwrite(str(tmp_path / "truth" / f"{number:05d}.png"), truth)
        cv2.imwrite(str(tmp_path / "masks" / f"{number:06d}.png"), mask)
    found = scores(tmp_path / "truth", tmp_path / "masks")
    assert found == pytest.approx(((0.2 + 1) / 2, (0.5 + 1) / 2, (0.25 + 1) / 2))


def test_clips_of_another_run_are_not_counted(tmp_path, monkeypatch, capsys):
    (tmp_path / "slope_alone").mkdir()
    monkeypatch.setattr(sys, "argv", ["bystanders", "--to", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert "is not empty" in capsys.readouterr().err
