"""Masks beside videos: which are taken, which are kept, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_files import refuse_to_list
from helpers_intake import make_davis, touch, tree

from pipeline.intake import collect, place
from pipeline.mask_intake import ground_truth_folder, warn_of_unused_masks


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "DAVIS")


def test_masks_are_png_in_any_case_and_all_else_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [touch(tmp_path / f"{name}.mp4") for name in "abcd"]
    masks = tmp_path / "masks"
    for name in ("a/0.PNG", "a/1.tif", "b/0.jpg", "b_gt/0.png", "0.png", "d/0.png", "a/._0.png"):
        touch(masks / name)
    (masks / "c").mkdir()
    sources = collect(clips[:3])
    warn_of_unused_masks(sources)
    no_png = "files are left out, because they are no .png"
    assert caplog.messages == [
        f"{masks}: pictures in it are left out — masks are taken from {masks}/VIDEO",
        f"{masks}/a: 1 of 2 {no_png}: 1.tif — save masks as PNG",
        f"{masks}/b: 1 of 1 {no_png}: 0.jpg — save masks as PNG",
        f"{masks}/b_gt: left out, because no video has this name — known are: a, b, c",
        f"{masks}/c: is empty, so its video has no masks",
    ]  # d.mp4 is there, but was not asked for
    place(sources, tmp_path / "raw", force=False)
    assert tree(tmp_path / "raw") == ["a.mp4", "b.mp4", "c.mp4", "masks/a/0.PNG"]


def test_what_of_daviss_masks_is_left_out_is_told(
    davis: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(davis / "Annotations/480p/swann/0.png")
    warn_of_unused_masks(collect([davis]))
    assert len(caplog.messages) == 1
    assert "480p/swann: left out, because no video" in caplog.text
    caplog.clear()
    warn_of_unused_masks(collect([davis / "JPEGImages/480p/swan"]))
    assert len(caplog.messages) == 1  # nor does one sequence alone complain of the others' masks


@pytest.mark.parametrize("folder", ["masks", "masks/a"])
def test_masks_that_cannot_be_read_are_told(
    tmp_path: Path,
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clip = touch(tmp_path / "a.mp4")
    touch(tmp_path / "masks/a/0.png")
    refuse_to_list(monkeypatch, tmp_path / folder, tmp_path / "masks/a")
    sources = collect([clip])
    warn_of_unused_masks(sources)
    assert caplog.messages == [
        f"{tmp_path / folder}: left out, because it cannot be read (Permission denied)"
    ]
    assert ground_truth_folder(sources[0]) is None
