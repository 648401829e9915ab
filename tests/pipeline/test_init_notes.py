"""What `init` tells of frames that are not kept, and of videos that the params do not suit."""

from __future__ import annotations

from pipeline.doctor import VideoReport
from pipeline.doctor.verdict import Assumption, Subject
from pipeline.init_notes import camera_note, doubt_note, shape_note, thinning_note
from pipeline.params.preset import compose
from pipeline.sizing import Material

WIDE, TALL = Material(1920, 1080, 300, 30.0), Material(1080, 1920, 300, 30.0)


def test_nothing_is_told_where_all_is_kept() -> None:
    assert thinning_note(compose({}), {"a": WIDE, "b": TALL}) is None


def test_a_stride_is_told_alone() -> None:
    note = thinning_note(compose({"extract_frames": {"stride": 2}}), {"a": WIDE, "b": TALL})
    assert note == (
        "keeping 300 of 600 frames, 1 in 2; the others get no masks. "
        "To keep more, which takes longer: extract_frames.stride in params.yaml"
    )


def test_that_only_the_beginning_is_kept_is_told() -> None:
    params = compose({"extract_frames": {"stride": 2, "max_frames": 1200}})
    note = thinning_note(params, {"long": Material(640, 480, 6000, 10.0), "short": WIDE})
    assert note is not None
    assert "keeping 1350 of 6300 frames, 1 in 2" in note
    assert "only the beginning of 1 video(s) (long: the first 240 of 600 s)" in note
    assert "extract_frames.stride and extract_frames.max_frames in params.yaml" in note


def test_many_cut_videos_are_one_line() -> None:
    params = compose({"extract_frames": {"max_frames": 12}})
    note = thinning_note(params, {str(number): WIDE for number in range(40)})
    assert note is not None
    assert "only the beginning of 40 video(s) (0: the first 0 of 10 s," in note
    assert "and 37 more)" in note


def test_a_video_of_another_shape_is_named() -> None:
    params = compose({"network": {"width": 112, "height": 64}})
    note = shape_note(params, {"a": WIDE, "phone": TALL, "b": WIDE})
    assert note is not None
    assert note.startswith("1 of 3 video(s) have another shape than the network (112x64)")
    assert "phone by 3.1 —" in note
    assert shape_note(params, {"a": WIDE, "b": Material(640, 480, 9, 30.0)}) is not None
    assert shape_note(params, {"a": WIDE, "b": Material(1500, 1000, 9, 30.0)}) is None


def test_a_crop_changes_the_shape() -> None:
    crop = {"crop": [0.25, 0.0, 0.5, 1.0]}
    params = compose({"network": {"width": 72, "height": 80}, "extract_frames": crop})
    assert shape_note(params, {"a": WIDE}) is None


STILL = VideoReport("still", "still.mp4", camera="static", camera_why="it stands still")
PANS = VideoReport("pans", "pans.mp4", camera="rotating", camera_why="it turns")
CUT = VideoReport("cut", "cut.mp4", camera="unknown", camera_why="a cut leads elsewhere")
MEDIAN = compose({"train_inpainter": {"rgb": {"background": "median"}}})


def test_which_videos_have_chosen_the_preset_is_told() -> None:
    note = camera_note(compose({}), [STILL, PANS, CUT], chosen=True)
    assert note is not None
    assert "because of pans (rotating: it turns), cut (unknown: a cut leads elsewhere) —" in note
    assert camera_note(compose({}), [STILL, PANS], chosen=False) is None
    assert camera_note(compose({}), [STILL], chosen=True) is None


def test_a_camera_that_moves_where_one_background_was_asked_for_is_told() -> None:
    note = camera_note(MEDIAN, [STILL, PANS], chosen=False)
    assert note is not None
    assert "pans (rotating: it turns) — leave them out, or take --preset moving-camera" in note
    assert camera_note(MEDIAN, [STILL], chosen=False) is None


def test_videos_in_which_nothing_moves_or_the_subject_stays_are_named() -> None:
    subject = Subject(seen=9, pairs=9, width=0.1, travel=0.4, colour_distance=0.5)
    walks = VideoReport("walks", "a.mp4", subject=subject)
    stays = VideoReport("stays", "b.mp4", subject=subject, a1=Assumption("looks broken", ""))
    note = doubt_note([walks, stays, STILL])
    assert note is not None
    assert note.endswith(": stays, still")
    assert doubt_note([walks]) is None
