"""Masks lose what never moves in the flow; what they are made from stays as it is."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from helpers_artifacts import add_student, make_project, write_flow, write_masks

from pipeline.errors import BackdropError
from pipeline.self_training import NOTE
from pipeline.store import paths
from pipeline.store.hdf5 import MASKS, open_artifact
from pipeline.store.paths import Source
from pipeline.store.tables import HOMOGRAPHIES, read_table, write_table
from stages import keep_moving


def read(folder, video="clip_0", name="mask"):
    with open_artifact(paths.video_file(folder, video), MASKS) as file:
        return file[name][:]


def with_bystander(scene):
    """The subject, and a person in the lower right corner."""
    return (scene.truth | corner_of(scene)).astype(np.uint8) * 255


def corner_of(scene):
    corner = np.zeros(scene.truth.shape, bool)
    corner[:, -20:, -8:] = True
    return corner


@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_stands_around_is_left_out_of_every_video(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("BACKDROP_WORKERS", workers)
    project = make_project(tmp_path, monkeypatch, ["train", "test"])
    for scene in project.scenes.values():
        write_masks(scene, with_bystander(scene))
    before = [read(paths.MASKS, video) for video in project.scenes]
    keep_moving.main(Source.MODEL)
    for scene, masks in zip(project.scenes.values(), before, strict=True):
        kept = read(paths.MOVING, scene.video)
        assert kept.dtype == np.uint8
        np.testing.assert_array_equal(kept, scene.truth.astype(np.uint8) * 255)
        np.testing.assert_array_equal(read(paths.MASKS, scene.video), masks)
    file = paths.video_file(paths.MOVING, "clip_0")
    bytes_before = file.read_bytes()
    file.unlink()
    keep_moving.main(Source.MODEL)
    assert file.read_bytes() == bytes_before


def test_homographies_that_change_no_camera_are_no_reason_to_do_all_again(tmp_path, monkeypatch):
    """What asks for all to be done again (`--force`) is a run for which nothing has changed."""
    project = make_project(tmp_path, monkeypatch, ["test"])
    write_masks(project.scenes["clip_0"], with_bystander(project.scenes["clip_0"]))
    seen = []

    def record(_stage, jobs, *_, occasion, **__):
        seen.append(([job.identity for job in jobs], occasion))

    monkeypatch.setattr(keep_moving, "fan_out", record)
    keep_moving.main(Source.MODEL)
    keep_moving.main(Source.MODEL)
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    table["inliers"] += 1
    write_table(paths.HOMOGRAPHIES_TABLE, table.to_dict("records"), HOMOGRAPHIES)
    keep_moving.main(Source.MODEL)
    (made, first), (_, same), (still, other) = seen
    assert made == still
    assert first == same != other


def test_pairs_without_flow_tell_nothing(tmp_path, monkeypatch):
    """Nothing is known to move: the masks stay whole."""
    project = make_project(tmp_path, monkeypatch, ["test"])
    scene = project.scenes["clip_0"]
    write_masks(scene, with_bystander(scene))
    with h5py.File(paths.video_file(paths.FLOW, "clip_0"), "r+") as file:
        file["valid"][:] = 0
    keep_moving.main(Source.MODEL)
    np.testing.assert_array_equal(read(paths.MOVING), with_bystander(scene))


def test_where_a_pair_failed_nobody_loses_what_stands_before_a_known_place(tmp_path, monkeypatch):
    """The subject walks past a post that was seen alone; one frame on the way has no flow."""
    project = make_project(tmp_path, monkeypatch, ["test"], frames=12)
    scene = project.scenes["clip_0"]
    post = np.zeros(scene.truth.shape, bool)
    post[:, 16:40, 30:34] = True
    write_masks(scene, (scene.truth | post).astype(np.uint8) * 255)
    alone = [t for t in range(12) if not (scene.truth[t, :, 28:36]).any()]
    before = [t for t in range(12) if (scene.truth[t] & post[t]).any()]
    assert alone
    assert before
    failed = before[len(before) // 2]
    with h5py.File(paths.video_file(paths.FLOW, "clip_0"), "r+") as file:
        file["flow"][failed], file["valid"][failed], file["ok"][failed] = 0, 0, False
    keep_moving.main(Source.MODEL)
    kept = read(paths.MOVING) > 0
    assert not (kept[alone] & post[alone]).any()
    np.testing.assert_array_equal(kept[failed], scene.truth[failed] | post[failed])
    np.testing.assert_array_equal(kept & scene.truth, scene.truth)


def test_a_cut_parts_who_walked_from_who_stands_there_after_it(tmp_path, monkeypatch):
    """The subject rests after the cut, where it was: alone it stays, beside a walker it goes."""
    project = make_project(tmp_path, monkeypatch, ["test"], moving=False)
    scene = project.scenes["clip_0"]
    corner = corner_of(scene)
    scene.flow[:3, ..., 0] = scene.truth[:3] * 2.0
    scene.flow[3:, ..., 0] = corner[3:] * 2.0
    write_flow(scene)
    write_masks(scene, with_bystander(scene))
    keep_moving.main(Source.MODEL)
    np.testing.assert_array_equal(read(paths.MOVING), with_bystander(scene))
    with h5py.File(paths.video_file(paths.FRAMES, "clip_0"), "r+") as file:
        file.attrs["cuts"] = np.array([3])
    keep_moving.main(Source.MODEL)
    kept = read(paths.MOVING) > 0
    np.testing.assert_array_equal(kept[:3], scene.truth[:3])
    np.testing.assert_array_equal(kept[3:], corner[3:])


def test_subjects_keep_their_numbers(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"])
    scene = project.scenes["clip_0"]
    masks = with_bystander(scene)
    write_masks(scene, masks)
    numbers = np.where(scene.truth, 2, masks > 0).astype(np.uint8)  # the bystander is 1
    with h5py.File(paths.video_file(paths.MASKS, "clip_0"), "r+") as file:
        file.create_dataset("instance", data=numbers)
    keep_moving.main(Source.MODEL)
    np.testing.assert_array_equal(read(paths.MOVING, name="instance"), scene.truth * 2)


def test_the_least_share_is_a_param(tmp_path, monkeypatch):
    """A quarter of the bystander flickers."""
    project = make_project(tmp_path, monkeypatch, ["test"])
    scene = project.scenes["clip_0"]
    write_masks(scene, with_bystander(scene))
    scene.flow[:, -20:, -3:-1, 0] = 2.0  # 40 of 160 px
    write_flow(scene)
    keep_moving.main(Source.MODEL)
    np.testing.assert_array_equal(read(paths.MOVING), with_bystander(scene))
    project.set_params(keep_moving={"least_moving": 0.3})
    keep_moving.main(Source.MODEL)
    np.testing.assert_array_equal(read(paths.MOVING) > 0, scene.truth)


def test_flow_of_other_frames_is_named(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"], refined=True)
    scene = project.scenes["clip_0"]
    scene.truth, scene.flow = scene.truth[:4], scene.flow[:4]
    write_flow(scene)
    with pytest.raises(BackdropError, match=r"flow/clip_0\.h5: holds 4 x 64x48 px, but .* 6 x"):
        keep_moving.main(Source.MODEL)


def test_missing_masks_are_named(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["test"])
    with pytest.raises(BackdropError, match=r"artifacts/masks: is missing"):
        keep_moving.main(Source.MODEL)
    paths.MASKS.mkdir()
    with pytest.raises(BackdropError, match=r"masks/clip_0\.h5: is missing"):
        keep_moving.main(Source.MODEL)


def test_the_students_masks_have_a_folder_of_their_own(tmp_path, monkeypatch):
    project = make_project(tmp_path, monkeypatch, ["test"], refined=True)
    add_student(project)
    scene = project.scenes["clip_0"]
    write_masks(scene, with_bystander(scene), Source.STUDENT)
    keep_moving.main(Source.STUDENT)
    np.testing.assert_array_equal(read(Source.STUDENT.moving_folder) > 0, scene.truth)


def test_without_a_student_a_note_is_all_that_is_left(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, 1)
    keep_moving.main(Source.STUDENT)
    assert [path.name for path in Source.STUDENT.moving_folder.iterdir()] == [NOTE]


def test_a_pair_that_failed_is_no_step_of_the_camera(tmp_path, monkeypatch):
    make_project(tmp_path, monkeypatch, ["test"])
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    table.loc[table["target"] == 2, "ok"] = False
    write_table(paths.HOMOGRAPHIES_TABLE, table.to_dict("records"), HOMOGRAPHIES)
    (camera,) = keep_moving.read_cameras(["clip_0"]).values()
    assert sorted(camera.steps) == [0, 1, 3, 4]  # the last frame's pair leads back
    assert camera.between(2, 0) is not None
    assert camera.between(3, 2) is None
