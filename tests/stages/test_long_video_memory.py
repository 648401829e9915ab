"""Peak memory of extraction, stabilisation and flow must not grow with the length of a video."""

import os
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import yaml
from helpers_motion import texture

from pipeline.store.digest import file_sha256
from pipeline.store.paths import FLOW, VIDEOS_TABLE, video_file
from pipeline.store.tables import VIDEOS, write_table

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("extract_frames", "stabilize", "compute_flow")
HEIGHT, WIDTH = 48, 64
MIB = 2**20


def write_clip(path, count):
    """A camera that sways over a wall, as H.264."""
    wall = texture(HEIGHT + 32, WIDTH + 32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "threads": "1"}
        for t in range(count):
            x, y = (int(16 + 15 * np.sin(t / period)) for period in (9, 13))
            view = np.ascontiguousarray(wall[y : y + HEIGHT, x : x + WIDTH])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())


def write_project(folder, count):
    """The videos table and params of one clip; `folder` is the working directory."""
    write_clip(folder / "clip.mp4", count)
    row = {"video": "clip", "path": "clip.mp4", "masks": "", "split": "train_test"}
    size = {"frames": count, "fps": 30.0, "width": WIDTH, "height": HEIGHT}
    write_table(VIDEOS_TABLE, [{**row, **size, "sha256": file_sha256(folder / "clip.mp4")}], VIDEOS)
    params = {"extract_frames": {"longest_side": WIDTH}, "stabilize": {"enlarge_to": WIDTH}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def peak_memory(stage, folder):
    """Run a stage; the largest resident memory of it and its processes together, bytes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BACKDROP_WORKERS": "1"}
    process = psutil.Popen([sys.executable, "-m", f"stages.{stage}"], cwd=folder, env=environment)
    peak = 0
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # it ended between two looks
        time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, stage)
    return peak


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_the_length_of_a_video(tmp_path, monkeypatch):
    peaks = {}
    for count in (1000, 10000):
        folder = tmp_path / str(count)
        folder.mkdir()
        monkeypatch.chdir(folder)
        write_project(folder, count)
        for stage in STAGES:
            peaks[stage, count] = peak_memory(stage, folder) / MIB
        assert video_file(FLOW, "clip").stat().st_size > count * HEIGHT * WIDTH * 4
    for stage in STAGES:
        short, long = peaks[stage, 1000], peaks[stage, 10000]
        print(f"{stage}: {short:.0f} MiB for 1,000 frames, {long:.0f} MiB for 10,000")
        assert long < max(1.15 * short, short + 60), stage
        assert long < 4096, stage
