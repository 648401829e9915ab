"""A small scene for the stage `compute_flow`: a square before a panned wall."""

import numpy as np
from helpers_motion import pan, texture

from pipeline.store import paths
from pipeline.store.hdf5 import FLOW, open_artifact
from pipeline.store.tables import HOMOGRAPHIES, write_table

SIZE = (72, 96)
COUNT = 6


def one_after_the_other(jobs, worker, progress, workers):
    """Stands in for the pool, whose processes take seconds to start; it has tests of its own."""
    return {job.video: worker(job, progress.advance) for job in jobs}


def scene(step=2, square_step=3, seed=0):
    """A pan with a square that moves right by `square_step` px of the wall a frame."""
    frames = pan(COUNT, SIZE, step, seed)
    square = texture(24, 24, seed=9)
    for t, frame in enumerate(frames):
        left = 30 + t * (square_step - step)
        frame[24:48, left : left + 24] = square
    return frames


def write_homographies(videos, step=2, gap=1, bad=(), mesh=(), count=COUNT):
    rows = []
    for video in videos:
        for t in range(count):
            source = t + gap if t + gap < count else t - gap
            H = np.array([[1, 0, step * (source - t)], [0, 1, 0], [0, 0, 1.0]])
            ok = t not in bad
            rows.append(
                {
                    "video": video,
                    "source": source,
                    "target": t,
                    **{
                        f"h{i}{j}": float(H[i, j]) if ok else np.nan
                        for i in range(3)
                        for j in range(3)
                    },
                    **dict.fromkeys(("keypoints", "matches", "inliers"), 100),
                    "inlier_ratio": 1.0,
                    "error_px": 0.1,
                    "method": "tracks",
                    "parallax_px": 0.0,
                    "mesh": list(mesh),
                    "ok": ok,
                    "reason": "" if ok else "scene cut",
                    "camera": "rotating",
                }
            )
    write_table(paths.HOMOGRAPHIES_TABLE, rows, HOMOGRAPHIES)


def read_flow(video):
    with open_artifact(paths.video_file(paths.FLOW, video), FLOW) as file:
        return {key: file[key][...] for key in file}, dict(file.attrs)
