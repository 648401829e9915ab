"""The doctor's word against scenes whose truth is known, made and real."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers_motion import pan
from helpers_video import (
    cut_file,
    numbered,
    rotate_header,
    texture,
    walker,
    write_pictures,
    write_video,
)

from pipeline.doctor import examine, examine_paths, format_report, print_reports
from pipeline.doctor.numbering import number_jumps


def two_planes(count: int) -> list[np.ndarray]:
    """A camera that travels: bands of the picture are near or far, no plane."""
    layers = [texture(144, 192 + 20 * count, seed) for seed in (1, 2, 3, 4)]
    frames = []
    for n in range(count):
        frame = np.empty((144, 192, 3), np.uint8)
        for band, (layer, speed) in enumerate(zip(layers, (8, 1, 12, 4), strict=True)):
            rows = slice(36 * band, 36 * band + 36)
            frame[rows] = layer[rows, speed * n : speed * n + 192]
        frames.append(frame)
    return frames


def test_static_camera_and_a_subject_that_crosses(tmp_path):
    report = examine(write_video(tmp_path / "a.mp4", walker(40), fps=10))
    assert report.usable
    assert report.camera == "static"
    assert report.subject is not None
    assert report.subject.travel == pytest.approx(0.7, abs=0.12)
    assert report.subject.width == pytest.approx(24 / 192, abs=0.08)
    assert report.a1.state == "looks kept"


def test_a_camera_that_creeps_is_not_taken_for_a_still_one(tmp_path):
    """0.04 px a frame: too little for any pair of frames, 8 px over the video."""
    report = examine(write_video(tmp_path / "a.mp4", pan(200, (144, 192), 0.04), fps=25))
    assert report.camera == "rotating"
    assert "creeps" in report.camera_why


def test_two_still_views_are_no_still_camera(tmp_path):
    frames = [texture(144, 192, 1)] * 15 + [255 - texture(144, 192, 2) // 3] * 15
    report = examine(write_video(tmp_path / "a.mp4", frames, fps=10))
    assert report.camera == "unknown"
    assert "another view" in report.camera_why


def test_panning_camera_and_the_way_in_the_scene(tmp_path):
    """The subject crosses 0.75 of the frame while the camera turns by 2 px a frame with it."""
    report = examine(write_video(tmp_path / "a.mp4", walker(40, shift=2), fps=10))
    assert report.camera == "rotating"
    assert report.subject is not None
    assert report.subject.travel == pytest.approx(0.7 + 2 * 38 / 192, abs=0.15)


def test_parallax_is_told_from_a_turn(tmp_path):
    report = examine(write_video(tmp_path / "a.mp4", two_planes(24), fps=10))
    assert report.camera == "translating"
    assert any("parallax" in warning for warning in report.warnings)


def test_a_subject_that_stays_in_place_breaks_a1(tmp_path):
    scene, subject = texture(144, 192, 1), 255 - texture(36, 24, 2)
    frames = []
    for n in range(30):
        frame = scene.copy()
        frame[60:96, 80 + 6 * (n % 2) : 104 + 6 * (n % 2)] = subject
        frames.append(frame)
    report = examine(write_video(tmp_path / "a.mp4", frames, fps=5))
    assert report.a1.state == "looks broken"


def test_nothing_moves(tmp_path):
    report = examine(write_video(tmp_path / "a.mp4", [texture(144, 192)] * 12))
    assert report.camera == "static"
    assert (report.subject, report.a1.state, report.a2.state) == (
        None,
        "cannot tell",
        "cannot tell",
    )


def test_no_texture_is_no_crash(tmp_path):
    report = examine(write_video(tmp_path / "a.mp4", [numbered(1, 96, 128)[0]] * 8))
    assert report.usable
    assert report.camera == "static"


def test_a_scene_cut_is_a_warning_that_names_the_frame(tmp_path):
    frames = [texture(96, 128, 1)] * 10 + [255 - texture(96, 128, 2) // 3] * 10
    report = examine(write_video(tmp_path / "a.mp4", frames))
    assert report.cuts == (10,)
    assert "scene cuts at frames 10" in report.warnings[0]


def test_black_single_frame_and_cut_short_are_problems_with_remedies(tmp_path):
    black = write_video(tmp_path / "black.mp4", [np.zeros((48, 64, 3), np.uint8)] * 5)
    single = write_pictures(tmp_path / "single", numbered(1))
    short = cut_file(write_video(tmp_path / "s.mkv", [texture(64, 96, n) for n in range(40)]), 0.5)
    tiny = write_pictures(tmp_path / "tiny", [frame[:6] for frame in numbered(3)])
    told = {black: "all black", single: "one frame", short: "cut short", tiny: "8 are the least"}
    for path, words in told.items():
        (problem,) = examine(path).problems
        assert words in problem
        assert " — " in problem, "a problem carries its remedy"


def test_a_mirrored_video_is_told(tmp_path):
    path = write_video(tmp_path / "a.mp4", walker(12))
    rotate_header(path, (-1, 0, 0, 1))
    told = format_report([examine(path)])
    assert "192x144, mirrored top to bottom, rotated by 180 degrees, 12 frames" in told


def test_missing_pictures_are_told(tmp_path):
    folder = write_pictures(tmp_path / "walk", walker(14))
    assert not any("jump" in warning for warning in examine(folder).warnings)
    for number in (5, 6, 11):
        (folder / f"{number}.png").unlink()
    (warning,) = (one for one in examine(folder).warnings if "jump" in one)
    assert "jump in 2 place(s), first from 4.png to 7.png" in warning


@pytest.mark.parametrize(
    ("names", "jumps"),
    [
        (["f_000", "f_005", "f_010", "f_025"], [("f_010.png", "f_025.png")]),  # every fifth
        (["shot2_1", "shot2_2", "shot2_4"], [("shot2_2.png", "shot2_4.png")]),
        (["a", "b", "d"], []),
        (["run1_1", "run1_2", "run2_1"], []),
        (["0"], []),
        ([], []),
    ],
)
def test_numbers_that_jump(names, jumps):
    assert number_jumps([Path(f"{name}.png") for name in names]) == jumps


def test_paths_are_examined_together_and_one_bad_video_spoils_the_verdict(tmp_path, capsys):
    write_video(tmp_path / "good.mp4", walker(12))
    (tmp_path / "bad.mp4").write_text("words")
    reports = examine_paths([tmp_path])
    assert [report.video for report in reports] == ["bad", "good"]
    assert not print_reports(reports)
    told = capsys.readouterr().out
    assert "1 of them unusable: bad" in told
    for line in ("h264, 192x144, 12 frames decoded (announced: 12)", "25.000 fps, constant"):
        assert line in told
        assert line in format_report(reports)
    assert print_reports(reports[1:])


@pytest.mark.parametrize(
    ("name", "camera", "least"),
    [("rollerblade", "rotating", 0.4), ("car-turn", "rotating", 1.0), ("hike", "rotating", 0.2)],
)
def test_real_sequences(test_data: Path, name, camera, least):
    """By eye: the skater crosses 0.6 of an almost fixed frame; the car's pan spans two frames."""
    report = examine(test_data / "davis2016_train" / "JPEGImages" / "480p" / name)
    assert report.camera == camera
    assert report.subject is not None
    assert report.subject.travel > least


@pytest.mark.parametrize("size", [(60, 80), (144, 192), (600, 800)])
def test_a_subject_is_seen_whatever_the_size_of_the_frames(tmp_path, size):
    frames = [cv2.resize(frame, size[::-1]) for frame in walker(40)]
    report = examine(write_video(tmp_path / "a.mp4", frames, fps=10))
    assert report.subject is not None
    assert report.subject.travel == pytest.approx(0.7, abs=0.15)


def test_a_ribbon_of_a_video_is_no_crash(tmp_path):
    frames = [texture(32, 640, 1)] * 8
    assert examine(write_video(tmp_path / "a.mp4", frames)).usable


@pytest.mark.parametrize("flags", ["+ildct+ilme", "+bitexact"])
def test_interlaced_video_and_pixels_that_are_not_square_are_told(tmp_path, flags):
    path = tmp_path / "a.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": flags})
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        stream.sample_aspect_ratio = Fraction(4, 3)
        for image in walker(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    report = examine(path)
    told = [warning for warning in report.warnings if "interlaced" in warning]
    assert len(told) == ("ildct" in flags)
    assert all("`ffmpeg -i a.mpg -vf bwdif progressive.mp4`" in warning for warning in told)
    assert "192x144 of pixels 1.33 times as wide as high, 12 frames" in format_report([report])
