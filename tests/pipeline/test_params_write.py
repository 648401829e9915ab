"""params.yaml as `init` writes it, and the presets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from helpers_dvc import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BackdropError
from pipeline.params.base import Section
from pipeline.params.preset import compose, load_preset, preset_names
from pipeline.params.schema import Params, read_params
from pipeline.params.write import changed_by_hand, digest, render_params, write_params

DEMO = compose(load_preset("demo").params)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    for name in preset_names():
        params = compose(load_preset(name).params)
        write_params(params, tmp_path / f"{name}.yaml")
        assert read_params(tmp_path / f"{name}.yaml") == params


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_survives_that_dvc_writes_it_anew(tmp_path: Path, name: str) -> None:
    """As `dvc exp run --set-param` does: in YAML 1.2, where `off` needs no quotes."""
    params, file = compose(load_preset(name).params), tmp_path / "params.yaml"
    write_params(params, file)
    apply_overrides(file, ["stabilize.keypoints=300"])
    read = read_params(file)
    assert read.stabilize.keypoints == 300
    assert read.model_copy(update={"stabilize": params.stabilize}) == params
    assert read.stabilize.local == params.stabilize.local


@settings(max_examples=15)  # 0.1 s each
@given(
    rate=st.floats(1e-9, 1.0),
    splits=st.dictionaries(st.text(min_size=1), st.sampled_from(["train", "val", "test"])),
    root=st.text(min_size=1),
)
def test_any_value_survives(rate: float, splits: dict[str, str], root: str) -> None:
    params = compose(
        {"train_model": {"learning_rate": rate}, "prepare_data": {"splits": splits, "root": root}}
    )
    assert Params.model_validate(yaml.safe_load(render_params(params))) == params


def _keys(kind: type[Section], values: dict[str, object], path: str = "") -> list[str]:
    missing = []
    for name, field in kind.model_fields.items():
        if name not in values:
            missing.append(f"{path}{name}")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            missing += _keys(field.annotation, values[name], f"{path}{name}.")
    return missing


def test_every_key_and_description_is_there() -> None:
    text = render_params(DEMO)
    assert _keys(Params, yaml.safe_load(text)) == []
    words = " ".join(text.replace("#", " ").split())
    for section in Params.model_fields:
        for field in type(getattr(DEMO, section)).model_fields.values():
            assert (field.description or "") in words


def test_lines_fit_a_screen() -> None:
    values = [line for line in render_params(DEMO).splitlines() if not line.strip().startswith("#")]
    assert max(map(len, values)) <= 100
    assert not [line for line in values if line != line.rstrip()]


@pytest.mark.parametrize(
    ("edit", "by_hand"),
    [
        (lambda text: text, False),
        (lambda text: text + "# a note\n", False),
        (lambda text: text.replace("stride: 1", "stride: 2"), True),
        (lambda text: text.partition("\n")[2], True),
        (lambda text: text + "train_model: [", True),
    ],
    ids=["untouched", "comment", "value", "no digest", "broken"],
)
def test_changes_by_hand_are_told_and_kept(tmp_path: Path, edit: object, by_hand: bool) -> None:
    path = tmp_path / "params.yaml"
    write_params(DEMO, path)
    edited = edit(path.read_text())  # type: ignore[operator]
    path.write_text(edited)
    other = compose({"prepare_data": {"name": "other"}})
    assert changed_by_hand(path) is by_hand
    if by_hand:
        with pytest.raises(BackdropError, match=r"changed by hand.*--reset-params"):
            write_params(other, path)
        assert path.read_text() == edited
    write_params(other, path, force=by_hand)
    assert read_params(path) == other


def test_the_same_values_are_no_conflict(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(DEMO.model_dump(mode="json")))
    assert changed_by_hand(path)
    write_params(DEMO, path)
    assert not changed_by_hand(path)


def test_the_digest_depends_on_values_alone() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_and_say_what_they_are_for(name: str) -> None:
    preset = load_preset(name)
    assert preset.about
    assert compose(preset.params) != Params()


def test_the_presets_are_those_promised() -> None:
    assert preset_names() == [
        *("davis2016", "davis2016-cpu", "demo"),
        *("moving-camera", "paper", "static-camera"),
    ]


def test_an_unknown_preset_suggests_one() -> None:
    with pytest.raises(BackdropError, match="did you mean 'static-camera'"):
        load_preset("static")


def test_a_bad_layer_is_one_line() -> None:
    with pytest.raises(BackdropError, match=r"extract_frames\.stride"):
        compose({"extract_frames": {"stride": 0}})


def test_the_checked_in_params_are_the_demo() -> None:
    """Unless this clone was set to other data, or tuned by hand."""
    path = REPOSITORY / "params.yaml"
    if changed_by_hand(path) or read_params(path).prepare_data.name != DEMO.prepare_data.name:
        return
    assert path.read_text() == render_params(DEMO), "run `backdrop init --preset demo`"
