"""One clip, frame by frame: the location through the camera, the subject before it, the mask.

frames = [frame for frame, mask in render_clip(recipe, recipe.clips[0])]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.synthetic import camera as cameras
from pipeline.synthetic import gait
from pipeline.synthetic.camera import Camera, Homography
from pipeline.synthetic.figure import Person, draw, person
from pipeline.synthetic.location import panorama
from pipeline.synthetic.recipe import ClipSpec, Recipe
from pipeline.synthetic.seeds import generator
from pipeline.synthetic.signals import Wander
from pipeline.synthetic.texture import Field, Image
from pipeline.synthetic.track import Track, track

SHUTTER = 0.4  # of the time between frames
# Moments of one exposure, in shutter times; the middle one is the mask's.
MOMENTS = (-1 / 3, 0.0, 1 / 3)
NOISE = 2.0  # standard deviation of the sensor noise, grey levels


@dataclass(frozen=True)
class Scene:
    """Everything that moves in one clip."""

    recipe: Recipe
    clip: ClipSpec

    @cached_property
    def subject(self) -> Person:
        """Who walks; depends on the recipe's seed and the clip's `subject` only."""
        return person(generator(self.recipe.seed, "subject", self.clip.subject))

    @cached_property
    def way(self) -> Track:
        """The subject's way."""
        key = (self.recipe.seed, self.clip.camera)
        return track(key, self.clip.frames, self.recipe.fps, self.subject.stature)

    @cached_property
    def camera(self) -> Camera:
        """The camera that follows it."""
        size = (self.recipe.width, self.recipe.height)
        return cameras.follow((self.recipe.seed, self.clip.camera), self.way, size)


def camera_homographies(recipe: Recipe, clip: ClipSpec) -> NDArray[np.float64]:
    """From panorama px to frame px (frames, 3, 3), at the middle of each exposure."""
    camera = Scene(recipe, clip).camera
    return np.stack([camera.at(time) for time in range(clip.frames)])


def render_clip(
    recipe: Recipe, clip: ClipSpec
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Each frame (H, W, 3) RGB and its mask (H, W), 255 on the subject and 0 elsewhere."""
    scene = Scene(recipe, clip)
    rng = generator(recipe.seed, "sensor", clip.camera)
    exposure = 1 + 0.02 * Wander(rng, 12)(np.arange(clip.frames, dtype=np.float64))
    for time in range(clip.frames):
        exposed = [_moment(scene, time + SHUTTER * moment) for moment in MOMENTS]
        light = np.mean([image for image, _ in exposed], axis=0) * exposure[time]
        noise = rng.standard_normal(light.shape, np.float32) * NOISE
        frame = np.clip(light * 255 + noise + 0.5, 0, 255).astype(np.uint8)
        cover = exposed[len(MOMENTS) // 2][1]
        yield frame, np.where(cover > 0.5, 255, 0).astype(np.uint8)


def _moment(scene: Scene, time: float) -> tuple[Image, Field]:
    """What the camera sees at one instant (H, W, 3), and how the subject covers it (H, W)."""
    size = (scene.recipe.width, scene.recipe.height)
    homography = scene.camera.at(time)
    place = panorama(scene.clip.location, scene.recipe.seed)
    seen = cv2.warpPerspective(place, homography, size, borderMode=cv2.BORDER_REFLECT)
    image = seen.astype(np.float32) / np.float32(255)
    cover: Field = np.zeros(image.shape[:2], np.float32)
    x, y, heading, height, now = scene.way.at(time)
    onto = _placement(homography, x, y, height)
    _shade_ground(image, onto)
    who = scene.subject
    draw(image, cover, who, gait.joints(now, who.habit), heading, onto)
    return image, cover


def _placement(homography: Homography, x: float, y: float, height: float) -> NDArray[np.float64]:
    """`place` of `figure.draw` for someone at `x, y` of the panorama, seen by this camera."""
    # Ground point, one body height to its right, one above it.
    points = np.array([[[x, y], [x + height, y], [x, y - height]]])
    ground, right, above = cv2.perspectiveTransform(points, homography)[0]
    return np.stack([right - ground, above - ground, ground], axis=1)


def _shade_ground(image: Image, onto: NDArray[np.float64]) -> None:
    """A faint shadow under the feet, in place. It belongs to the backdrop, not to the mask."""
    scale = float(np.hypot(*onto[:, 1]))
    rows, columns = np.ogrid[0 : image.shape[0], 0 : image.shape[1]]
    right, down = (columns - onto[0, 2]) / (0.2 * scale), (rows - onto[1, 2]) / (0.05 * scale)
    image *= (1 - 0.28 * np.exp(-(right**2) - down**2))[..., None].astype(np.float32)
