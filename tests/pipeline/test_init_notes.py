"""What `init` tells of frames that are not kept, and of videos of another shape."""

from __future__ import annotations

from pipeline.init_notes import shape_note, thinning_note
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
