"""The page: whole, offline, the same bytes each time, and there even if the run collapsed."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from helpers_artifacts import keep_truth
from helpers_page import Page, decode
from helpers_report import FlatInpainter, make_evaluated_project

import stages.report
from pipeline.errors import BackdropError
from pipeline.store import paths
from pipeline.store.atomic import read_json, write_json
from pipeline.store.tables import PER_FRAME, SCORES, VIDEOS, read_table, write_table


@pytest.fixture(autouse=True)
def _inpainter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages.report, "FrameInpainter", FlatInpainter)


def write_page() -> tuple[str, Page]:
    stages.report.main()
    html = (paths.REPORT / "index.html").read_text()
    return html, Page(html)


def test_the_page_is_whole_and_needs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    html, page = write_page()
    assert page.open == []
    assert "http" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert all(url.startswith(("data:", "#")) for url in page.urls)
    assert {url[1:] for url in page.urls if url.startswith("#")} <= page.ids
    assert str(tmp_path) not in html


def test_the_same_artifacts_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    first, _ = write_page()
    second, _ = write_page()
    assert first == second
    assert [entry.name for entry in paths.REPORT.iterdir()] == ["index.html"]


def test_it_tells_the_end_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    write_page()
    out = capsys.readouterr().out
    assert out == "report: artifacts/report/index.html  test J 0.64 F 0.71\n"


def test_numbers_verdict_and_backend_are_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    _, page = write_page()
    assert "but nothing could tune that control" in page.text  # its calibration is the default
    assert "a form that nothing could choose here" in page.text
    calibration = read_json(paths.CALIBRATION)
    chosen = {"source": "validation", "threshold": 0.35, "threshold_crf": 0.15}
    write_json(paths.CALIBRATION, calibration | chosen)
    _, page = write_page()
    assert "The thresholds, 0.15 under the CRF and 0.35 without it, were chosen on" in page.text
    assert "The mask clearly beats the blob control." in page.text
    assert "tuned like the mask" in page.text
    assert "were trained on" not in page.text
    for value in ("0.640", "0.710", "0.580", "0.610", "0.570", "0.470", "0.270", "0.380", "0.970"):
        assert value in page.text
    assert "flow: dis" in page.text
    assert "panels_per_video: 2" in page.text
    assert "train_inpainter_rgb" in page.text
    assert "loss/total" in page.text


def test_videos_that_were_trained_on_and_count_as_test_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    for table, schema in ((paths.VIDEOS_TABLE, VIDEOS), (paths.PER_FRAME_TABLE, PER_FRAME)):
        rows = read_table(table, schema)
        rows["split"] = rows["split"].replace({"train": "train_test"})
        write_table(table, rows.to_dict("records"), schema)
    _, page = write_page()
    assert "Of the 2 test videos, 1 was trained on, without their ground truth." in page.text


def test_every_split_has_its_panels_with_all_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_evaluated_project(tmp_path, monkeypatch)
    _, page = write_page()
    for video in project.scenes:
        for frame in (1, 4, 5):  # spread over 6 frames, and the last, of the lowest confidence
            for kind in ("Input", "Flow", "Inpainted", "Soft mask", "CRF mask", "Ground truth"):
                picture = decode(page.pictures[f"{kind}, frame {frame} of {video}"])
                assert picture.shape == (60, 80, 3)


def test_pictures_show_their_own_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_evaluated_project(tmp_path, monkeypatch)
    _, page = write_page()
    soft = decode(page.pictures["Soft mask, frame 4 of clip_0"]).mean(axis=(0, 2))
    x, y, w, h = project.scenes["clip_0"].boxes[4] * 80 / 64
    assert abs(np.average(np.arange(80), weights=soft) - (x + w / 2)) < 2
    inpainted = decode(page.pictures["Inpainted, frame 4 of clip_0"])
    assert np.abs(inpainted[int(y + h / 2), int(x + w / 2)].astype(int) - 55).max() < 6


def test_max_videos_shows_test_first_and_says_how_many_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_evaluated_project(tmp_path, monkeypatch)
    project.set_params(report={"panels_per_video": 1, "panel_width": 80, "max_videos": 1})
    _, page = write_page()
    shown = {alt.rsplit(" ", 1)[1] for alt in page.pictures}
    assert shown == {"clip_0"}  # the test video
    assert "3 more videos are in the table" in page.text
    project.set_params(report={"panels_per_video": 1, "panel_width": 80, "max_videos": 3})
    _, page = write_page()
    assert "1 more video is in the table" in page.text


def test_within_a_split_the_worst_videos_are_shown_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four as test videos: two with ground truth by J, the others by overlap with motion."""
    make_evaluated_project(tmp_path, monkeypatch)
    for table, schema in ((paths.VIDEOS_TABLE, VIDEOS), (paths.PER_FRAME_TABLE, PER_FRAME)):
        rows = read_table(table, schema)
        rows["split"] = "test"
        if "J" in rows:
            rows["J"] = rows["video"].map({"clip_0": 0.7, "clip_2": 0.3})
            rows["motion_overlap"] = rows["video"].map(
                {"clip_0": 0.1, "clip_1": 0.4, "clip_2": 0.9}
            )
        write_table(table, rows.to_dict("records"), schema)
    html, _ = write_page()
    shown = re.findall(r'<summary><span class="name">(clip_\d)', html)
    assert shown == ["clip_2", "clip_0", "clip_1", "clip_3"]


def test_a_frame_without_flow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    with h5py.File(paths.video_file(paths.FLOW, "clip_0"), "r+") as file:
        file["ok"][4] = False
    _, page = write_page()
    assert "No flow: frames not aligned, frame 4 of clip_0" in page.pictures
    assert "Flow, frame 4 of clip_0" not in page.pictures
    assert "Flow, frame 1 of clip_0" in page.pictures


def test_without_ground_truth_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_evaluated_project(tmp_path, monkeypatch, truth=False)
    _, page = write_page()
    assert "No ground truth" in page.text
    assert not any(alt.startswith("Ground truth") for alt in page.pictures)
    assert "Accuracy over time" not in page.text
    assert "nan" not in page.text.lower().replace("frames evenly", "")
    assert capsys.readouterr().out.endswith("test J - F -\n")


def test_of_some_labelled_frames_those_are_shown_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the test video only frames 0 and 3 have masks; by itself the page would show 1 and 4."""
    make_evaluated_project(tmp_path, monkeypatch)
    keep_truth("clip_0", [0, 3])
    rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    without = (rows["video"] == "clip_0") & ~rows["frame"].isin([0, 3])
    rows.loc[without, list(SCORES)] = np.nan
    write_table(paths.PER_FRAME_TABLE, rows.to_dict("records"), PER_FRAME)
    html, page = write_page()
    shown = {alt for alt in page.pictures if alt.endswith(" of clip_0")}
    assert {int(alt.split()[-3]) for alt in shown} == {0, 3, 5}  # 5 is the least sure
    truth = {alt for alt in shown if alt.startswith("Ground truth")}
    assert truth == {f"Ground truth, frame {frame} of clip_0" for frame in (0, 3)}
    assert "6 frames · camera static · J 0.57, F 0.57 (2 scored)" in page.text
    assert "Of 1 video only 2 of 6 frames have ground truth." in page.text
    (chart,) = re.findall(r"<title>J over the frames of clip_0</title>.*?</svg>", html)
    assert len(re.findall("<polyline", chart)) == 2  # a line of two points, not two lone dots


def test_a_collapsed_run_keeps_its_page_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch, collapsed="93% of the masks are empty")
    with pytest.raises(BackdropError, match="93% of the masks are empty"):
        stages.report.main()
    page = Page((paths.REPORT / "index.html").read_text())
    assert "The run collapsed." in page.text
    assert "93% of the masks are empty." in page.text


def test_the_table_marks_videos_whose_masks_lie_beside_what_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch, truth=False)
    html, _ = write_page()
    assert html.count('<td class="low">0.12</td>') == 3
    assert html.count("<td>0.55</td></tr>") == 1  # the test video


def test_the_table_tells_how_much_of_a_videos_masks_is_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.0402 of 0.06 moves in each frame with a mask."""
    make_evaluated_project(tmp_path, monkeypatch)
    _, page = write_page()
    assert page.text.count("33.0%") == 4


@pytest.mark.parametrize("student", [False, True])
def test_videos_whose_masks_rest_are_told_beside_the_verdict_the_worst_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, student: bool
) -> None:
    make_evaluated_project(tmp_path, monkeypatch, student=student)
    moving = {"clip_0": 0.9, "clip_1": 0.75, "clip_2": 0.4, "clip_3": 1.0}
    rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    rows["moving_area"] = rows["mask_area"] * rows["video"].map(moving)
    write_table(paths.PER_FRAME_TABLE, rows.to_dict("records"), PER_FRAME)
    html, page = write_page()
    assert "Much of the masks never moves in clip_2 (60%), clip_1 (25%): most likely" in page.text
    folder = "artifacts/student/moving" if student else "artifacts/moving"
    assert f"at rest. {folder} has the masks without it." in page.text
    assert re.findall('<td class="low">([0-9.]+)%</td>', html) == ["25.0", "60.0"]


def test_where_all_masks_move_nothing_is_told_of_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    rows = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    rows["moving_area"] = rows["mask_area"]
    write_table(paths.PER_FRAME_TABLE, rows.to_dict("records"), PER_FRAME)
    _, page = write_page()
    assert "never moves in clip" not in page.text


def test_names_from_outside_cannot_break_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch, collapsed="<script>alert(1)</script> & more")
    with pytest.raises(BackdropError):
        stages.report.main()
    assert "<script>alert" not in (paths.REPORT / "index.html").read_text()


def test_videos_without_predictions_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    evaluated = read_table(paths.PER_FRAME_TABLE, PER_FRAME)
    rows = evaluated[evaluated["video"] != "clip_3"].to_dict("records")
    write_table(paths.PER_FRAME_TABLE, rows, PER_FRAME)
    paths.video_file(paths.PREDICTIONS, "clip_3").unlink()
    _, page = write_page()
    assert "clip_2" in page.text
    assert "clip_3" not in page.text


def test_a_missing_artifact_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    paths.video_file(paths.MASKS, "clip_1").unlink()
    with pytest.raises(BackdropError, match=re.escape("artifacts/masks/clip_1.h5")):
        stages.report.main()
    assert not paths.REPORT.exists()


def test_dvc_knows_the_pages_template() -> None:
    """They are no Python modules, so that the closure of imports does not find them."""
    root = Path(stages.report.__file__).parents[1]
    deps = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]["report"]["deps"]
    assert {"pipeline/reporting/page.html", "pipeline/reporting/style.css"} <= set(deps)


def test_with_a_student_both_results_are_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_evaluated_project(tmp_path, monkeypatch, student=True)
    _, page = write_page()
    assert "Mask without self-training" in page.text
    for value in ("0.640", "0.710", "0.345", "0.456", "0.234"):
        assert value in page.text
    mask = decode(page.pictures["Student, frame 4 of clip_0"]).mean(axis=(0, 2))
    x, _, w, _ = project.scenes["clip_0"].boxes[4] * 80 / 64
    assert abs(np.average(np.arange(80), weights=mask) - (x + w / 2 + 4 * 80 / 64)) < 2
    for kind in ("Soft mask", "CRF mask", "Student, CRF mask", "Ground truth"):
        assert f"{kind}, frame 4 of clip_0" in page.pictures


def test_without_a_student_nothing_of_it_is_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch)
    _, page = write_page()
    assert "Student" not in page.text
    assert "without self-training" not in page.text
