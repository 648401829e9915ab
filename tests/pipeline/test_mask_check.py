"""Wrong masks are named before hours of work rest on them."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from pipeline.errors import BackdropError
from pipeline.mask_check import check_masks
from pipeline.truth_files import TruthFiles


def write_masks(folder, masks):
    folder.mkdir()
    for index, mask in enumerate(masks):
        cv2.imwrite(str(folder / f"{index:05d}.png"), mask)
    return folder


def check(folder, frames):
    check_masks(TruthFiles(str(folder), "clip.mp4", frames), 64, 48)


def mask(value=255, size=(48, 64)):
    grey = np.zeros(size, np.uint8)
    grey[10:20, 10:20] = value
    return grey


def test_good_masks(tmp_path):
    empty, coloured = np.zeros((48, 64), np.uint8), np.repeat(mask()[..., None], 3, axis=2)
    opaque = np.dstack([mask()] * 3 + [np.full_like(empty, 255)])
    alike = np.dstack([mask()] * 4)
    masks = [mask(), empty, coloured, opaque, alike]
    folder = write_masks(tmp_path / "clip", masks)
    check(folder, 5)
    check(folder, 9)  # the other four have none


WRONG = {
    "count": ([mask()] * 4, r"clip: holds 4 masks .*, but 'clip\.mp4' has 3 frames"),
    "size": ([mask(), mask(size=(64, 48)), mask()], "00001.png: is 48x64, but the video is 64x48"),
    "ones": (
        [mask(), mask(1), mask()],
        "00001.png: holds the values 1, .* multiply the source masks .*init",
    ),
    "grey": ([mask(), mask(), mask(130)], "00002.png: holds the values 130, only 0 and 255"),
    "labels": ([mask()] * 2 + [np.dstack([mask(), mask(0), mask(128)])], "00002.png: is coloured"),
    "alpha": ([np.dstack([mask(0)] * 3 + [mask()])], "00000.png: is partly transparent"),
    "16 bits": ([mask(), mask().astype(np.uint16)], "00001.png: has 16 bits a value"),
    "16 bits, all of them": ([mask().astype(np.uint16) * 257], "00000.png: has 16 bits a value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_masks_name_the_file(tmp_path, case):
    masks, words = WRONG[case]
    frames = 3 if case == "count" else len(masks)
    with pytest.raises(BackdropError, match=words):
        check(write_masks(tmp_path / "clip", masks), frames)


def test_an_unreadable_mask(tmp_path):
    folder = write_masks(tmp_path / "clip", [mask()])
    (folder / "00000.png").write_text("words")
    with pytest.raises(BackdropError, match=r"00000\.png: is not a readable picture"):
        check(folder, 1)


def test_a_name_that_is_no_utf8(tmp_path):
    folder = write_masks(tmp_path / "clip", [mask()])
    (folder / "00000.png").rename(folder / os.fsdecode(b"\xe900000.png"))
    check(folder, 1)
