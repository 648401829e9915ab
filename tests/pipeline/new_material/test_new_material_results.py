"""What lies in a result's folder: masks and boxes in px of the source, and pictures to look at."""

from __future__ import annotations

import csv
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers_trained import make_trained, read_mask
from helpers_video import number_of, numbered, texture, walker, write_pictures, write_video

from pipeline.new_material.films import drawn, film_size
from pipeline.new_material.inputs import find_inputs
from pipeline.new_material.results import at_source, box_at_source, write_results
from pipeline.new_material.trained import read_trained
from pipeline.params.data import ExtractFrames

CROPPED = ExtractFrames(longest_side=64, crop=(0.25, 0.5, 0.5, 0.5))


def results_of(path: Path, folder: Path, *, stride: int = 1, overlay: bool = True):
    trained = read_trained()
    (source,) = find_inputs([path], trained.frames, stride)
    folder.mkdir()
    steps: list[int] = []
    write_results(source, trained, folder, overlay=overlay, advance=steps.append)
    return source, steps


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "boxes.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def cropped(tmp_path):
    """A source of 192x144 px, of which (48, 72, 96, 72) becomes 64x48."""
    (source,) = find_inputs([write_video(tmp_path / "a.mp4", walker(2))], CROPPED, 1)
    return source


def test_a_mask_returns_to_where_the_crop_was(cropped):
    small = np.zeros((48, 64), bool)
    small[8:40, 16:48] = True
    full = at_source(small, cropped)
    expected = np.zeros((144, 192), bool)
    expected[72 + 12 : 72 + 60, 48 + 24 : 48 + 72] = True
    assert full.shape == (144, 192)
    np.testing.assert_array_equal(full, expected)


def test_a_box_returns_too_cut_at_the_crop(cropped):
    box = box_at_source(np.float32([16, 8, 32, 32]), cropped)
    np.testing.assert_allclose(box, [48 + 24, 72 + 12, 48, 48])
    box = box_at_source(np.float32([-10, 40, 200, 100]), cropped)
    np.testing.assert_allclose(box, [48, 72 + 60, 96, 12])


def test_masks_and_table_are_at_the_sources_size(tmp_path, monkeypatch):
    project = make_trained(tmp_path, monkeypatch, student=True)
    _, steps = results_of(project.source, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out/masks").iterdir())
    assert names == [f"{n:06d}.png" for n in range(7)]
    assert steps == [1] * 7
    boxes, confidence = project.boxes()
    for n, row in enumerate(rows(tmp_path / "out")):
        mask = read_mask(tmp_path / "out/masks" / names[n])
        assert mask.shape == (144, 192)
        assert set(np.unique(mask)) == {0, 255}
        large = cv2.resize(project.masks()[n].astype(np.float32) / 255, (192, 144))
        np.testing.assert_array_equal(mask > 0, large > 0.5)
        assert (int(row["frame"]), row["empty"], row["file"]) == (n, "0", "")
        assert float(row["time_s"]) == pytest.approx(n / 25, abs=1e-6)
        assert float(row["confidence"]) == pytest.approx(confidence[n], abs=1e-4)
        assert float(row["mask_area"]) == pytest.approx((mask > 0).mean(), abs=1e-6)
        box = [float(row[key]) for key in ("x", "y", "width", "height")]
        np.testing.assert_allclose(box, boxes[n] * 3, atol=0.01)


def test_a_stride_keeps_the_numbers_of_the_source(tmp_path, monkeypatch):
    project = make_trained(tmp_path, monkeypatch, student=True)
    results_of(project.source, tmp_path / "out", stride=3)
    assert {path.name for path in (tmp_path / "out/masks").iterdir()} == {
        "000000.png", "000003.png", "000006.png",
    }  # fmt: skip
    assert [row["frame"] for row in rows(tmp_path / "out")] == ["0", "3", "6"]
    with av.open(str(tmp_path / "out/overlay.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 3
        assert film.streams.video[0].average_rate == Fraction(25, 3)


def test_the_film_shows_the_frames_with_marks(tmp_path, monkeypatch):
    project = make_trained(tmp_path, monkeypatch, student=True)
    source, _ = results_of(project.source, tmp_path / "out")
    with av.open(str(tmp_path / "out/overlay.mp4")) as film:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    plain = [frame.image.astype(int) for frame in source.decode()]
    assert len(shown) == len(plain) == 7
    for n, (picture, frame) in enumerate(zip(shown, plain, strict=True)):
        change = np.abs(picture - frame).sum(axis=2)
        mask = read_mask(tmp_path / f"out/masks/{n:06d}.png")
        edge = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        assert change[edge].mean() > 3 * np.median(change)


def test_a_picture_gets_a_picture(tmp_path, monkeypatch):
    make_trained(tmp_path, monkeypatch, student=False)
    cv2.imwrite(str(tmp_path / "photo.png"), texture(61, 83)[..., ::-1])
    results_of(tmp_path / "photo.png", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"masks", "boxes.csv", "overlay.png"}
    assert read_mask(tmp_path / "out/masks/000000.png").shape == (61, 83)
    assert [row["file"] for row in rows(tmp_path / "out")] == ["photo.png"]


def test_each_frame_of_a_folder_is_told_with_its_file(tmp_path, monkeypatch):
    """Brightest last; by number they sort 2, 10, 11, and the last name wants quoting in a CSV."""
    make_trained(tmp_path, monkeypatch, student=False)
    names = ["cam 2.png", "cam 10.png", 'cam 11, "b".png']
    for name, image in zip(names, numbered(3), strict=True):
        (tmp_path / "walk").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "walk" / name), image)
    source, _ = results_of(tmp_path / "walk", tmp_path / "out", stride=2)
    found = rows(tmp_path / "out")
    assert [(row["frame"], row["file"]) for row in found] == [("0", names[0]), ("2", names[2])]
    assert [number_of(frame.image) for frame in source.decode()] == [0, 2]


def test_a_name_that_is_no_text_stands_in_the_table_as_its_bytes(tmp_path, monkeypatch):
    make_trained(tmp_path, monkeypatch, student=False)
    name = os.fsdecode(b"caf\xe9.png")
    (write_pictures(tmp_path / "walk", numbered(1)) / "0.png").rename(tmp_path / "walk" / name)
    results_of(tmp_path / "walk", tmp_path / "out")
    assert b"caf\xe9.png\n" in (tmp_path / "out/boxes.csv").read_bytes()


def test_a_film_is_even_square_and_not_too_large(tmp_path):
    sizes = {}
    for name, (height, width, aspect) in {
        "odd": (61, 83, 1), "wide": (64, 64, 2), "large": (1000, 2560, 1),
    }.items():  # fmt: skip
        image = [texture(height - height % 2, width - width % 2)]
        video = write_video(tmp_path / f"{name}.mp4", image, pixel_aspect=Fraction(aspect))
        (source,) = find_inputs([video], ExtractFrames(), 1)
        sizes[name] = film_size(source)
    assert sizes == {"odd": (60, 82), "wide": (64, 128), "large": (500, 1280)}


def test_an_empty_mask_has_no_marks():
    image = texture(40, 60)
    nothing = np.zeros((40, 60), bool)
    np.testing.assert_array_equal(drawn(image, nothing, np.array([5, 5, 9, 9]), 40, 60), image)
