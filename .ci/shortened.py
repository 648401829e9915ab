"""A shortened `dvc repro` from raw video to report, in a copy of this clone; its metrics checked.

    python .ci/shortened.py [FOLDER]

A few of the built-in clips, and training cut to minutes: whether the numbers are good is for
`make demo` and the tests; here the whole house must stand, a second run must find nothing to do,
and a test clip more must cost its own work and no training. FOLDER (default: a temporary one,
removed afterwards) keeps the copy for a look.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.project import TRAINING, copy_clone  # noqa: E402
from pipeline.params.preset import compose, load_preset  # noqa: E402
from pipeline.params.read import PARAMS_FILE  # noqa: E402
from pipeline.params.write import write_params  # noqa: E402
from pipeline.store.paths import METRICS, REPORT  # noqa: E402

CLIPS = {"train": 10, "val": 2, "test": 2, "test_unseen": 1}
ONE_MORE = {**CLIPS, "test": 3}
SHORT = {
    "train_inpainter": {"rgb": {"iterations": 250}, "flow": {"iterations": 250}},
    "train_model": {"iterations": 250, "warmup_iterations": 100, "warmup_frames": 100},
    "self_train": {"iterations": 60},
    # So little training may well collapse; that is not what this run is to tell.
    "evaluate": {"collapse_empty": 1.0, "collapse_full": 1.0, "collapse_frozen_px": 0.0},
}
SHARES = {
    *("J", "F", "J_no_crf", "F_no_crf", "J_moving", "F_moving", "J_oracle"),
    *("J_blob", "J_blob_no_crf", "J_flow_threshold", "J_subject", "mAP50", "hit"),
}
TEST_KEYS = SHARES | {"empty_correct", "frames", "scored_frames", "empty_frames"}
LEAST_HIT = 0.25  # a box at random hits the subject less often
PER_VIDEO = {
    **dict.fromkeys(("prepare_data", "extract_frames", "stabilize", "compute_flow", "predict"), 1),
    **dict.fromkeys(("refine_masks", "keep_moving"), 1),
}
# Its own masks beside the model's.
OF_STUDENT = {"predict_student": 1, "refine_masks": 2, "keep_moving": 2}
NO_OP_S = 20.0  # 4 s are promised on an idle machine


def main() -> None:
    """Copy, shorten, run three times, check."""
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "clone")


def run(folder: Path) -> None:
    """All of it in `folder`, which must not exist."""
    copy_clone(ROOT, folder)
    choose_clips(folder, CLIPS)
    write_params(compose(load_preset("demo").params, SHORT), folder / PARAMS_FILE, force=True)
    started = time.monotonic()
    subprocess.run(["dvc", "repro"], cwd=folder, check=True)
    print(f"== dvc repro: {time.monotonic() - started:.0f} s")
    metrics = json.loads((folder / METRICS).read_text())
    print(json.dumps(metrics, indent=2))
    check(metrics)
    page = folder / REPORT / "index.html"
    assert page.stat().st_size > 100_000, f"{page} holds no pictures"
    told, seconds = again(folder)
    assert "Running stage" not in told, told
    assert seconds < NO_OP_S, f"a repro with nothing to do took {seconds:.1f} s"
    print(f"== dvc repro with nothing to do: {seconds:.1f} s")
    choose_clips(folder, ONE_MORE)
    told, seconds = again(folder)
    ran = set(re.findall(r"Running stage '([^']+)'", told))
    assert not {stage for stage in ran if stage.startswith(TRAINING)}, told
    before, now = sum(CLIPS.values()), sum(ONE_MORE.values())
    student = "without_self_train" in metrics  # else no mask was fit to learn from
    for stage, runs in (PER_VIDEO | (OF_STUDENT if student else {})).items():
        line = f"{stage}: {before} of {now} videos are as they were"
        assert told.count(line) == runs, f"{stage}: {told}"
    assert json.loads((folder / METRICS).read_text())["test"]["frames"] > metrics["test"]["frames"]
    print(f"== dvc repro with a test clip more: {seconds:.1f} s, and no training")


def choose_clips(folder: Path, counts: Mapping[str, int]) -> None:
    """Of the built-in clips the first `counts` of each split."""
    recipe = "data/builtin/recipe.yaml"
    content = yaml.safe_load((ROOT / recipe).read_text())
    clips = content["clips"]
    content["clips"] = [
        clip
        for split, count in counts.items()
        for clip in [clip for clip in clips if clip["split"] == split][:count]
    ]
    (folder / recipe).write_text(yaml.safe_dump(content))


def again(folder: Path) -> tuple[str, float]:
    """What another `dvc repro` prints, and how many seconds it takes."""
    started = time.monotonic()
    done = subprocess.run(
        ["dvc", "repro"],
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout, time.monotonic() - started


def check(metrics: dict[str, Any]) -> None:
    """The names that other programs read, and values that can be true."""
    assert 0 < metrics["threshold"] < 1, metrics["threshold"]
    # Where no mask was fit to learn from, self-training stays off, and there is one block.
    for block in (metrics, metrics.get("without_self_train", metrics)):
        assert {"J", "F"} <= block["val"].keys(), block["val"]
        for split in ("test", "test_unseen"):
            values = block[split]
            assert values.keys() >= TEST_KEYS, TEST_KEYS - values.keys()
            for name in SHARES:
                assert 0 <= values[name] <= 1, f"{split}.{name} is {values[name]}"
            assert values["frames"] >= values["empty_frames"] >= 0, values
            assert values["frames"] > 0, values
    assert metrics["test"]["hit"] >= LEAST_HIT, f"hit {metrics['test']['hit']}: no detection"
    # The data must not be solvable by motion alone.
    assert metrics["test"]["J_flow_threshold"] < 0.5, metrics["test"]["J_flow_threshold"]


if __name__ == "__main__":
    main()
