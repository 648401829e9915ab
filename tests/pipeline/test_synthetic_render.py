"""What is rendered: the same every time, a figure of the right size, a backdrop that stays."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.synthetic.recipe import ClipSpec, Recipe, read_recipe
from pipeline.synthetic.render import Scene, camera_homographies, render_clip

BUILTIN = read_recipe(Path(__file__).parents[2] / "data" / "builtin" / "recipe.yaml")
CLIP = ClipSpec("tiny", "train", "yard", subject=3, camera=5, frames=4)
TINY = Recipe(seed=7, width=64, height=48, fps=15, clips=(CLIP,))
HALF = Recipe(7, 128, 96, 15, BUILTIN.clips)  # the built-in scenes at half size
SOME = [clip for clip in BUILTIN.clips if clip.video in ("train_01", "val_02", "test_04")]


@cache
def rendered(recipe: Recipe, clip: ClipSpec) -> tuple[np.ndarray, np.ndarray]:
    frames, masks = zip(*render_clip(recipe, clip), strict=True)
    return np.stack(frames), np.stack(masks)


def test_shapes_types_and_values():
    frames, masks = rendered(TINY, CLIP)
    assert frames.shape == (4, 48, 64, 3)
    assert masks.shape == (4, 48, 64)
    assert frames.dtype == masks.dtype == np.uint8
    assert set(np.unique(masks)) == {0, 255}


def test_the_same_clip_twice_is_the_same_to_the_bit():
    first, again = rendered(TINY, CLIP), rendered.__wrapped__(TINY, CLIP)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


@pytest.mark.parametrize("field", ["subject", "camera", "location"])
def test_another_seed_or_place_is_another_clip(field):
    other = ClipSpec(**{**vars(CLIP), field: "slope" if field == "location" else 99})
    assert not np.array_equal(rendered(TINY, CLIP)[0], rendered(TINY, other)[0])


@pytest.mark.parametrize("clip", SOME, ids=lambda clip: clip.video)
def test_the_figure_covers_its_share_of_the_frame(clip):
    area = (rendered(HALF, clip)[1] > 0).mean(axis=(1, 2))
    assert 0.03 <= area.mean() <= 0.08
    assert area.min() >= 0.02
    assert area.max() <= 0.10


@pytest.mark.parametrize("clip", BUILTIN.clips, ids=lambda clip: clip.video)
def test_the_subject_walks_more_than_a_body_width(clip):
    way = Scene(BUILTIN, clip).way
    body_width = 0.25 * way.height.mean()
    assert np.ptp(way.x) > 2 * body_width


@pytest.mark.parametrize("clip", SOME, ids=lambda clip: clip.video)
def test_the_camera_explains_the_backdrop_but_not_the_subject(clip):
    frames, masks = rendered(HALF, clip)
    onto = camera_homographies(HALF, clip)
    behind, subject = [], []
    for now in range(0, len(frames) - 5, 5):
        later = now + 5
        size = (HALF.width, HALF.height)
        back = onto[now] @ np.linalg.inv(onto[later])
        warped = cv2.warpPerspective(frames[later], back, size)
        seen = cv2.warpPerspective(np.full(masks[0].shape, 255, np.uint8), back, size) == 255
        arrived = cv2.warpPerspective(masks[later], back, size) > 0
        difference = np.abs(warped.astype(float) - frames[now]).mean(axis=-1)
        # A rim around both masks holds motion blur and the shadow.
        near = cv2.dilate((arrived | (masks[now] > 0)).astype(np.uint8), np.ones((9, 9))) > 0
        behind.extend(difference[seen & ~near])
        subject.extend(difference[seen & (masks[now] > 0) & ~arrived])
    assert np.mean(behind) < 8  # grey levels: noise, resampling, exposure
    assert np.mean(subject) > 4 * np.mean(behind)
