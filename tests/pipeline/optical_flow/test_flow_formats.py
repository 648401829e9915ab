"""Flow files: what is written is read, byte by byte as published; damage is named."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.errors import BackdropError
from pipeline.optical_flow.formats import read_flow, write_flow

SIZES = array_shapes(min_dims=2, max_dims=2, max_side=6)
EXAMPLES = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def flows(draw, largest):
    """Flow of any size, and where it is known."""
    size = draw(SIZES)
    values = st.floats(-largest, largest, width=32)
    flow = draw(arrays(np.float32, (*size, 2), elements=values))
    return flow, draw(arrays(np.bool_, size))


@EXAMPLES
@given(flows(largest=9e8))
def test_flo_keeps_every_bit(tmp_path, example):
    flow, known = example
    write_flow(tmp_path / "a.flo", flow, known)
    read = read_flow(tmp_path / "a.flo")
    np.testing.assert_array_equal(read.known, known)
    np.testing.assert_array_equal(read.flow, flow * known[..., None])
    assert read.flow.dtype == np.float32


@EXAMPLES
@given(flows(largest=500))
def test_kitti_keeps_a_64th_of_a_px(tmp_path, example):
    flow, known = example
    write_flow(tmp_path / "a.png", flow, known)
    read = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(read.known, known)
    np.testing.assert_allclose(read.flow, flow * known[..., None], atol=1 / 128 + 1e-6)
    assert read.flow.dtype == np.float32


def test_flo_by_hand(tmp_path):
    file = tmp_path / "hand.flo"
    values = (1.5, -2.0, 2e9, 0.0, 0.0, float("nan"), -0.25, 3.0)
    file.write_bytes(b"PIEH" + struct.pack("<2i8f", 2, 2, *values))
    assert struct.unpack("<f", b"PIEH")[0] == 202021.25  # the published magic
    flow, known = read_flow(file)
    np.testing.assert_array_equal(known, [[True, False], [False, True]])
    np.testing.assert_array_equal(flow, [[[1.5, -2.0], [0, 0]], [[0, 0], [-0.25, 3.0]]])
    write_flow(tmp_path / "ours.flo", flow, known)
    ours = (1.5, -2.0, 1e10, 1e10, 1e10, 1e10, -0.25, 3.0)
    expected = b"PIEH" + struct.pack("<2i8f", 2, 2, *ours)
    assert (tmp_path / "ours.flo").read_bytes() == expected


def test_kitti_by_hand(tmp_path):
    """As the devkit says: u = (R - 2^15) / 64, v the same of G, known where B is 1."""
    u, v = [[2**15 + 64, 0]], [[2**15 - 96, 0]]
    image = np.array([u, v, [[1, 0]]], np.uint16).transpose(1, 2, 0)  # RGB
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    flow, known = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(known, [[True, False]])
    np.testing.assert_array_equal(flow, [[[1.0, -1.5], [0, 0]]])
    write_flow(tmp_path / "b.png", flow, known)
    again = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(again[..., ::-1], image)


def test_published_flow_is_read(test_data):
    flow, known = read_flow(test_data / "flow" / "00001_flow.flo")
    assert flow.shape == (384, 512, 2)
    assert known.all()
    assert np.linalg.norm(flow, axis=-1).mean() == pytest.approx(4.306, abs=1e-3)


@pytest.fixture
def flo(tmp_path):
    write_flow(tmp_path / "whole.flo", np.ones((3, 5, 2)), np.ones((3, 5), bool))
    return (tmp_path / "whole.flo").read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[:-1], "has 131 bytes, its header promises 132 (5x3 px)"),
        (lambda data: data + b"0", "has 133 bytes, its header promises 132 (5x3 px)"),
        (lambda data: data[:7], "has 7 bytes, its header promises"),
        (lambda data: data[:4] + b"\xff" * 8 + data[12:], "has 132 bytes, its header promises"),
        (lambda data: b"RIFF" + data[4:], "is no .flo file (it does not begin with 'PIEH')"),
        (lambda data: b"", "is no .flo file"),
    ],
)
def test_a_damaged_flo_is_told(tmp_path, flo, change, told):
    file = tmp_path / "bad.flo"
    file.write_bytes(change(flo))
    line = _refused(lambda: read_flow(file))
    assert line.startswith(f"{file}: {told}")


def test_a_png_that_is_no_flow_is_told(tmp_path):
    grey, colour = np.zeros((4, 4), np.uint16), np.zeros((4, 4, 3), np.uint8)
    for name, image in (("grey", grey), ("colour", colour)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    (tmp_path / "cut.png").write_bytes((tmp_path / "colour.png").read_bytes()[:40])
    (tmp_path / "empty.png").touch()
    for name, told in (
        ("grey", "is no flow (1 channels of 16 bits, KITTI's has 3 of 16)"),
        ("colour", "is no flow (3 channels of 8 bits"),
        ("cut", "is cut short, or no PNG"),
        ("empty", "is cut short, or no PNG"),
        ("none", "cannot be read (No such file or directory)"),
    ):
        file = tmp_path / f"{name}.png"
        assert _refused(lambda file=file: read_flow(file)).startswith(f"{file}: {told}")


def test_what_cannot_be_written_is_told(tmp_path):
    flow, known = np.full((2, 2, 2), 600.0), np.ones((2, 2), bool)
    line = _refused(lambda: write_flow(tmp_path / "a.png", flow, known))
    assert "flow of 600 px does not fit a PNG (-512 to 512 px) — write a .flo file" in line
    assert "'.exr' is no format of flow" in _refused(
        lambda: write_flow(tmp_path / "a.exr", flow, known)
    )
    assert list(tmp_path.iterdir()) == []
    write_flow(tmp_path / "a.png", flow, ~known)  # what is not known need not fit


def _refused(action):
    with pytest.raises(BackdropError) as told:
        action()
    line = str(told.value)
    assert "\n" not in line
    return line
