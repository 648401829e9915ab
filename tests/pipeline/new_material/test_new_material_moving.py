"""New videos lose what never moves exactly as those of the project do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers_trained import VIDEO, make_trained
from helpers_video import walker, write_video

from pipeline.errors import BackdropError
from pipeline.frames import FrameReader
from pipeline.job import Job
from pipeline.new_material import command
from pipeline.new_material.inputs import find_inputs
from pipeline.new_material.moving import (
    MOTION_STEPS,
    Located,
    _write_frames,
    motion_params,
    only_moving,
)
from pipeline.new_material.trained import read_trained
from pipeline.store import paths
from pipeline.store.digest import file_sha256
from pipeline.store.hdf5 import FLOW, MASKS, PACKED, create, open_artifact
from pipeline.store.paths import Source
from stages import compute_flow, extract_frames, keep_moving, stabilize

COUNT = 7


def set_params(**sections):
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(params | sections))


@pytest.fixture(params=["raw", "jpeg"])
def project(tmp_path, monkeypatch, request):
    made = make_trained(tmp_path, monkeypatch, student=True, count=COUNT, store=request.param)
    set_params(compute_flow={"backend": "dis"})
    return made


def walker_and_pillar() -> np.ndarray:
    """What the flow shows moving, and a pillar at the upper right, (N, H, W) bool."""
    with open_artifact(paths.video_file(paths.FLOW, VIDEO), FLOW) as file:
        speed = np.linalg.norm(file["flow"][:].astype(np.float32), axis=-1)
    masks = speed > 0.2
    masks[:, :10, -8:] = True
    return masks


def located(masks):
    return (
        Located(number, 0.04 * number, np.zeros(4, np.float32), 0.5, mask)
        for number, mask in enumerate(masks)
    )


def of_the_stages():
    """Masks, and what the stages leave of them."""
    stabilize.main()
    compute_flow.main()
    masks = walker_and_pillar()
    with create(paths.video_file(Source.STUDENT.masks_folder, VIDEO), MASKS) as file:
        data = masks.astype(np.uint8) * 255
        file.create_dataset("mask", data=data, chunks=(1, *data.shape[1:]), **PACKED)
    keep_moving.main(Source.STUDENT)
    with open_artifact(paths.video_file(Source.STUDENT.moving_folder, VIDEO), MASKS) as file:
        return masks, file["mask"][:] > 0


@pytest.mark.parametrize("gap", [1, 2])
def test_masks_are_those_of_the_stages(project, tmp_path, gap):
    set_params(stabilize={"gap": gap})
    masks, expected = of_the_stages()
    assert masks[:, :10, -8:].all()
    assert not expected[:, :10, -8:].any()  # else it would be easy to agree
    assert expected.any()
    trained = read_trained(moving=True)
    (source,) = find_inputs([project.source], trained.frames, stride=1)
    scratch, told = tmp_path / "scratch", []
    scratch.mkdir()
    params = trained.frames, trained.motion
    found = list(only_moving(source, located(masks), params, scratch, told.append))
    np.testing.assert_array_equal([one.mask for one in found], expected)
    assert [one.index for one in found] == list(range(COUNT))
    assert sum(told) == MOTION_STEPS * COUNT
    assert not list(scratch.iterdir())


def test_a_video_too_short_for_a_pair_keeps_its_masks(project, tmp_path):
    trained = read_trained(moving=True)
    (source,) = find_inputs([project.source], trained.frames, stride=COUNT)
    whole = np.ones((1, source.framing.height, source.framing.width), bool)
    params = trained.frames, trained.motion
    (one,) = only_moving(source, located(whole), params, tmp_path, lambda count: None)
    np.testing.assert_array_equal(one.mask, whole[0])


@pytest.mark.parametrize(
    ("stride", "gap", "taken", "expected"),
    [(1, 2, 1, 2), (3, 1, 1, 3), (3, 2, 2, 3), (3, 1, 2, 2), (1, 1, 4, 1), (5, 1, 3, 2)],
)
def test_pairs_are_as_far_apart_in_the_source_as_the_projects(
    project, stride, gap, taken, expected
):
    """Of all gaps none comes nearer; two that are as near: the larger one."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    frames = {**params["extract_frames"], "stride": stride}
    set_params(stabilize={"gap": gap}, extract_frames=frames)
    trained = read_trained(moving=True)
    (source,) = find_inputs([project.source], trained.frames, stride=taken)
    chosen = motion_params(source, trained).stabilize.gap
    assert chosen == expected
    off = {one: abs(one * taken - stride * gap) for one in range(1, 20)}
    assert off[chosen] == min(off.values())


def test_params_that_were_changed_since_are_refused(project):
    lock = {
        "stages": {
            "stabilize": {"params": {"params.yaml": {"stabilize": {"gap": 2}}}},
            "extract_frames": {"outs": []},
        }
    }
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    assert read_trained().motion is None
    with pytest.raises(BackdropError, match=r"stabilize\.gap: was 2 .* and is now 1"):
        read_trained(moving=True)


def test_a_stride_that_was_changed_since_is_refused_with_moving_alone(project):
    frames = yaml.safe_load(Path("params.yaml").read_text())["extract_frames"] | {"stride": 3}
    recorded = {"params": {"params.yaml": {"extract_frames": frames}}}
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"extract_frames": recorded}}))
    read_trained()
    with pytest.raises(BackdropError, match=r"extract_frames\.stride: was 3 .* and is now 1"):
        read_trained(moving=True)


def test_frames_and_cuts_are_those_of_the_stages(project, tmp_path):
    """The scene turns into another one at frame 4."""
    images = [*walker(4), *(255 - image[:, ::-1] // 2 for image in walker(3))]
    path = write_video(tmp_path / "two.mp4", images)
    trained = read_trained(moving=True)
    (source,) = find_inputs([path], trained.frames, stride=1)
    _write_frames(source, 7, trained.frames, tmp_path / "mine.h5")
    row = {
        "path": str(path),
        "frames": 7,
        "fps": 25.0,
        "width": 192,
        "height": 144,
        "sha256": file_sha256(path),
    }
    job = Job("two", 7, "", (row, trained.frames))
    extract_frames.extract(job, tmp_path / "theirs.h5", lambda count: None)
    with FrameReader(tmp_path / "mine.h5") as mine, FrameReader(tmp_path / "theirs.h5") as theirs:
        assert mine.cuts == theirs.cuts == {4}
        for number in range(7):
            np.testing.assert_array_equal(mine.read(number), theirs.read(number))


def test_flow_that_cannot_be_had_is_told_before_any_work(project, tmp_path):
    set_params(compute_flow={"weights": "nowhere.pth"})
    options = {"stride": 1, "moving": True, "overlay": False, "force": False, "keep": False}
    with pytest.raises(BackdropError, match=r"nowhere\.pth: is missing.*compute_flow\.weights"):
        command.predict([project.source], tmp_path / "out", **options, say=print)
    assert not (tmp_path / "out").exists()
