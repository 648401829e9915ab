"""What the report says of a run follows from its numbers alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from helpers_report import make_metrics
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reporting.curves import training_charts
from pipeline.reporting.inputs import in_order
from pipeline.reporting.numbers import bars, table, tiles
from pipeline.reporting.panels import choose_frames
from pipeline.reporting.verdict import judge


@pytest.mark.parametrize(
    ("changed", "tone", "words"),
    [
        ({}, "good", "clearly beats"),
        ({"J_no_crf": 0.50}, "mixed", "not by much"),
        ({"J_blob": 0.70}, "mixed", "only before CRF"),
        ({"J_no_crf": 0.40}, "mixed", "only after CRF"),
        ({"J_no_crf": 0.40, "J": 0.50}, "bad", "boxes only"),
    ],
)
def test_the_verdict_compares_with_the_blob(
    changed: dict[str, float], tone: str, words: str
) -> None:
    verdict = judge(make_metrics(**changed), tuned=True)
    assert verdict.tone == tone
    assert words in verdict.headline


def test_a_margin_is_clear_from_eight_hundredths_of_j_on() -> None:
    assert judge(make_metrics(J_no_crf=0.56, J_blob_no_crf=0.47), tuned=True).tone == "good"
    assert judge(make_metrics(J_no_crf=0.54, J_blob_no_crf=0.47), tuned=True).tone == "mixed"


def test_a_margin_over_a_control_that_nothing_tuned_is_not_called_clear() -> None:
    verdict = judge(make_metrics(), tuned=False)
    assert verdict.tone == "mixed"
    assert "nothing could tune" in verdict.headline
    worse = make_metrics(J_no_crf=0.40, J=0.50)
    assert judge(worse, tuned=False) == judge(worse, tuned=True)


def test_a_collapse_outweighs_good_numbers_and_missing_ones() -> None:
    for truth in (True, False):
        verdict = judge(make_metrics(truth=truth, collapsed="boxes do not move"), tuned=True)
        assert verdict.tone == "bad"
        assert verdict.detail == "Boxes do not move."


def test_truth_of_other_splits_than_test_is_not_called_none() -> None:
    metrics = make_metrics(truth=False)
    metrics["val"] |= {"J": 0.7, "F": 0.7}
    assert "No ground truth for test videos" in judge(metrics, tuned=True).headline
    assert "0.70" in judge(metrics, tuned=True).detail
    metrics["test_unseen"] = make_metrics()["test_unseen"]
    assert judge(metrics, tuned=True).tone == "good"
    assert "J of test_unseen" in judge(metrics, tuned=True).detail


def test_null_is_told_in_words() -> None:
    metrics = make_metrics(truth=False)
    assert judge(metrics, tuned=True).tone == "unknown"
    values = [tile.value for tile in tiles(metrics)]
    assert values == ["no ground truth", "12.5%", "6.0%", "20.0%", "2.0 px", "0.65", "0.55"]
    assert bars(metrics) == []
    rows = [row for group in table(metrics) for row in group.rows]
    assert [row.label for row in rows] == ["J", "frames", "with an empty mask"]
    assert [cell.text for cell in rows[0].cells] == ["no ground truth"] * 3


def test_what_cannot_be_known_even_without_ground_truth_is_a_dash() -> None:
    metrics = make_metrics(truth=False)
    metrics["health"] |= {"mask_area_jitter": None, "box_jump_px": None, "motion_overlap": None}
    assert [tile.value for tile in tiles(metrics)[3:]] == ["-", "- px", "0.65", "-"]


def test_without_truth_what_moves_is_a_hint() -> None:
    metrics = make_metrics(truth=False)
    sound = judge(metrics, tuned=True)
    assert sound.tone == "unknown"
    assert "overlap by 0.55" in sound.detail
    assert "do not reach 1" in sound.detail
    metrics["health"]["motion_overlap"] = 0.03
    failed = judge(metrics, tuned=True)
    assert failed.tone == "bad"
    assert failed.headline == "The masks lie elsewhere than what moves."
    assert "overlap by 0.03" in failed.detail
    metrics["health"]["motion_overlap"] = None
    silent = judge(metrics, tuned=True)
    assert silent.tone == "unknown"
    assert "Nothing of a subject's size moves" in silent.detail
    assert len({verdict.headline for verdict in (sound, failed, silent)}) == 3


def test_a_hint_does_not_overrule_the_truth_of_validation_videos() -> None:
    metrics = make_metrics(truth=False)
    metrics["val"]["J"] = 0.7
    metrics["health"]["motion_overlap"] = 0.03
    verdict = judge(metrics, tuned=True)
    assert verdict.tone == "unknown"
    assert "J of validation is 0.70" in verdict.detail
    assert "overlap by 0.03" in verdict.detail


def test_a_verdict_on_few_frames_says_so() -> None:
    metrics = make_metrics()
    assert "have ground truth" not in judge(metrics, tuned=True).detail
    metrics["test"]["scored_frames"] = 2
    assert "Only 2 of 6 frames have ground truth." in judge(metrics, tuned=True).detail


@pytest.mark.parametrize("tuned", [True, False])
def test_a_verdict_does_not_hide_that_motion_alone_does_better(tuned: bool) -> None:
    better = judge(make_metrics(J_flow_threshold=0.93), tuned=tuned)
    assert "flow threshold, without any network: 0.93, more than the mask." in better.detail
    assert "flow threshold" not in judge(make_metrics(J_flow_threshold=0.1), tuned=tuned).detail
    assert "flow threshold" not in judge(make_metrics(J_flow_threshold=None), tuned=tuned).detail


def test_with_truth_what_moves_says_nothing() -> None:
    metrics = make_metrics()
    before = judge(metrics, tuned=True)
    metrics["health"]["motion_overlap"] = 0.0
    assert judge(metrics, tuned=True) == before


def test_j_where_there_is_a_subject_is_shown_beside_frames_without_one() -> None:
    metrics = make_metrics(J_subject=0.512)
    assert "J of the frames with a subject" not in [row.label for row in table(metrics)[0].rows]
    metrics["test"]["empty_correct"] = 0.25
    rows = {row.label: row for row in table(metrics)[0].rows}
    subject = rows["J of the frames with a subject"].cells
    assert [cell.text for cell in subject] == ["", "0.512", "0.512"]
    others = rows["share of the others with an empty mask"].cells
    assert [cell.text for cell in others] == ["", "0.250", "-"]


def test_a_split_without_videos_is_told_apart_from_one_without_truth() -> None:
    metrics = make_metrics()
    metrics["test_unseen"] = dict.fromkeys(metrics["test"]) | {"frames": 0, "empty_frames": 0}
    metrics["val"] = {"J": None, "F": None, "frames": 0}
    J = table(metrics)[0].rows[0]
    assert [cell.text for cell in J.cells] == ["no videos", "0.640", "no videos"]
    metrics["val"]["frames"] = 6
    assert table(metrics)[0].rows[0].cells[0].text == "no ground truth"


def test_what_frames_without_a_subject_cannot_tell_is_not_called_missing_truth() -> None:
    shown = {tile.label: tile.value for tile in tiles(make_metrics(J=1.0, hit=None, mAP50=None))}
    assert (shown["Test J"], shown["Hit rate"]) == ("1.00", "no subject")
    assert shown["Detection mAP50"] == "no subject"


def test_bars_are_as_long_as_their_numbers() -> None:
    lengths = {bar.label: float(bar.percent) for bar in bars(make_metrics())}
    assert lengths["mask + CRF"] == pytest.approx(64)
    assert lengths["blob"] == pytest.approx(47)


def test_self_training_stands_beside_what_it_learnt_from() -> None:
    metrics = make_metrics() | {"without_self_train": make_metrics(J=0.51, J_no_crf=0.42)}
    assert [group.title for group in table(metrics)][:4] == [
        "Mask",
        "Mask without self-training",
        "Boxes",
        "Boxes without self-training",
    ]
    assert table(metrics)[1].rows[0].cells[1].text == "0.510"
    lengths = {bar.label: float(bar.percent) for bar in bars(metrics)}
    assert lengths["mask + CRF"] == pytest.approx(64)
    assert lengths["mask + CRF, no self-training"] == pytest.approx(51)
    assert lengths["mask, no self-training"] == pytest.approx(42)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_frames_are_spread_and_the_least_sure_is_there(count: int) -> None:
    confidence = [0.9] * 40
    confidence[37] = 0.1
    chosen = choose_frames(confidence, count)
    spread = [frame for frame in chosen if frame != 37]
    assert 37 in chosen
    assert len(chosen) in (count, count + 1)
    assert chosen == sorted(set(chosen))
    assert max([b - a for a, b in pairwise(spread)], default=0) <= 80 / count


@given(
    total=st.integers(1, 60),
    count=st.integers(1, 12),
    data=st.data(),
)
def test_frames_with_truth_are_shown_wherever_a_part_of_the_video_has_some(
    total: int, count: int, data: st.DataObject
) -> None:
    labelled = data.draw(st.sets(st.integers(0, total - 1)))
    confidence = [0.1, *[0.9] * (total - 1)]
    chosen = set(choose_frames(confidence, count, sorted(labelled)))
    assert 0 in chosen
    assert chosen <= set(range(total))
    assert len(chosen) <= count + 1
    assert bool(chosen & labelled) >= bool(labelled)
    if total >= 2 * count:  # else the middle of a part may lie before it
        parts = {frame * count // total for frame in labelled}
        assert parts <= {frame * count // total for frame in chosen & labelled}
    whole = choose_frames(confidence, count, range(total))
    assert whole == choose_frames(confidence, count)  # all alike: as if there were none


def test_a_video_shorter_than_the_panels_shows_each_frame_once() -> None:
    assert choose_frames([0.5, 0.4], 4) == [0, 1]


def test_curves_are_read_as_dvclive_writes_them(tmp_path: Path) -> None:
    metrics = tmp_path / "train_model" / "plots" / "metrics"
    (metrics / "loss").mkdir(parents=True)
    (metrics / "loss" / "total.tsv").write_text("step\ttotal\n0\t1.0\n1\t0.5\n")
    (metrics / "broken.tsv").write_text("step\tbroken\n0\tnan\n")
    charts = training_charts(tmp_path)
    assert list(charts) == ["train_model"]
    assert [chart.title for chart in charts["train_model"]] == ["loss/total"]
    assert training_charts(tmp_path / "nowhere") == {}


def test_videos_stand_by_split_and_then_by_name_even_if_that_is_a_splits() -> None:
    videos = ["val", "apple", "test", "zoo"]
    splits = ["train_test", "train_test", "train_test", "test"]
    ordered = in_order(pd.DataFrame({"video": videos, "split": splits}))
    assert ordered.to_dict("list") == {
        "video": ["zoo", "apple", "test", "val"],
        "split": ["test", "train_test", "train_test", "train_test"],
    }
