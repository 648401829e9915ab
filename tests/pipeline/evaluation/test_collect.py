"""Which mask a frame is compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers_artifacts import (
    make_project,
    write_flow,
    write_frames,
    write_masks,
    write_predictions,
)

from pipeline.evaluation.collect import predicted_videos, read_frames
from pipeline.store import paths
from pipeline.store.tables import INDEX, PER_FRAME, read_table, write_table
from stages import evaluate


def test_with_a_stride_each_frame_has_the_truth_of_its_own_source_frame(tmp_path, monkeypatch):
    """Every second of six frames is kept, with a mask 3 px beside the subject's place there."""
    project = make_project(
        tmp_path, monkeypatch, ["test"], frames=6, source_scale=1, calibrated=True
    )
    (scene,) = project.scenes.values()
    arrays = ("frames", "truth", "boxes", "flow", "soft")
    kept = replace(scene, **{name: getattr(scene, name)[::2] for name in arrays})
    for write in (write_frames, write_flow, write_predictions):
        write(kept)
    masks = np.roll(kept.truth, 3, axis=2)
    write_masks(kept, masks.astype(np.uint8) * 255)
    index = read_table(paths.INDEX_TABLE, INDEX).head(3)
    write_table(
        paths.INDEX_TABLE, [*index.assign(source_frame=[0, 2, 4]).to_dict("records")], INDEX
    )

    evaluate.main()
    found = read_table(paths.PER_FRAME_TABLE, PER_FRAME)["J"].tolist()
    truths = scene.truth[[0, 2, 4]]
    expected = [(m & t).sum() / (m | t).sum() for m, t in zip(masks, truths, strict=True)]
    assert found == pytest.approx(expected, abs=1e-6)
    (video,) = predicted_videos()
    for frame, truth in zip(read_frames(video, range(3)), truths, strict=True):
        assert np.array_equal(frame.truth, truth)
