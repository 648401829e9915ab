"""`backdrop init` on real, small videos, and DVC's cache when going back and forth."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers_dvc import dvc, make_project
from helpers_video import write_video

from pipeline.cli import main
from pipeline.params.schema import read_params
from pipeline.params.write import changed_by_hand

STAGES = """
stages:
  copy:
    cmd: "echo ran >> count; mkdir -p out; ls ${prepare_data.root} > out/list"
    deps: ["${prepare_data.root}"]
    params: [prepare_data, network]
    outs: [out/list]
"""


def _video(path: Path, width: int, height: int, frames: int = 12, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 200, (height, width, 3))
    images = np.stack([picture] * frames).astype(np.uint8)
    for number in range(frames):
        images[number, 20:60, 4 * number : 4 * number + 30] = 255
    return write_video(path, images, fps=10)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    _video(folder / "wide.mp4", 256, 128)
    _video(folder / "tall.mp4", 96, 192, seed=1)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(make_project(tmp_path / "clone", STAGES))
    Path("params.yaml").unlink()
    return Path.cwd()


def _init(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr("sys.argv", ["backdrop", "init", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_params_fit_the_videos(
    project: Path,
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _init(monkeypatch, "--videos", clips / "tall.mp4")
    params = read_params()
    assert params.prepare_data.name == "tall"
    assert params.prepare_data.source == "videos"
    assert params.prepare_data.root == "data/raw/tall"
    # Twice as high as wide, but for sides that are multiples of 8.
    assert abs(params.network.height - 2 * params.network.width) <= 12
    assert (project / "data/raw/tall/tall.mp4").exists()
    assert "next: dvc repro" in capsys.readouterr().out


def test_many_paths_after_one_option(
    project: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell's `--videos *.mp4` gives them."""
    videos = sorted(clips.glob("*.mp4"))
    _init(monkeypatch, "--videos", *videos, "--name", "both", "--preset", "moving-camera")
    placed = {path.name for path in (project / "data/raw/both").iterdir()}
    assert placed == {"wide.mp4", "tall.mp4"}
    assert read_params().extract_frames.longest_side == 160


@pytest.mark.parametrize(
    ("option", "told"),
    [(("--preset", "static"), "did you mean 'static-camera'"), (("--name", "my mice"), "letters")],
)
def test_what_is_mistyped_is_told_before_a_video_is_read(
    project: Path,
    clips: Path,
    option: tuple[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("pipeline.init_project.examine_paths", lambda _: pytest.fail("read"))
    monkeypatch.setattr("sys.argv", ["backdrop", "init", "--videos", str(clips), *option])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert not (project / "params.yaml").exists()


def test_a_video_too_short_for_its_preset_is_told_before_anything_is_written(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`stabilize` would refuse it, when hours of decoding are behind it."""
    video = _video(tmp_path / "short.mp4", 256, 128, frames=2)
    monkeypatch.setattr("sys.argv", ["backdrop", "init", "--videos", str(video)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "short.mp4: keeps 2 frames, and pairs 2 apart need 4" in capsys.readouterr().err
    assert not (project / "data").exists()
    assert not (project / "params.yaml").exists()


def test_a_broken_video_leaves_everything_as_it_was(
    project: Path,
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = (clips / "wide.mp4").read_bytes()
    (project / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr("sys.argv", ["backdrop", "init", "--videos", "cut.mp4"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "cut.mp4" in told.out + told.err
    assert told.err.splitlines()[-1].startswith("error: ")
    assert not (project / "params.yaml").exists()
    assert not (project / "data").exists()


def test_going_back_to_former_data_costs_nothing(
    project: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(video: str) -> str:
        _init(monkeypatch, "--videos", clips / f"{video}.mp4")
        done = dvc(project, "repro")
        assert done.returncode == 0, done.stderr
        assert (project / "out/list").read_text() == f"{video}.mp4\n"
        return done.stdout

    assert "Running stage 'copy'" in run("wide")
    assert "Running stage 'copy'" in run("tall")
    shutil.rmtree(project / "out")
    assert "is cached - skipping run" in run("wide")
    assert "is cached - skipping run" in run("tall")
    assert (project / "count").read_text().split() == ["ran", "ran"]


@pytest.fixture
def grow(project: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one video with a mask, of which the project's params were changed by hand."""
    folder, file = tmp_path / "grow", project / "params.yaml"
    (folder / "masks/wide").mkdir(parents=True)
    shutil.copy(clips / "wide.mp4", folder)
    (folder / "masks/wide/0.png").write_text("first")
    _init(monkeypatch, "--videos", folder)
    file.write_text(file.read_text().replace("gap: 2", "gap: 3") + "# mine\n")
    return folder


def test_videos_are_added_and_params_changed_by_hand_kept(
    project: Path,
    clips: Path,
    grow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("stride: 1", "stride: 2"))
    shutil.copy(clips / "tall.mp4", grow)
    capsys.readouterr()
    _init(monkeypatch, "--videos", grow)
    params = read_params()
    assert (params.stabilize.gap, params.extract_frames.stride) == (3, 2)
    # Between twice as wide as high, and twice as high as wide.
    assert abs(params.network.height / params.network.width - 0.8) < 0.1
    assert file.read_text().endswith("# mine\n")
    told = capsys.readouterr().out
    assert "kept as changed by hand (--reset-params overwrites it): params.yaml" in told
    assert "fitted anew to these videos: network.height" in told
    assert "2 of 2 video(s) have another shape than the network" in told
    placed = project / "data/raw/grow"
    assert sorted(path.name for path in placed.iterdir()) == ["masks", "tall.mp4", "wide.mp4"]


def test_a_test_video_more_fits_nothing_anew(
    project: Path,
    clips: Path,
    grow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else its shape would change the network's, and all would be trained again."""
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("splits: {}", 'splits: {"ta*": test, "other": test}'))
    before = file.read_text()
    assert "ta*" in before
    shutil.copy(clips / "tall.mp4", grow)
    capsys.readouterr()
    _init(monkeypatch, "--videos", grow)
    assert file.read_text() == before
    assert "fitted anew" not in capsys.readouterr().out
    assert (project / "data/raw/grow/tall.mp4").exists()


def test_a_folder_emptied_by_hand_is_filled_again(
    project: Path, grow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = project / "data/raw/grow/wide.mp4"
    placed.unlink()
    _init(monkeypatch, "--videos", grow)
    assert placed.exists()


def test_splits_set_later_fit_nothing_anew(
    project: Path, clips: Path, grow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first `init` has fitted the params to both videos; one of them shall only be tested."""
    file = project / "params.yaml"
    shutil.copy(clips / "tall.mp4", grow)
    _init(monkeypatch, "--videos", grow)
    file.write_text(file.read_text().replace("splits: {}", 'splits: {"tall*": test}'))
    before = file.read_text()
    _init(monkeypatch, "--videos", grow)
    assert file.read_text() == before
    shutil.copy(clips / "tall.mp4", grow / "tall_2.mp4")
    _init(monkeypatch, "--videos", grow)
    assert file.read_text() == before
    for name in ("learn", "learn_2"):
        shutil.copy(clips / "tall.mp4", grow / f"{name}.mp4")
    _init(monkeypatch, "--videos", grow)
    assert file.read_text() != before


def test_corrected_masks_need_no_force_and_change_no_params(
    project: Path, grow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (project / "params.yaml").read_text()
    (grow / "masks/wide/0.png").write_text("corrected")
    capsys.readouterr()
    _init(monkeypatch, "--videos", grow, "--preset", "static-camera")
    assert (project / "data/raw/grow/masks/wide/0.png").read_text() == "corrected"
    assert (project / "params.yaml").read_text() == before
    told = capsys.readouterr().out
    assert "your own files under another name (hard links)" in told
    assert "kept as changed by hand (--reset-params overwrites it)" in told
    _init(monkeypatch, "--videos", grow, "--preset", "moving-camera")
    assert (project / "params.yaml").read_text() == before
    assert "as changed by hand, without --preset moving-camera (" in capsys.readouterr().out


def test_videos_are_replaced_by_force_and_params_changed_by_hand_kept(
    project: Path,
    clips: Path,
    grow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = project / "params.yaml"
    before = file.read_text()
    (grow / "wide.mp4").unlink()
    shutil.copy(clips / "tall.mp4", grow)
    monkeypatch.setattr("sys.argv", ["backdrop", "init", "--videos", str(grow)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "already holds other videos (wide.mp4)" in told
    assert "params changed by hand stay" in told
    assert file.read_text() == before
    assert (project / "data/raw/grow/wide.mp4").exists()
    _init(monkeypatch, "--videos", grow, "--force")
    params = read_params()
    assert params.stabilize.gap == 3
    assert params.network.height > params.network.width
    assert not (project / "data/raw/grow/wide.mp4").exists()
    _init(monkeypatch, "--videos", grow, "--reset-params")
    assert read_params().stabilize.gap == 2
    assert not changed_by_hand(file)


def test_params_changed_by_hand_for_other_data_are_not_kept_for_added_videos(
    project: Path,
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _init(monkeypatch, "--videos", clips / "wide.mp4", "--name", "both")
    _init(monkeypatch, "--videos", clips / "tall.mp4")
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("stride: 1", "stride: 2"))
    monkeypatch.setattr("sys.argv", ["backdrop", "init", "--videos", str(clips), "--name", "both"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "was changed by hand and would be overwritten" in capsys.readouterr().err
    assert [path.name for path in (project / "data/raw/both").iterdir()] == ["wide.mp4"]


@pytest.mark.parametrize("how", ["--videos", "--preset"])
def test_params_that_cannot_be_read_are_one_line(
    project: Path,
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    read_text = Path.read_text

    def refuse(path: Path, **rest: str) -> str:
        if path.name == "params.yaml":
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, **rest)

    Path("params.yaml").write_text("")
    monkeypatch.setattr(Path, "read_text", refuse)
    given = str(clips / "wide.mp4") if how == "--videos" else "demo"
    monkeypatch.setattr("sys.argv", ["backdrop", "init", how, given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "params.yaml: cannot be read (Permission denied)" in capsys.readouterr().err


def test_davis_comes_with_its_ground_truth(
    project: Path, test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    davis, part = test_data / "davis2016_train", tmp_path / "DAVIS"
    sequence = min((davis / "Annotations/480p").iterdir()).name
    for kind in ("JPEGImages", "Annotations"):
        (part / kind / "480p" / sequence).mkdir(parents=True)
        for file in sorted((davis / kind / "480p" / sequence).iterdir())[:6]:
            shutil.copy(file, part / kind / "480p" / sequence)
    _init(monkeypatch, "--videos", part, "--preset", "davis2016", "--name", "davis")
    placed = project / "data/raw/davis"
    assert len(list((placed / sequence).iterdir())) == 6
    assert len(list((placed / "masks" / sequence).glob("*.png"))) == 6
