"""Frames come in order, upright and at their time; what is broken is told, each in its words."""

from __future__ import annotations

import shutil
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers_video import (
    copy_packets,
    cut_file,
    number_of,
    numbered,
    rotate_header,
    texture,
    write_pictures,
    write_sound,
    write_video,
)

from pipeline.errors import BackdropError
from pipeline.video.decode import Damage, iter_frames
from pipeline.video.encode import open_encoder
from pipeline.video.folder import read_image
from pipeline.video.probe import probe_video, read_header
from pipeline.video.sources import find_videos


def decode(path: Path) -> list[np.ndarray]:
    return [frame.image for frame in iter_frames(path)]


def noisy(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (count, 64, 96, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_every_frame_in_order(tmp_path, suffix):
    path = write_video(tmp_path / f"a{suffix}", numbered(30))
    frames = list(iter_frames(path))
    assert [frame.index for frame in frames] == list(range(30))
    assert [number_of(frame.image) for frame in frames] == list(range(30))
    assert np.allclose([frame.time_s for frame in frames], np.arange(30) / 25, atol=1e-3)


@pytest.mark.parametrize(
    ("suffix", "fps"), [(".h264", 50), (".h265", 50), (".m2v", 50), (".y4m", 50), (".mjpeg", 25)]
)
def test_a_stream_without_container_is_read_at_its_rate(tmp_path, suffix, fps):
    """M-JPEG states no rate, and counts as 25 frames a second."""
    path = write_video(tmp_path / f"a{suffix}", numbered(30), fps=50)
    (source,) = find_videos([tmp_path])
    assert source.video == "a"
    frames = list(iter_frames(path))
    assert [number_of(frame.image) for frame in frames] == list(range(30))
    assert np.allclose([frame.time_s for frame in frames], np.arange(30) / fps)
    info = probe_video(path)
    assert (info.frames, info.fps, info.constant_rate) == (30, pytest.approx(fps), True)
    assert info.duration_s == pytest.approx(30 / fps)
    assert not info.damage.found
    assert read_header(path).fps == pytest.approx(fps)


def test_a_bare_stream_of_uneven_times_is_not_taken_for_slow_motion(tmp_path):
    """Where frames come at their own times, x264 states its clock: 90,000 ticks a second."""
    with open_encoder(tmp_path / "a.mp4", Fraction(25), 48, 64, 20, timed=True) as write:
        for number, image in enumerate(numbered(12)):
            write(image, number / 10 + 0.01 * (number % 2))
    copy_packets(tmp_path / "a.mp4", tmp_path / "a.h264", live=False)
    with av.open(str(tmp_path / "a.h264")) as container:
        assert container.streams.video[0].codec_context.framerate > 1000
    assert read_header(tmp_path / "a.h264").fps == 25
    assert [number_of(frame.image) for frame in iter_frames(tmp_path / "a.h264")] == [*range(12)]


def test_motion_jpeg_of_large_pictures_is_no_single_one(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 1440, 2560, 3), dtype=np.uint8)
    path = tmp_path / "a.mjpg"
    path.write_bytes(b"".join(cv2.imencode(".jpg", image)[1].tobytes() for image in images))
    with av.open(str(path)) as container:
        assert container.format.name == "jpeg_pipe", "what FFmpeg takes it for"
    assert len(decode(path)) == 2


def test_pixels_agree_with_opencv(tmp_path):
    path = write_video(tmp_path / "a.mp4", [texture(64, 96, seed) for seed in range(5)])
    capture = cv2.VideoCapture(str(path))
    for image in decode(path):
        _, bgr = capture.read()
        assert np.abs(image.astype(int) - bgr[..., ::-1]).mean() < 2


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_rotation_agrees_with_opencv(tmp_path, matrix):
    path = write_video(tmp_path / "a.mp4", [texture(64, 96)] * 3)
    rotate_header(path, matrix)
    (image, *_), (_, bgr) = decode(path), cv2.VideoCapture(str(path)).read()
    assert image.shape == ((96, 64, 3) if matrix[1] else (64, 96, 3))
    assert np.abs(image.astype(int) - bgr[..., ::-1]).mean() < 2


@pytest.mark.parametrize("signs", list(product((1, -1), (1, -1))))
@pytest.mark.parametrize("turned", [False, True])
def test_mirrored_and_turned_as_the_matrix_says(tmp_path, turned, signs):
    path = write_video(tmp_path / "a.mp4", [texture(64, 96)] * 2)
    plain, _ = decode(path)
    x, y = signs  # of the picture's two axes, once they are in place
    rotate_header(path, (0, y, x, 0) if turned else (x, 0, 0, y))
    frame = next(iter_frames(path))
    expected = (plain.swapaxes(0, 1) if turned else plain)[::y, ::x]
    assert np.array_equal(frame.image, expected)
    assert (frame.height, frame.width) == expected.shape[:2]
    assert frame.mirrored == ((x == y) == turned)


def test_times_of_a_variable_rate(tmp_path):
    ticks = [0, 40, 80, 240, 250, 400]
    path = write_video(tmp_path / "a.mkv", numbered(6), ticks=ticks)
    assert np.allclose([f.time_s for f in iter_frames(path)], np.array(ticks) / 1000, atol=2e-3)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("references", ["0", "2"])
def test_times_in_avi_which_tells_when_packets_come(tmp_path, codec, references):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"bf": references})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 2_000_000  # the numbers are told by grey levels
        for image in numbered(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    frames = list(iter_frames(path))
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(12) / 30, atol=1e-9)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_folder_in_the_order_people_count(tmp_path, suffix):
    folder = write_pictures(tmp_path / "clip", numbered(12), suffix)
    (folder / "notes.txt").write_text("not a frame")
    assert [number_of(image) for image in decode(folder)] == list(range(12))


def deep(folder: Path, suffix: str, bits: int, name: str = "0") -> Path:
    folder.mkdir(exist_ok=True)
    ramp = np.linspace(0, 2**bits - 1, 64).astype(np.uint16)
    assert cv2.imwrite(str(folder / f"{name}{suffix}"), np.tile(ramp, (48, 1)))
    return folder


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_pictures_of_16_bits_become_8(tmp_path, suffix):
    (image,) = decode(deep(tmp_path / "full", suffix, 16))
    expected = np.linspace(0, 2**16 - 1, 64).astype(np.uint16) // 256
    assert np.array_equal(image, np.broadcast_to(expected[:, None], (48, 64, 3)))
    assert not decode(deep(tmp_path / "black", suffix, 0))[0].any()
    assert decode(deep(tmp_path / "dusk", suffix, 15))[0].max() == 127


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
def test_colours_of_16_bits_become_those_of_8(tmp_path, suffix):
    colours = texture(48, 64)
    file = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(file), colours[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read_image(file), colours)


def test_several_pictures_in_a_file_are_told(tmp_path):
    stack, moving = tmp_path / "stack.tif", cv2.Animation()
    moving.frames, moving.durations = noisy(2), [40, 40]
    assert cv2.imwritemulti(str(stack), noisy(3))
    for suffix in (".png", ".webp"):
        assert cv2.imwriteanimation(str(tmp_path / f"moving{suffix}"), moving)
    for file in (stack, tmp_path / "moving.png", tmp_path / "moving.webp"):
        with pytest.raises(BackdropError, match=f"{file.name}: holds several pictures — export"):
            read_image(file)


def test_a_thumbnail_beside_a_picture_is_not_a_second_one(tmp_path):
    colours = texture(48, 64)
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), [colours[..., ::-1], colours[::4, ::4]])
    assert np.array_equal(read_image(tmp_path / "a.tif"), colours)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_fewer_bits_stored_in_16_are_refused(tmp_path, suffix, bits):
    folder = deep(tmp_path / "sparse", suffix, bits)
    told = rf"stored in 16 bits, but holds {bits}-bit values \(the largest is {2**bits - 1}\) — exp"
    with pytest.raises(BackdropError, match=f"sparse: is {told}"):
        decode(folder)
    with pytest.raises(BackdropError, match=rf"sparse/0\{suffix}: is {told}"):
        read_image(folder / f"0{suffix}")


@pytest.mark.parametrize("dark", [1, 8, 10, 14])
def test_a_dark_frame_does_not_make_a_folder_of_16_bits_doubtful(tmp_path, dark):
    folder = deep(tmp_path / "night", ".png", dark)
    first, last = decode(deep(folder, ".png", 16, name="1"))
    assert first.max() == (2**dark - 1) // 256
    assert last.max() == 255


def test_folder_of_unequal_sizes_names_the_file(tmp_path):
    folder = write_pictures(tmp_path / "clip", [*numbered(3), numbered(1, 40, 64)[0]])
    with pytest.raises(BackdropError, match=r"3\.png: is 64x40, but 0\.png is 64x48"):
        decode(folder)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_cut_picture_is_not_filled_with_grey(tmp_path, suffix):
    folder = write_pictures(tmp_path / "clip", noisy(2), suffix)
    cut_file(folder / f"1{suffix}", 0.7)
    with pytest.raises(BackdropError, match=rf"1\{suffix}: is cut short"):
        decode(folder)


def broken_files(folder: Path) -> dict[str, tuple[Path, str]]:
    empty, text, picture = folder / "empty.mp4", folder / "text.mp4", folder / "picture.mp4"
    empty.touch()
    text.write_text("these are words\n" * 100)
    cv2.imwrite(str(folder / "p.png"), numbered(1)[0])
    shutil.move(folder / "p.png", picture)
    (folder / "no_pictures").mkdir()
    return {
        "missing": (folder / "missing.mp4", "is missing"),
        "empty": (empty, "is empty"),
        "text": (text, "is not a video that FFmpeg can read"),
        "picture": (picture, "is a single picture"),
        "sound": (write_sound(folder / "sound.m4a"), "holds only sound"),
        "no index": (
            cut_file(write_video(folder / "cut.mp4", noisy(20)), 0.6),
            "its index .* is missing",
        ),
        "empty folder": (folder / "no_pictures", "holds no pictures"),
    }


CASES = ("missing", "empty", "text", "picture", "sound", "no index", "empty folder")


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_video_is_one_line_that_names_it(tmp_path, case):
    path, words = broken_files(tmp_path)[case]
    with pytest.raises(BackdropError, match=words) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_truncated_video_names_the_last_good_frame(tmp_path, suffix):
    path = write_video(tmp_path / f"a{suffix}", noisy(60), faststart=suffix == ".mp4")
    cut_file(path, 0.6)
    with pytest.raises(BackdropError, match=r"cut short: .*; its last good frame is \d+ — "):
        decode(path)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_late_start_is_no_lost_end(tmp_path, suffix):
    ticks = range(5000, 5000 + 40 * 60, 40)
    path = write_video(tmp_path / f"a{suffix}", noisy(60), ticks=ticks)
    frames = list(iter_frames(path))
    assert len(frames) == 60
    assert frames[0].time_s == 0
    assert read_header(path).duration_s == pytest.approx(2.4, abs=0.1)


@pytest.mark.parametrize("share", [0.6, 0.75])
def test_a_late_start_does_not_hide_a_lost_end(tmp_path, share):
    ticks = range(5000, 5000 + 40 * 60, 40)
    path = write_video(tmp_path / "a.mkv", noisy(60), ticks=ticks)
    cut_file(path, share)
    damage = Damage()
    count = sum(1 for _ in iter_frames(path, damage))
    assert damage.lost_end_s == pytest.approx((60 - count) / 25, abs=0.05)
    assert 30 < count < 50


def test_damage_in_the_middle_is_counted_and_decoding_goes_on(tmp_path):
    path = write_video(tmp_path / "a.mp4", noisy(60), faststart=True)
    with av.open(str(path)) as container:
        packet = [p for p in container.demux() if p.size][30]
        start, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    damage = Damage()
    count = sum(1 for _ in iter_frames(path, damage))
    assert damage.bad_packets == 1
    assert count >= 58
    assert 20 <= damage.last_good <= 32
    with pytest.raises(BackdropError, match="1 damaged packet"):
        decode(path)


def test_size_change_midway_names_the_frame(tmp_path):
    parts = [
        write_video(tmp_path / "big.h264", [texture(96, 128)] * 5),
        write_video(tmp_path / "small.h264", [texture(48, 64)] * 5),
    ]
    path = tmp_path / "joined.mp4"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(BackdropError, match="changes size at frame 5: 128x96 before, 64x48 from"):
        decode(path)
