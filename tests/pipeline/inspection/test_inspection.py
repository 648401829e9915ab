"""`inspect` on every kind of artifact."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_artifacts import Project, add_student, make_project
from helpers_labels import write_label
from helpers_report import make_evaluated_project
from safetensors.numpy import load_file, save_file

from models.warping import MESH_SIZE
from pipeline.drawing.colours import ORANGE, RED
from pipeline.drawing.masks import flow_colours, heat
from pipeline.errors import BackdropError
from pipeline.inspection import describe, draw_frame
from pipeline.store import paths
from pipeline.store.hdf5 import Schema, create
from pipeline.store.images import write_png
from pipeline.store.paths import Source
from pipeline.store.tables import HOMOGRAPHIES, read_table, write_table

CLIP = "clip_0"
SCALE = 480 / 64  # frames are drawn 480 px wide
HDF5_FOLDERS = [paths.FRAMES, paths.FLOW, paths.PREDICTIONS, paths.MASKS, paths.LABELS]


def artifact(folder: Path) -> Path:
    return paths.video_file(folder, CLIP)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (paths.FRAMES, ["backdrop.frames v1", "uint8 (6, 48, 64, 3)", "colour", "RGB", "width"]),
        (paths.FLOW, ["backdrop.flow v2", "float16 (6, 48, 64, 2)", "backend", "100% true"]),
        (paths.PREDICTIONS, ["backdrop.predictions v1", "float32 (6, 4)", "0.6 .. 0.9", "grid"]),
        (paths.MASKS, ["backdrop.masks v1", "uint8 (6, 48, 64)", "0 .. 255"]),
        (paths.LABELS, ["backdrop.labels v1", "uint8 (6, 48, 64)", "float32 (6,)"]),
    ],
)
def test_hdf5_in_words(project: Project, folder: Path, expected: list[str]) -> None:
    text = describe(artifact(folder))
    for part in expected:
        assert part in text


def test_jpeg_frames_are_described_and_drawn_by_their_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path, monkeypatch, store="jpeg")
    assert "JPEG bytes (6,)" in describe(artifact(paths.FRAMES))
    mean = draw_frame(artifact(paths.FRAMES), 2)[:360].mean()
    assert mean == pytest.approx(project.scenes[CLIP].frames[2].mean(), abs=2)


def test_a_long_artifact_is_sampled_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "long.h5"
    with create(path, Schema("backdrop.masks", 1)) as file:
        file.create_dataset("mask", data=np.zeros((300, 2, 2), np.uint8))
    assert "in 64 of 300 rows" in describe(path)


def test_tables_in_words(project: Project) -> None:
    text = describe(paths.HOMOGRAPHIES_TABLE)
    for part in ("backdrop.homographies v2", "12 rows", "inlier_ratio", "0.875", "'static'"):
        assert part in text
    assert "2 distinct: 'clip_0', 'clip_1'" in describe(paths.INDEX_TABLE)


def test_null_columns_of_a_table_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_evaluated_project(tmp_path, monkeypatch, truth=False)
    text = describe(paths.PER_FRAME_TABLE)
    assert "all 24 null" in text
    assert "4 null" in text  # box_jump of the first frames


def test_model_folder_json_and_text_in_words(model: Path, tmp_path: Path) -> None:
    text = describe(model)
    for part in ("backdrop.model v2", "1 tensors, 12 values", '"grid": 8', "a.weight  (4, 3)"):
        assert part in text
    assert '"grid": 8' in describe(model / "config.json")
    table = tmp_path / "per_video.csv"
    table.write_text("video,J\n" + "".join(f"clip_{i},0.5\n" for i in range(40)))
    assert "41 lines" in describe(table)
    assert "... 21 more lines" in describe(table)


def test_a_video_and_a_folder_of_frames(tmp_path: Path) -> None:
    folder, file = tmp_path / "frames", tmp_path / "clip.avi"
    folder.mkdir()
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for level in (20, 120, 220):
        image = np.full((48, 64, 3), level, np.uint8)
        writer.write(image)
        write_png(folder / f"{level:03d}.png", image)
    writer.release()
    assert "3 decoded" in describe(file)
    assert "64x48 px" in describe(folder)
    for path in (file, folder):
        assert draw_frame(path, 1)[:360].mean() == pytest.approx(120, abs=3)
        for frame in (3, -1):
            with pytest.raises(BackdropError, match=f"no frame {frame} .*0 to 2"):
                draw_frame(path, frame)


def test_a_frame_is_drawn_as_it_is(project: Project) -> None:
    drawn = draw_frame(artifact(paths.FRAMES), 3)
    small = cv2.resize(drawn[:360], (64, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - project.scenes[CLIP].frames[3]).mean() < 12


def test_flow_is_drawn_in_its_colours_with_a_key(project: Project) -> None:
    scene = project.scenes[CLIP]
    drawn = draw_frame(artifact(paths.FLOW), 3)
    x, y, w, h = scene.boxes[3]
    centre = drawn[round((y + h / 2) * SCALE), round((x + w / 2) * SCALE)]
    flow = scene.flow[3][int(y + h / 2), int(x + w / 2)]
    assert centre.tolist() == pytest.approx(flow_colours(flow[None, None], 1.0)[0, 0], abs=3)
    assert tuple(drawn[5, 5]) == (128, 128, 0)
    assert drawn.shape[1] > 480 + 100


def test_predictions_are_drawn_on_the_frame_next_door(project: Project) -> None:
    scene = project.scenes[CLIP]
    drawn = draw_frame(artifact(paths.PREDICTIONS), 3)
    rows, columns = np.nonzero((drawn[:360, :480] == RED).all(axis=2))
    x, y, w, h = scene.boxes[3] * SCALE
    assert columns.min() == pytest.approx(x, abs=3)
    assert columns.max() == pytest.approx(x + w, abs=3)
    assert rows.max() == pytest.approx(y + h, abs=3)
    soft = drawn[:360, 486:966]
    cx, cy = round(x + w / 2), round(y + h / 2)
    assert soft[cy, cx].tolist() == pytest.approx(
        heat(scene.soft[3])[24, round(cx / SCALE)], abs=12
    )
    assert soft[5, 5].max() < 20


def test_a_link_into_dvcs_cache_is_drawn_as_the_file(project: Project, tmp_path: Path) -> None:
    file = artifact(paths.PREDICTIONS)
    expected = draw_frame(file, 3)
    file.rename(tmp_path / "cached")
    file.symlink_to(tmp_path / "cached")
    assert np.array_equal(draw_frame(file, 3), expected)


def test_a_students_predictions_are_drawn_on_the_models_frames(project: Project) -> None:
    add_student(project)
    path = artifact(Source.STUDENT.predictions_folder)
    assert "backdrop.predictions v1" in describe(path)
    drawn = draw_frame(path, 3)
    columns = np.nonzero((drawn[:360, :480] == RED).all(axis=2))[1]
    assert columns.min() == pytest.approx(project.scenes[CLIP].boxes[3, 0] * SCALE, abs=3)
    assert not (drawn[345:355, 460:475] == 128).all()  # no plain grey


def test_without_frames_next_door_predictions_lie_on_grey(project: Project) -> None:
    artifact(paths.FRAMES).unlink()
    drawn = draw_frame(artifact(paths.PREDICTIONS), 0)
    assert tuple(drawn[350, 470]) == (128, 128, 128)


def test_a_mask_is_drawn_over_the_frame(project: Project) -> None:
    drawn = draw_frame(artifact(paths.MASKS), 3)
    rows, columns = np.nonzero((drawn[:360] == ORANGE).all(axis=2))
    mask_rows, mask_columns = np.nonzero(project.scenes[CLIP].soft[3] > 127)
    assert columns.min() == pytest.approx(mask_columns.min() * SCALE, abs=SCALE)
    assert rows.max() == pytest.approx((mask_rows.max() + 1) * SCALE, abs=SCALE)


def test_a_label_is_drawn_with_its_weight_and_the_trust_in_it(project: Project) -> None:
    scene = project.scenes[CLIP]
    trust = np.where(scene.truth, 255, 64).astype(np.uint8)
    write_label(scene, trust=trust)
    drawn = draw_frame(artifact(paths.LABELS), 3)
    np.testing.assert_array_equal(drawn[:360, :480], draw_frame(artifact(paths.MASKS), 3)[:360])
    shown = heat(cv2.resize(trust[3], (480, 360), interpolation=cv2.INTER_LINEAR))
    assert np.abs(drawn[:360, -480:].astype(int) - shown).mean() < 2


def test_a_pair_is_drawn_as_target_and_blend(project: Project) -> None:
    drawn = draw_frame(paths.HOMOGRAPHIES_TABLE, 2)
    frames = project.scenes[CLIP].frames
    target, blend = drawn[:360, :480], drawn[:360, 486:966]
    assert target.mean() == pytest.approx(frames[2].mean(), abs=2)
    assert blend.mean() == pytest.approx((frames[2].mean() + frames[3].mean()) / 2, abs=2)
    with pytest.raises(BackdropError, match="0 to 11"):
        draw_frame(paths.HOMOGRAPHIES_TABLE, 12)


def test_a_pair_is_drawn_with_its_mesh(project: Project) -> None:
    table = read_table(paths.HOMOGRAPHIES_TABLE, HOMOGRAPHIES)
    rows = table.to_dict("records")
    mesh = np.zeros((*MESH_SIZE, 2), np.float32)
    mesh[..., 0] = 8.0
    rows[2]["mesh"] = mesh.ravel().tolist()  # px p shows the source at p + 8
    rows[3] |= {"source": rows[2]["source"], "target": rows[2]["target"], "h02": -8.0}
    rows[4] |= {"source": rows[2]["source"], "target": rows[2]["target"]}
    write_table(paths.HOMOGRAPHIES_TABLE, rows, HOMOGRAPHIES)
    meshed, shifted, still = (
        draw_frame(paths.HOMOGRAPHIES_TABLE, row)[:360].astype(int) for row in (2, 3, 4)
    )
    assert np.abs(meshed - shifted).max() <= 1
    assert np.abs(meshed - still).mean() > 1


@pytest.mark.parametrize("folder", HDF5_FOLDERS)
@pytest.mark.parametrize("frame", [6, -1])
def test_a_frame_out_of_range_names_the_range(project: Project, folder: Path, frame: int) -> None:
    with pytest.raises(BackdropError, match=rf"{CLIP}.h5: has no frame {frame} — .*0 to 5"):
        draw_frame(artifact(folder), frame)


def test_what_has_no_frames_says_what_has(project: Project, model: Path) -> None:
    for path in (paths.INDEX_TABLE, model, model / "config.json"):
        with pytest.raises(BackdropError, match="no frame to draw — draw one of frames"):
            draw_frame(path, 0)


@pytest.mark.parametrize("name", ["model.safetensors", "weights.pth", "weights", "clip.mp4"])
def test_a_file_of_weights_is_known_under_any_name(model: Path, name: str) -> None:
    tensors = load_file(model / "model.safetensors")
    renamed = (model / "model.safetensors").rename(model / name)
    text = describe(renamed)
    assert f"{len(tensors)} tensors, {sum(one.size for one in tensors.values()):,} values" in text
    for tensor, values in tensors.items():
        assert re.search(rf"{re.escape(tensor)} +{re.escape(str(values.shape))}", text)


def test_a_file_of_weights_tells_the_notes_in_it(tmp_path: Path) -> None:
    notes = {"trained_on": "rendered clips", "author": "us"}
    save_file({"w": np.zeros((2, 3), np.float32)}, tmp_path / "w.safetensors", notes)
    assert describe(tmp_path / "w.safetensors").splitlines()[2:] == [
        "metadata",
        "  author      us",
        "  trained_on  rendered clips",
        "tensors",
        "  w  (2, 3)",
    ]


def test_a_damaged_file_of_weights_is_still_one_by_its_name(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"404: not found")
    with pytest.raises(BackdropError, match=r"model\.safetensors: is damaged or cut short"):
        describe(model / "model.safetensors")


def test_a_page_is_text(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Report</h1>\n")
    assert "<h1>Report</h1>" in describe(tmp_path / "index.html")


def test_png_repeats_reads_back_and_refuses_other_names(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 7, 3)).astype(np.uint8)
    first, second = tmp_path / "a.png", tmp_path / "deep" / "b.png"
    write_png(first, image)
    write_png(second, image)
    assert first.read_bytes() == second.read_bytes()
    assert (cv2.imread(str(first))[..., ::-1] == image).all()
    with pytest.raises(BackdropError, match=r"is not a \.png name"):
        write_png(tmp_path / "a.jpg", image)
