"""What DVC must see: every file of the user's videos, whatever its folder is called."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def ignored(*paths):
    told = subprocess.run(
        [sys.executable, "-m", "dvc", "check-ignore", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode in (0, 1), told.stderr
    return told.stdout.split()


def test_no_folder_of_videos_is_ignored_for_its_name():
    names = ("tests", "docs", "scratch", "benchmarks", "weights")
    videos = [f"data/raw/{name}/clip.mp4" for name in names]
    videos += [f"data/raw/clips/{name}/00000.png" for name in names]
    assert ignored(*videos) == []
    code = ["tests/conftest.py", "docs/flow.md", "benchmarks/flow.py"]
    assert ignored(*code) == code


def test_a_page_beside_what_a_network_is_made_from_trains_nothing_anew():
    pages = [f"{folder}/README.md" for folder in ("weights/flow", "weights/encoder")]
    pages.append("data/backgrounds/README.md")
    assert all((ROOT / page).exists() for page in pages)
    assert ignored(*pages) == pages
