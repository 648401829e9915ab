"""What `inspect` says of damaged files, and of what is no artifact."""

from __future__ import annotations

from pathlib import Path

import h5py
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers_artifacts import Project
from helpers_files import refuse_to_enter, refuse_to_list

from pipeline.errors import BackdropError
from pipeline.inspection import describe, draw_frame
from pipeline.store import paths
from pipeline.store.atomic import write_json
from pipeline.store.hdf5 import Schema, create

CLIP = "clip_0"


def artifact(folder: Path) -> Path:
    return paths.video_file(folder, CLIP)


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(BackdropError, match=r"nothing.h5: is missing"):
        describe(tmp_path / "nothing.h5")


@pytest.mark.parametrize("folder", [paths.FRAMES, paths.MASKS])
def test_hdf5_cut_short(project: Project, folder: Path) -> None:
    path = artifact(folder)
    path.write_bytes(path.read_bytes()[:2000])
    for look in (describe, lambda path: draw_frame(path, 0)):
        with pytest.raises(BackdropError, match=f"{CLIP}.h5: is damaged or cut short"):
            look(path)


def test_hdf5_whose_writer_did_not_finish(project: Project) -> None:
    with h5py.File(artifact(paths.MASKS), "a") as file:
        del file.attrs["complete"]
    with pytest.raises(BackdropError, match="its writer did not finish"):
        describe(artifact(paths.MASKS))


def test_parquet_cut_short(project: Project) -> None:
    paths.INDEX_TABLE.write_bytes(paths.INDEX_TABLE.read_bytes()[:-20])
    with pytest.raises(BackdropError, match=r"index.parquet: is damaged or cut short"):
        describe(paths.INDEX_TABLE)


def test_weights_cut_short(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(BackdropError, match=r"model.safetensors: is damaged or cut short"):
        describe(model)


def test_a_network_of_another_schema(model: Path) -> None:
    write_json(model / "config.json", {"schema": "foreign.net", "schema_version": 3})
    with pytest.raises(BackdropError, match=r"'foreign.net v3'.*backdrop.model v2"):
        describe(model)


def test_an_unknown_schema_is_named_with_the_known_ones(tmp_path: Path) -> None:
    foreign, newer = tmp_path / "foreign.h5", tmp_path / "newer.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = [1]
    with create(newer, Schema("backdrop.masks", 2)):
        pass
    table = tmp_path / "foreign.parquet"
    pq.write_table(pa.Table.from_pandas(pd.DataFrame({"a": [1]})), table)
    with pytest.raises(BackdropError, match=r"'no schema'.*known are: backdrop.frames v1"):
        describe(foreign)
    with pytest.raises(BackdropError, match=r"'backdrop.masks v2'.*backdrop.masks v1"):
        draw_frame(newer, 0)
    with pytest.raises(BackdropError, match=r"'unknown'.*backdrop.index v2"):
        describe(table)


def test_a_folder_that_is_no_artifact(project: Project) -> None:
    with pytest.raises(BackdropError, match=r"holds clip_0.h5, clip_1.h5 — name one"):
        describe(paths.MASKS)


def test_what_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "a.h5").touch()
    refuse_to_list(monkeypatch, folder)
    with pytest.raises(BackdropError, match=r"secret: cannot be read \(Permission denied\)"):
        describe(folder)
    refuse_to_enter(monkeypatch, folder)
    with pytest.raises(BackdropError, match=r"a\.h5: cannot be read \(Permission denied\)"):
        describe(folder / "a.h5")


@pytest.mark.parametrize("name", ["dvc.lock", "Makefile"])
def test_what_is_neither_an_artifact_nor_a_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("schema: '2.0'\n" * 100)
    told = rf"{name}: is neither an artifact nor a video — inspect takes \.h5 \.parquet .*videos"
    with pytest.raises(BackdropError, match=told):
        describe(tmp_path / name)
    with pytest.raises(BackdropError, match=told):
        draw_frame(tmp_path / name, 0)


@pytest.mark.parametrize("folder", [paths.PREDICTIONS, paths.MASKS])
def test_an_artifact_of_more_frames_than_there_are(project: Project, folder: Path) -> None:
    """After `max_frames` was lowered and `dvc repro` was interrupted."""
    keep_frames(artifact(paths.FRAMES), 2)
    with pytest.raises(BackdropError, match=rf"{CLIP}.h5: holds .* made from other frames"):
        draw_frame(artifact(folder), 2)


def test_a_pair_of_frames_that_are_not_there(project: Project) -> None:
    keep_frames(artifact(paths.FRAMES), 1)
    with pytest.raises(BackdropError, match=r"row 0 is of frames .* but the video has 1"):
        draw_frame(paths.HOMOGRAPHIES_TABLE, 0)


def keep_frames(path: Path, count: int) -> None:
    with h5py.File(path, "a") as file:
        kept = file["frames"][:count]
        del file["frames"]
        file["frames"] = kept
        file.attrs["frames"] = count
