"""The ablations as data: they are the paper's, valid params, and have names that git takes."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.ablations.experiments import Request, experiment_name, parse_seeds, plan
from pipeline.ablations.settings import Setting, Table, choose, only_rows, read_tables
from pipeline.errors import BackdropError
from pipeline.params.overrides import parse_overrides
from pipeline.params.preset import compose, load_preset

TABLES = read_tables()
DEMO = compose(load_preset("demo").params).model_dump(mode="json")

# Typed off the paper's page, and not from our file: scale_min, scale_max, lambda, J, F.
TABLE_4 = """
0.1 0.5 0.0005 .55 .55 | 0.1 0.5 0.001 .57 .62 | 0.1 0.5 0.005 .54 .56
0.2 0.5 0.0005 .61 .70 | 0.2 0.5 0.001 .60 .65 | 0.2 0.5 0.005 .61 .67
0.3 0.5 0.0005 .57 .64 | 0.3 0.5 0.001 .57 .64 | 0.3 0.5 0.005 .57 .63
0.2 0.6 0.0005 .61 .69 | 0.2 0.6 0.001 .61 .68 | 0.2 0.6 0.005 .62 .68
0.2 0.7 0.0005 .62 .67 | 0.2 0.7 0.001 .59 .66 | 0.2 0.7 0.005 .62 .65
0.2 0.8 0.0005 .61 .68 | 0.2 0.8 0.001 .67 .73 | 0.2 0.8 0.005 .61 .66
"""


@pytest.mark.parametrize("preset", ["demo", "paper", "davis2016", "static-camera"])
def test_every_setting_is_valid_on_top_of_a_preset(preset: str) -> None:
    base = compose(load_preset(preset).params).model_dump(mode="json")
    experiments = plan(TABLES, Request(seeds=(0, 1), checkpoint=Path("weights.pth")), base)
    assert len(experiments) == 2 * sum(len(table.settings) for table in TABLES.values())


def test_table_4_is_the_papers() -> None:
    wanted = [tuple(map(float, row.split())) for row in TABLE_4.replace("\n", "|").split("|")]
    experiments = plan(choose(TABLES, ["4"]), Request(), DEMO)
    found = []
    for one in experiments:
        model = one.params.train_model
        assert model.loss.flow == 0.0
        assert model.loss.mask_prior == "v"
        ours = (model.detector.scale_min, model.detector.scale_max, model.loss.mask_prior_lambda)
        found.append((*ours, one.setting.paper["J"], one.setting.paper["F"]))
    assert found == [row for row in wanted if row]
    assert len(found) == 18


def test_table_3_varies_prior_and_pre_training_without_flow() -> None:
    table = plan(choose(TABLES, ["3"]), Request(), DEMO)
    assert all(one.params.train_model.loss.flow == 0.0 for one in table)
    priors = {one.params.train_model.loss.mask_prior: one.setting.paper for one in table[:4]}
    assert priors == {
        "none": {"J": 0.51, "F": 0.53},
        "l2": {"J": 0.61, "F": 0.69},
        "l1": {"J": 0.62, "F": 0.69},
        "v": {"J": 0.67, "F": 0.73},
    }


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["fig10-f-ours"], {"fig10": ["fig10-f-ours"]}),
        (["fig10-[ab]*", "fig10-a*"], {"fig10": ["fig10-a-uniform", "fig10-b-joint"]}),
        (["*-l2", "ours-flow"], {"table3": ["table3-l2"], "ours": ["ours-flow"]}),
    ],
)
def test_rows_by_name_or_pattern(patterns: list[str], wanted: dict[str, list[str]]) -> None:
    chosen = only_rows(TABLES, patterns)
    assert {name: [one.name for one in t.settings] for name, t in chosen.items()} == wanted
    for name, table in chosen.items():
        assert (table.common, table.fixed) == (TABLES[name].common, TABLES[name].fixed)
        assert all(setting in TABLES[name].settings for setting in table.settings)
    assert only_rows(TABLES, ["*"]) == TABLES


def test_a_row_that_is_not_there_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(BackdropError, match="did you mean 'fig10-f-ours'"):
        only_rows(TABLES, ["table3-*", "fig10-ours"])
    with pytest.raises(BackdropError, match="no setting 'fig10-f-ours' in table3 "):
        only_rows(choose(TABLES, ["3"]), ["fig10-f-ours"])


def test_names_are_unique_and_git_takes_them_for_refs() -> None:
    names = [one.name for one in plan(TABLES, Request((0, 12), label="wide"), DEMO)]
    assert len(set(names)) == len(names)
    for name in names:
        subprocess.run(["git", "check-ref-format", f"refs/exps/ab/cd/{name}"], check=True)
    assert "table4-b0.2-0.8-l0.001-s12-wide" in names


def test_settings_of_one_table_differ_in_params() -> None:
    """Two rows alike would be one row measured twice."""
    for name, table in TABLES.items():
        experiments = plan({name: table}, Request(), DEMO)
        dumped = [one.params.model_dump_json() for one in experiments]
        assert len(set(dumped)) == len(dumped)


@pytest.mark.parametrize("name", ["table3", "table4", "fig10"])
def test_what_a_table_varies_is_the_same_whatever_params_yaml_says(name: str) -> None:
    """Every varied param, read off two bases that differ in all of them, row by row."""
    hostile = copy.deepcopy(DEMO)
    hostile["train_model"] |= {
        "objective": "joint",
        "proposals": "direct",
        "encoder": "resnet18",
        "encoder_weights": "random",
    }
    hostile["train_model"]["sampling"] |= {"method": "uniform", "temperature": 3.0}
    hostile["train_model"]["loss"] |= {"mask_prior": "l1", "mask_prior_lambda": 0.5, "flow": 7.0}
    hostile["train_model"]["detector"] |= {"scale_min": 0.05, "scale_max": 0.95}
    table = {name: TABLES[name]}
    varied = {key for setting in table[name].settings for key in setting.params}
    rows = [
        [[flat(one.params.model_dump())[key] for key in sorted(varied)] for one in planned]
        for planned in (plan(table, Request(), DEMO), plan(table, Request(), hostile))
    ]
    if name == "fig10":  # nothing but Gumbel-softmax reads the temperature
        at = sorted(varied).index("train_model.sampling.temperature")
        rows = [[row[:at] + row[at + 1 :] for row in planned] for planned in rows]
    assert rows[0] == rows[1]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {}
        found |= inner or {prefix + key: value}
    return found


def test_a_row_with_flow_is_refused_where_flow_weighs_nothing() -> None:
    base = copy.deepcopy(DEMO)
    base["train_model"]["loss"]["flow"] = 0.0
    with pytest.raises(BackdropError, match=r"loss\.flow: is 0, and ours-flow is about it"):
        plan(choose(TABLES, ["ours"]), Request(), base)
    sets = parse_overrides(["train_model.loss.flow=0.5"])
    rows = plan(choose(TABLES, ["ours"]), Request(sets=sets), base)
    assert [one.params.train_model.loss.flow for one in rows] == [0.0, 0.5, 0.5]


def test_set_goes_before_common_and_after_the_settings_own() -> None:
    tables = {
        "t": Table(
            about="t",
            common={"train_model.loss.flow": 0.0},
            settings=(
                Setting(name="t-a", row="a", params={"train_model.loss.flow": 2.0}),
                Setting(name="t-b", row="b", params={}),
            ),
        )
    }
    sets = parse_overrides(["train_model.loss.flow=1e-1"])
    first, second = plan(tables, Request((3,), sets), DEMO)
    assert first.params.train_model.loss.flow == 2.0
    assert second.params.train_model.loss.flow == 0.1
    assert second.changes == {"train_model.loss.flow": 0.1, "compute.seed": 3}
    assert second.overrides() == ["++train_model.loss.flow=0.1", "++compute.seed=3"]


def test_a_setting_that_needs_a_checkpoint_waits_for_one() -> None:
    key = "compute_flow.weights"  # any param that takes a file
    table = Table(about="t", settings=(Setting(name="t-a", row="a", params={}, checkpoint=key),))
    assert plan({"t": table}, Request(), DEMO) == []
    (one,) = plan({"t": table}, Request(checkpoint=Path("dino.pth")), DEMO)
    assert one.params.compute_flow.weights == "dino.pth"


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        (["train_model.iteratons=3"], "is not a known param — did you mean 'iterations'?"),
        (["train_model.iterations=0"], "train_model.iterations: input should be greater than"),
        (["train_model.iterations.x=0"], "iterations of train_model.iterations.x is a value"),
        (["iterations"], "--set: 'iterations' is not SECTION.KEY=VALUE"),
        (["a.b=["], "--set: the value of 'a.b=[' is not YAML"),
        (["compute.seed=4"], "--set: compute.seed is what --seeds sets"),
        (["train_model.detector.scale_max=0.5"], "is what table4 varies"),
        (["train_model.loss.flow=1.0"], "is what table4 stands on"),
        (["self_train.enabled=true"], "is what ours stands on"),
    ],
)
def test_a_bad_set_is_one_line(sets: list[str], line: str) -> None:
    with pytest.raises(BackdropError) as caught:
        plan(choose(TABLES, ["4", "ours"]), Request(sets=parse_overrides(sets)), DEMO)
    assert line in str(caught.value)


def test_seeds_labels_and_tables_as_typed() -> None:
    assert parse_seeds("0, 7") == (0, 7)
    for text in ("", "1,1", "a", "-1", "0.5"):
        with pytest.raises(BackdropError, match="different seeds"):
            parse_seeds(text)
    with pytest.raises(BackdropError, match="--label"):
        plan(TABLES, Request(label="No Way"), DEMO)
    assert list(choose(TABLES, ["all"])) == list(TABLES)
    assert list(choose(TABLES, ["fig10", "3"])) == ["table3", "fig10"]
    with pytest.raises(BackdropError, match=r"compute\.seed: input should be less than"):
        plan(choose(TABLES, ["ours"]), Request(seeds=(10**20,)), DEMO)
    with pytest.raises(BackdropError, match="did you mean 'fig10'"):
        choose(TABLES, ["fig1"])
    assert experiment_name("a", 1, "") == "a-s1"
