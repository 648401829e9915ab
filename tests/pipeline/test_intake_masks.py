"""Masks beside videos: which are taken, which are kept, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_files import refuse_to_list

from pipeline.intake import collect, place
from pipeline.mask_intake import ground_truth_folder, warn_of_unused_masks


def _touch(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    root = tmp_path / "DAVIS"
    for sequence in ("bear", "swan"):
        for number in range(3):
            _touch(root / "JPEGImages/480p" / sequence / f"{number:05d}.jpg", f"{sequence}{number}")
    for number in range(3):
        _touch(root / "Annotations/480p/bear" / f"{number:05d}.png")
    return root


def _tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_masks_are_png_in_any_case_and_all_else_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [_touch(tmp_path / f"{name}.mp4") for name in "abcd"]
    masks = tmp_path / "masks"
    for name in ("a/0.PNG", "a/1.tif", "b/0.jpg", "b_gt/0.png", "0.png", "d/0.png", "a/._0.png"):
        _touch(masks / name)
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
    assert _tree(tmp_path / "raw") == ["a.mp4", "b.mp4", "c.mp4", "masks/a/0.PNG"]


def test_what_of_daviss_masks_is_left_out_is_told(
    davis: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _touch(davis / "Annotations/480p/swann/0.png")
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
    clip = _touch(tmp_path / "a.mp4")
    _touch(tmp_path / "masks/a/0.png")
    refuse_to_list(monkeypatch, tmp_path / folder, tmp_path / "masks/a")
    sources = collect([clip])
    warn_of_unused_masks(sources)
    assert caplog.messages == [
        f"{tmp_path / folder}: left out, because it cannot be read (Permission denied)"
    ]
    assert ground_truth_folder(sources[0]) is None
