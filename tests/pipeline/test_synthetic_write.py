"""What a written clip looks like on disk: a user's own layout, whole or not there, equal bytes."""

import hashlib
import pickle
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.synthetic import write
from pipeline.synthetic.recipe import ClipSpec, Recipe
from pipeline.synthetic.render import render_clip

CLIP = ClipSpec("tiny", "train", "slope", subject=3, camera=5, frames=4)
RECIPE = Recipe(seed=7, width=64, height=48, fps=15, clips=(CLIP,))


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_clip_is_a_video_and_a_mask_per_frame(tmp_path):
    write.write_clip(RECIPE, CLIP, tmp_path)
    assert list(digests(tmp_path)) == [f"masks/tiny/{n:05d}.png" for n in range(4)] + ["tiny.mp4"]
    with av.open(str(tmp_path / "tiny.mp4")) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 15
        assert container.streams.video[0].codec_context.name == "h264"
    assert len(decoded) == 4
    for number, (frame, mask) in enumerate(render_clip(RECIPE, CLIP)):
        stored = cv2.imread(str(tmp_path / f"masks/tiny/{number:05d}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(stored, mask)
        assert np.abs(decoded[number].astype(int) - frame).mean() < 6


def test_bytes_repeat_and_writing_again_replaces(tmp_path):
    write.write_clip(RECIPE, CLIP, tmp_path / "a")
    write.write_clip(RECIPE, CLIP, tmp_path / "b")
    first = digests(tmp_path / "a")
    assert first == digests(tmp_path / "b")
    write.write_clip(RECIPE, CLIP, tmp_path / "a")
    assert digests(tmp_path / "a") == first


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def two_frames_then_fail(recipe, clip):
        for count, result in enumerate(render_clip(recipe, clip)):
            if count == 2:
                raise OSError("disk full")
            yield result

    monkeypatch.setattr(write, "render_clip", two_frames_then_fail)
    with pytest.raises(OSError, match="disk full"):
        write.write_clip(RECIPE, CLIP, tmp_path)
    assert digests(tmp_path) == {}
    assert list((tmp_path / "masks").iterdir()) == []


def test_a_job_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps((write.write_clip, RECIPE, CLIP)))[1:] == (RECIPE, CLIP)
