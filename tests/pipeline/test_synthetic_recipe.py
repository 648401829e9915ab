"""The checked-in recipe holds what the paper's setting asks for, and mistakes are named."""

from pathlib import Path

import pytest
import yaml

from pipeline.errors import BackdropError
from pipeline.synthetic.recipe import Recipe, read_recipe

BUILTIN = Path(__file__).parents[2] / "data" / "builtin" / "recipe.yaml"
CLIP = {"video": "a", "split": "val", "location": "yard", "subject": 1, "camera": 2, "frames": 3}
HEADER = {"seed": 1, "width": 64, "height": 48, "fps": 15}


@pytest.fixture(scope="module")
def builtin() -> Recipe:
    return read_recipe(BUILTIN)


def of_split(recipe: Recipe, split: str, field: str) -> list[str | int]:
    return [getattr(clip, field) for clip in recipe.clips if clip.split == split]


def test_sizes(builtin):
    counts = {s: len(of_split(builtin, s, "video")) for s in ("train", "val", "test")}
    assert counts == {"train": 32, "val": 6, "test": 6}
    assert len(builtin.clips) == 45
    assert (builtin.width, builtin.height, builtin.fps) == (256, 192, 15)


def test_no_subject_and_no_camera_path_occurs_twice(builtin):
    assert len({clip.subject for clip in builtin.clips}) == 45
    assert len({clip.camera for clip in builtin.clips}) == 45


def test_every_split_sees_both_locations_and_the_unseen_clip_neither(builtin):
    for split in ("train", "val", "test"):
        assert set(of_split(builtin, split, "location")) == {"slope", "yard"}
    assert not {"slope", "yard"} & set(of_split(builtin, "test_unseen", "location"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "training"}, "split 'training' is none of train, val"),
        ({"location": "moon"}, "location 'moon' is none of slope"),
        ({"frames": 0}, "frames must be a whole number, at least 1, not 0"),
        ({"frames": True}, "frames must be a whole number"),
        ({"subject": -1}, "subject must be a whole number, at least 0"),
        ({"video": "../a"}, "video '../a' is not a plain file name"),
        ({"video": 7}, "video must be text, not 7"),
        ({"colour": "red"}, r"wrong fields \(unknown: colour\)"),
    ],
)
def test_a_wrong_clip_is_named(tmp_path, change, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**HEADER, "clips": [{**CLIP, **change}]}))
    with pytest.raises(BackdropError, match=message) as raised:
        read_recipe(path)
    assert raised.value.where == f"{path}, clip 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER, "missing: clips"),
        ({**HEADER, "clips": []}, "clips must be a list"),
        ({**HEADER, "clips": ["a"]}, "expected a mapping"),
        ({**HEADER, "clips": [CLIP, CLIP]}, "video names repeat: a"),
        ({**HEADER, "width": 63, "clips": [CLIP]}, "width must be even"),
        ("[", "cannot read the recipe"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path, content, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(BackdropError, match=message):
        read_recipe(path)


def test_an_absent_recipe_is_refused(tmp_path):
    with pytest.raises(BackdropError, match="cannot read the recipe"):
        read_recipe(tmp_path / "none.yaml")
