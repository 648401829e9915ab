"""Params of the data stages: prepare_data, extract_frames, stabilize."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from pipeline.errors import BackdropError, look_for
from pipeline.params.base import PositiveInt, Probability, Section

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""Of a data set: it becomes a folder's."""
Split = Literal["train", "val", "test", "test_unseen", "train_test"]
Crop = tuple[Probability, Probability, Probability, Probability]
CROP_SIDES = (("left", "width"), ("top", "height"))
CROP_MEANS = "it is left, top, width, height as shares of the frame"
ROUNDING = 1e-6  # of sums of shares
TRAINED_ON: tuple[Split, ...] = ("train", "train_test")


class PrepareData(Section):
    """Where the videos are and which split each belongs to."""

    name: str = Field("builtin", pattern=NAME, description="data set")
    source: Literal["recipe", "videos"] = Field(
        "videos", description="recipe: render the built-in clips; videos: files in root"
    )
    root: str = Field("data/builtin", description="folder of the videos (or of recipe.yaml)")
    splits: dict[str, Split] = Field(
        default_factory=dict,
        description="split per video; names may hold * and ?, the more letters the stronger",
    )
    default_split: Split = Field(
        "train_test", description="split of the rest; train_test: trained on and reported"
    )

    @field_validator("splits", mode="before")
    @classmethod
    def _names_are_text(cls, splits: Any) -> Any:
        """YAML makes a number of `1:`, which is the name of a video."""
        if not isinstance(splits, dict):
            return splits
        for name in splits:
            if name is None or isinstance(name, bool | float):
                raise ValueError(f"YAML reads a name in it as {name!r}: put that name in quotes")
        return {str(name): split for name, split in splits.items()}

    def require_root(self) -> Path:
        """The folder `root`.

        Raises:
            BackdropError: it is missing, no folder, or holds the project itself.
        """
        where = "params.yaml: prepare_data.root"
        root = Path(self.root)
        status = look_for(root, where)
        if not self.root or status is None or not stat.S_ISDIR(status.st_mode):
            raise BackdropError(
                f"'{self.root}' is not a folder",
                where=where,
                remedy="run `backdrop init --videos PATH`, or give the folder of your videos",
            )
        if Path.cwd().is_relative_to(root.resolve()):  # DVC would have a stage read its own outputs
            raise BackdropError(
                f"'{self.root}' holds the project itself",
                where=where,
                remedy="give a folder of the videos alone, as `backdrop init --videos PATH` does",
            )
        return root


class ExtractFrames(Section):
    """Decoding: order, size and number of the frames kept."""

    longest_side: int = Field(
        128, ge=64, le=4096, description="px; frames keep their aspect, sides are multiples of 8"
    )
    stride: PositiveInt = Field(1, description="keep every n-th frame")
    max_frames: PositiveInt | None = Field(None, description="frames kept per video at most")
    crop: Crop | None = Field(None, description="left, top, width, height as shares of the frame")
    store: Literal["raw", "jpeg"] = Field("raw", description="raw: fast; jpeg: an eighth the size")
    jpeg_quality: int = Field(95, ge=50, le=100)
    scene_cuts: Literal["error", "flag"] = Field(
        "flag", description="flag: pairs across a cut are marked not ok; error: stop"
    )

    @field_validator("crop")
    @classmethod
    def _lies_inside(cls, crop: Crop | None) -> Crop | None:
        for start, share, names in zip(crop[:2], crop[2:], CROP_SIDES, strict=True) if crop else ():
            if start + share > 1 + ROUNDING:
                raise ValueError(
                    f"{names[0]} + {names[1]} is {start + share:g}: the crop ends outside the "
                    f"frame; {CROP_MEANS}"
                )
            if share == 0:
                raise ValueError(
                    f"{names[1]} is 0, which leaves nothing of the frame; {CROP_MEANS}"
                )
        return crop


class Stabilize(Section):
    """How frame t+gap (source) is brought onto frame t (target): a homography, perhaps a mesh."""

    gap: int = Field(1, ge=1, le=100, description="frames between the two of a pair")
    camera: Literal["auto", "static"] = Field(
        "auto",
        description="static: it stands still, whatever the frames say; auto: they decide; "
        "another value trains anew",
    )
    chain: Literal["auto", "never", "always"] = Field(
        "auto", description="pairs over the frames between them; auto: where the direct way is bad"
    )
    local: Literal["auto", "off", "on"] = Field(
        "auto", description="a mesh for what a plane leaves; auto: if the camera translates"
    )
    keypoints: int = Field(400, ge=50, le=4000, description="SIFT keypoints kept per frame")
    contrast: float = Field(
        0.03, ge=0.0, le=0.2, description="SIFT's contrast threshold; lower finds fainter keypoints"
    )
    enlarge_to: int = Field(
        192, ge=64, le=1024, description="px; frames with a shorter longest side are enlarged first"
    )
    ratio: float = Field(0.8, gt=0.0, lt=1.0, description="Lowe's ratio test")
    estimator: Literal["ransac", "magsac"] = "ransac"
    threshold_px: float = Field(1.5, gt=0.0, le=50.0, description="inlier reprojection error")
    min_inliers: int = Field(12, ge=4)
    min_inlier_ratio: Probability = 0.3
    max_scale_change: float = Field(
        1.5, gt=1.0, le=100.0, description="zoom between the pair beyond it: bad"
    )
    max_shift: float = Field(
        0.5, gt=0.0, le=2.0, description="shift as a share of the longest side"
    )

    @property
    def fewest_frames(self) -> int:
        """Of a video: each frame then has a partner `gap` frames before or behind it."""
        return 2 * self.gap
