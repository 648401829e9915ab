"""`train_inpainter.rgb.background: median | image`: what is written, what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch
from helpers_artifacts import make_project, write_frames
from helpers_records import record_training_set

from models.known_background import KnownBackground
from pipeline import known_background
from pipeline.errors import BackdropError
from pipeline.inpainting import FrameInpainter
from pipeline.networks import load_inpainter
from pipeline.store import paths
from stages import train_inpainter

NETWORK = {"height": 48, "width": 64}
OUT = paths.inpainter("rgb")


def show_square(scene, number):
    """A bright square walks over tiles whose edges outnumber its own: a still camera."""
    tiles = np.random.default_rng(number).integers(20, 140, (6, 8, 3)).astype(np.uint8)
    scene.frames[:] = tiles.repeat(8, axis=0).repeat(8, axis=1)
    scene.truth[:] = False
    for t in range(len(scene.frames)):
        scene.truth[t, 16:26, 4 + 2 * t : 14 + 2 * t] = True
    scene.frames[scene.truth] = 220
    scene.boxes[:] = [[4 + 2 * t, 16, 10, 10] for t in range(len(scene.frames))]
    write_frames(scene)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKDROP_WORKERS", "1")
    made = make_project(tmp_path, monkeypatch, ["train", "train"], frames=24)
    for number, scene in enumerate(made.scenes.values()):
        show_square(scene, number)
    record_training_set()
    made.set_params(network=NETWORK, train_inpainter={"rgb": {"background": "median"}})
    return made


def test_the_median_stands_in_for_the_inpainter_and_repeats_byte_for_byte(project):
    train_inpainter.main("rgb")
    known, size = load_inpainter(OUT)
    assert isinstance(known, KnownBackground)
    assert (size.height, size.width) == (48, 64)
    for place, scene in enumerate(project.scenes.values()):
        picture = known.backgrounds[place].permute(1, 2, 0).numpy() * 255
        assert np.abs(picture - np.median(scene.frames, axis=0)).max() < 12
        image = torch.from_numpy(scene.frames[3]).permute(2, 0, 1)[None].float() / 255
        best, _ = known.match(image, torch.zeros(1, 1, 48, 64))
        assert int(best) == place
    config = json.loads((OUT / "config.json").read_text())
    assert config["schema"] == "backdrop.known_background"
    assert config["backgrounds"] == list(project.scenes)
    subject = np.mean([scene.truth.mean() for scene in project.scenes.values()])
    told = [numbers["coverage"] for numbers in config["videos"].values()]
    assert np.mean(told) == pytest.approx(1 - subject, abs=0.01)
    assert float(known.coverage.mean()) == pytest.approx(np.mean(told), abs=1e-3)
    curve = paths.CURVES / "train_inpainter_rgb/plots/metrics/coverage.tsv"
    assert len(curve.read_text().splitlines()) == 3
    before = [(OUT / name).read_bytes() for name in ("config.json", "model.safetensors")]
    train_inpainter.main("rgb")
    assert [(OUT / n).read_bytes() for n in ("config.json", "model.safetensors")] == before


def test_the_report_sees_the_ground_in_the_box(project):
    train_inpainter.main("rgb")
    scene = project.scenes["clip_0"]
    filled = FrameInpainter(OUT)(scene.frames[3], scene.boxes[3])
    ground = np.median(scene.frames, axis=0)
    assert np.abs(filled[scene.truth[3]] - ground[scene.truth[3]]).max() <= 2


def test_a_moving_camera_is_refused_by_name(project):
    scene = project.scenes["clip_1"]
    rng = np.random.default_rng(5)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (48, 164, 3)).astype(np.uint8), (0, 0), 2)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    scene.frames = np.stack([wide[:, 4 * t : 4 * t + 64] for t in range(24)])
    write_frames(scene)
    record_training_set()
    with pytest.raises(BackdropError, match=r"clip_1: its camera moves.*inpainted"):
        train_inpainter.main("rgb")
    train = {"rgb": {"background": "median"}}
    project.set_params(network=NETWORK, train_inpainter=train, stabilize={"camera": "static"})
    train_inpainter.main("rgb")  # whoever knows better is believed
    assert (OUT / "config.json").exists()


def cut(project, second, at=14):
    """`clip_1` goes on with the frames of another scene."""
    scene = project.scenes["clip_1"]
    scene.frames[at:] = second[at:]
    write_frames(scene)
    with h5py.File(paths.video_file(paths.FRAMES, "clip_1"), "a") as file:
        file.attrs["cuts"] = np.array([at])
    record_training_set()


def test_a_cut_to_another_view_is_refused_though_both_are_still(project):
    cut(project, project.scenes["clip_0"].frames)
    with pytest.raises(BackdropError, match=r"clip_1: another view begins at frame 14.*inpainted"):
        train_inpainter.main("rgb")


def test_a_cut_to_the_same_view_in_other_light_is_none(project):
    brighter = np.clip(project.scenes["clip_1"].frames.astype(int) + 30, 0, 255)
    cut(project, brighter.astype(np.uint8))
    train_inpainter.main("rgb")
    assert load_inpainter(OUT)[0].coverage.shape[0] == 2


def test_pictures_are_resized_and_each_video_finds_its_own(project):
    folder = Path("views")
    folder.mkdir()
    for name, scene in zip(("b.png", "a.png"), project.scenes.values(), strict=True):
        view = np.median(scene.frames, axis=0).astype(np.uint8)
        large = cv2.resize(view, (128, 96), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / name), large[..., ::-1])
    rgb = {"background": "image", "background_images": "views"}
    project.set_params(network=NETWORK, train_inpainter={"rgb": rgb})
    train_inpainter.main("rgb")
    known, _ = load_inpainter(OUT)
    first = np.median(project.scenes["clip_0"].frames, axis=0)
    assert np.abs(known.backgrounds[1].permute(1, 2, 0).numpy() * 255 - first).max() <= 1
    coverage = json.loads((OUT / "config.json").read_text())["videos"]["clip_0"]["coverage"]
    assert coverage > 0.85


def test_missing_empty_and_unreadable_pictures_are_named(project):
    def run(path):
        rgb = {"background": "image", "background_images": path}
        project.set_params(network=NETWORK, train_inpainter={"rgb": rgb})
        train_inpainter.main("rgb")

    with pytest.raises(BackdropError, match=r"nowhere\.png: is missing"):
        run("nowhere.png")
    Path("views").mkdir()
    with pytest.raises(BackdropError, match=r"views: holds no picture"):
        run("views")
    Path("views/one.png").write_bytes(b"no picture")
    with pytest.raises(BackdropError, match=r"one\.png: is not a readable picture"):
        run("views")


def test_a_background_that_is_rarely_seen_is_a_warning(project, caplog):
    Path("views").mkdir()
    for name, scene in project.scenes.items():
        view = np.median(scene.frames, axis=0).astype(np.uint8)
        view[:, :16] = 255 if name == "clip_0" else view[:, :16]  # a quarter that is not so
        cv2.imwrite(f"views/{name}.png", view[..., ::-1])
    rgb = {"background": "image", "background_images": "views"}
    project.set_params(network=NETWORK, train_inpainter={"rgb": rgb})
    caplog.set_level(logging.INFO)
    train_inpainter.main("rgb")
    levels = {r.message.split(":")[0]: r.levelname for r in caplog.records if "agree" in r.message}
    assert levels == {"clip_0": "WARNING", "clip_1": "INFO"}


def test_frames_that_change_while_it_is_found_leave_what_was_there(project, monkeypatch):
    train_inpainter.main("rgb")
    before = {path.name: path.read_bytes() for path in OUT.iterdir()}
    found = known_background.run_jobs

    def meanwhile(*arguments):
        scene = project.scenes["clip_1"]
        scene.frames[:] = 255 - scene.frames
        write_frames(scene)
        return found(*arguments)

    monkeypatch.setattr(known_background, "run_jobs", meanwhile)
    with pytest.raises(BackdropError, match=r"clip_1\.h5: is not the file"):
        train_inpainter.main("rgb")
    assert {path.name: path.read_bytes() for path in OUT.iterdir()} == before
