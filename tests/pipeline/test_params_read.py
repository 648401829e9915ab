from __future__ import annotations

import pytest
from dvc.utils.serialize import parse_yaml

from pipeline.errors import BackdropError
from pipeline.params.data import Stabilize
from pipeline.params.read import SECTIONS, load_section
from pipeline.params.schema import Params, read_params
from pipeline.params.training import Inpainter, TrainModel
from pipeline.params.write import changed_by_hand


@pytest.fixture
def params(tmp_path):
    def write(text: str):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trian_model: {}", "trian_model: is not a known param — did you mean 'train_model'?"),
        (
            "train_model:\n  detector: {scale_mim: 0.3}",
            "train_model.detector.scale_mim: is not a known param — did you mean 'scale_min'?",
        ),
        (
            "calibrate:\n  crf:\n  - {smoth_px: 1}",
            "calibrate.crf.0.smoth_px: is not a known param — did you mean 'smooth_px'?",
        ),
        (
            "stabilize: {gap: 0}",
            "stabilize.gap: input should be greater than or equal to 1 (found 0)",
        ),
        ("stabilize: {gap: two}", "stabilize.gap: input should be a valid integer"),
        ("network: {height: 70}", "network.height: input should be a multiple of 8 (found 70)"),
        (
            "train_model: {sampling: {epsilon: 0.02}}",
            "train_model: sampling.epsilon times 64 cells must stay below 1 (Eq. 6)",
        ),
        (
            "train_inpainter: {rgb: {hole_min: 0.6}}",
            "train_inpainter.rgb: hole_min must not exceed hole_max",
        ),
        (
            "calibrate: {blob_scales: [0.5, 0]}",
            "calibrate.blob_scales.1: input should be greater than 0 (found 0)",
        ),
        (
            "calibrate: {crf: [{floor: 0.3}]}",
            "calibrate: crf.floor 0.3 must lie below default_threshold_crf",
        ),
        ("calibrate: {blob_scales: [.nan]}", "calibrate.blob_scales.0: input should be"),
        (
            "train_model: {loss: {flow: .inf}}",
            "train_model.loss.flow: input should be a finite number (found inf)",
        ),
        ("extract_frames: {store: tiff}", "extract_frames.store: input should be 'raw' or 'jpeg'"),
        ("- a list", "must be a mapping of sections"),
        ("stabilize: {gap: 1", "is not valid YAML"),
    ],
)
def test_every_mistake_is_one_line_with_the_key(params, text, line):
    with pytest.raises(BackdropError) as caught:
        read_params(params(text))
    assert line in str(caught.value)
    assert "params.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_encoding_is_told_with_the_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes("stabilize:\n  gap: 1  # Stra\xdfe".encode("latin-1"))
    with pytest.raises(BackdropError, match=r"params\.yaml:2: is not UTF-8"):
        read_params(path)
    assert changed_by_hand(path)


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(BackdropError, match="backdrop init"):
        read_params(tmp_path / "params.yaml")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(BackdropError, match=r"cannot be read \(Is a directory\) — check"):
        read_params(tmp_path)


def test_what_is_not_given_takes_its_default(params):
    path = params("train_inpainter: {rgb: {iterations: 7}}")
    assert load_section(Inpainter, "train_inpainter.rgb", path).iterations == 7
    assert load_section(Inpainter, "train_inpainter.flow", path) == Inpainter()
    assert load_section(TrainModel, "train_model", path) == TrainModel()


def test_a_stage_does_not_mind_another_stages_mistake(params):
    path = params("stabilize: {gap: 0}\ntrain_model: {iterations: 3}")
    assert load_section(TrainModel, "train_model", path).iterations == 3
    with pytest.raises(BackdropError, match=r"train_inpainter\.rgb\.holes"):
        load_section(Inpainter, "train_inpainter.rgb", params("train_inpainter: {rgb: {holes: 0}}"))


def test_the_sections_are_those_of_the_whole_file():
    assert list(Params.model_fields) == list(SECTIONS)


def test_a_stage_minds_a_section_that_there_is_not(params):
    path = params("trian_model: {iterations: 3}\nstabilize: {gap: 1}")
    with pytest.raises(BackdropError, match="trian_model: is not a known param — did you mean"):
        load_section(Stabilize, "stabilize", path)


def test_a_split_by_number_or_date_is_one_by_name(params):
    path = params("prepare_data: {splits: {12: val, clip: test, 2026-11-26: val}}")
    assert changed_by_hand(path)
    splits = read_params(path).prepare_data.splits
    assert splits == {"12": "val", "clip": "test", "2026-11-26": "val"}


def test_words_that_older_yaml_takes_for_truth_are_words(params):
    path = params(
        "{prepare_data: {splits: {yes: val}}, stabilize: {local: off}, self_train: {enabled: no}}"
    )
    read = read_params(path)
    assert read.prepare_data.splits == {"yes": "val"}
    assert read.stabilize.local == "off"
    assert not read.self_train.enabled


@pytest.mark.parametrize("name", ["true", "1.50", "null"])
def test_a_split_whose_name_is_lost_on_yaml_asks_for_quotes(params, name):
    with pytest.raises(BackdropError, match=r"prepare_data\.splits: .*put that name in quotes"):
        read_params(params(f"prepare_data: {{splits: {{{name}: val}}}}"))
    quoted = read_params(params(f"prepare_data: {{splits: {{'{name}': val}}}}"))
    assert quoted.prepare_data.splits == {name: "val"}


@pytest.mark.parametrize(
    ("crop", "told"),
    [
        ("[0.5, 0, 0.6, 1]", r"left \+ width is 1\.1"),
        ("[0, 0.3, 1, 0.8]", r"top \+ height is 1\.1"),
    ],
)
def test_a_crop_that_ends_outside_the_frame(params, crop, told):
    with pytest.raises(
        BackdropError, match=rf"extract_frames\.crop: {told}: the crop ends outside"
    ):
        read_params(params(f"extract_frames: {{crop: {crop}}}"))


@pytest.mark.parametrize("crop", ["[0, 0, 1, 1]", "[0.7, 0.9, 0.3, 0.1]", "[0.35, 0, 0.65, 0.5]"])
def test_a_crop_up_to_the_edge_is_one(params, crop):
    assert read_params(params(f"extract_frames: {{crop: {crop}}}")).extract_frames.crop


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("stabilize:\n  gap: 1\n  gap: 2", "3: is not valid YAML (the key 'gap' is in line 2 alre"),
        ("compute: {}\nstabilize: {}\ncompute: {}", "3: is not valid YAML (the key 'compute' is"),
        ("prepare_data: {splits: {1: val, 01: test}}", "(the key '01' is in line 1 already)"),
        (
            "stabilize:\n  gap: 2020-99-99",
            "2: is not valid YAML (a value cannot be read as the date",
        ),
        (
            "prepare_data: {splits: {2020-99-99: val}}",
            "1: is not valid YAML (a value cannot be read",
        ),
        ("\nstabilize: {gap: " + 5000 * "1" + "}", "2: is not valid YAML (a value cannot be read"),
    ],
)
def test_what_dvc_refuses_is_one_line_with_its_number(params, text, line):
    path = params(text)
    with pytest.raises(BackdropError) as caught:
        read_params(path)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(Exception, match=r"corrupted|must be in|Exceeds|recursion"):
        parse_yaml(text, str(path))


def test_what_is_nested_too_deep_is_one_line(params):
    with pytest.raises(BackdropError, match=r"is not valid YAML \(it is nested too deep\)"):
        read_params(params("stabilize: {gap: " + 3000 * "[" + 3000 * "]" + "}"))


@pytest.mark.parametrize("value", ["1:30", "1:30.5", "2020-01-02"])
def test_what_older_yaml_takes_for_a_time_is_text(params, value):
    with pytest.raises(BackdropError, match=f"gap: input should be a valid integer.*'{value}'"):
        read_params(params(f"stabilize: {{gap: {value}}}"))
    assert read_params(params(f"prepare_data: {{root: {value}}}")).prepare_data.root == value


def test_keys_that_an_anchor_brings_may_be_given_anew(params):
    path = params("train_inpainter: {rgb: &rgb {holes: 2}, flow: {<<: *rgb, holes: 3}}")
    assert read_params(path).train_inpainter.flow.holes == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extract_frames: {crop: [0.1, 0, 0, 1]}", "crop: width is 0, which leaves nothing"),
        ("prepare_data: {splits: {1.5: val}}", "splits: YAML reads a name in it as 1.5"),
        ("train_model: {loss: {pixel: 0, perceptual: 0}}", "O would say nothing"),
    ],
)
def test_values_that_say_nothing_are_refused(params, text, told):
    with pytest.raises(BackdropError, match=told):
        read_params(params(text))
