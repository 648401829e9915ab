"""The command on a synthetic project: a subject that crosses, masks that are where it is."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from helpers_artifacts import make_project, write_masks

from benchmarks import static_camera
from benchmarks.moving_region import Agreement


def test_a_table_and_a_sheet_of_a_finished_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path, monkeypatch, ["train_test"] * 2, 12)
    for scene, right in zip(project.scenes.values(), (True, False), strict=True):
        masks = scene.truth if right else scene.truth[:, ::-1, ::-1] & ~scene.truth
        write_masks(scene, masks.astype("uint8") * 255)
    monkeypatch.setattr(sys, "argv", ["static_camera", str(tmp_path)])
    static_camera.main()
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    kinds = itertools.product(static_camera.BACKGROUNDS, ("moves", "differs"))
    for good, bad, kind in zip(lines[2:6], lines[6:10], kinds, strict=True):
        assert good[:5] == ["clip_0", *kind, "12", "1.000"]
        # Neither is quite the empty room: in twelve frames the subject covers places for long.
        assert float(good[5]) > 0.7
        assert float(good[6]) > 0.7
        assert float(bad[6]) < 0.5
    assert "not ground truth" in lines[-1][0]
    assert (tmp_path / static_camera.SHEET).stat().st_size > 10_000


def test_without_resting_frames_the_cell_is_empty() -> None:
    found = Agreement(3, 1.0, 0.5, 0.25, 0, float("nan"))
    line = "| clip | median | moves | 3 | 1.000 | 0.500 | 0.250 | 0 |  |"
    assert static_camera.row("clip", "median", "moves", found) == line


@pytest.mark.parametrize(
    "arguments", [[], ["--run", "a.mp4"], ["x", "--run", "a.mp4", "--to", "y"]]
)
def test_half_a_command_is_refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["static_camera", *arguments])
    with pytest.raises(SystemExit):
        static_camera.main()
    assert "PROJECT" in capsys.readouterr().err


def test_a_folder_that_is_no_project_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["static_camera", str(tmp_path)])
    with pytest.raises(SystemExit):
        static_camera.main()
    assert capsys.readouterr().err.startswith("error: artifacts")
