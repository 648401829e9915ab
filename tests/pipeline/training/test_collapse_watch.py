"""Every kind of collapse on a made-up trail, and what must not be taken for one."""

from __future__ import annotations

import pytest

from pipeline.training.collapse_watch import GRACE, SUSTAINED, CollapseError, CollapseWatch

SOUND = {
    "entropy": 0.3, "information": 0.5, "box_side": 0.3, "box_way": 0.4, "at_limit": 0.1,
    "mask_area": 0.03, "mask_fill": 0.4, "density": 2.0, "agreement": 0.4, "score": 0.4,
}  # fmt: skip
WARMUP, ITERATIONS = 100, 1100
JUDGED = int(WARMUP + GRACE * (ITERATIONS - WARMUP))

SICK = {
    "prefers no cell": {"entropy": 0.99, "information": 0.0},
    "100% of the boxes are at a limit": {"at_limit": 1.0},
    "S masks nothing": {"mask_fill": 0.001, "mask_area": 0.0},
    "S masks all of its window": {"mask_fill": 0.995},
    "the boxes of all frames lie within 0.5%": {"box_way": 0.005, "information": 0.0},
}


def trail(*looks: dict[str, float], first: int = JUDGED + 50) -> list[dict[str, float]]:
    return [{**SOUND, **look, "iteration": first + 50 * i} for i, look in enumerate(looks)]


def judge(looks, consequence="stop", subject_moves=True):
    CollapseWatch("train_model", WARMUP, ITERATIONS, subject_moves, consequence)(looks)


@pytest.mark.parametrize("words", SICK)
def test_a_sustained_collapse_stops_in_words(words):
    sick = SICK[words]
    judge(trail({}, {}, *[sick] * (SUSTAINED - 1)))
    with pytest.raises(CollapseError, match=rf"^train_model: COLLAPSE at iteration \d+: .*{words}"):
        judge(trail({}, {}, *[sick] * SUSTAINED))


@pytest.mark.parametrize("words", SICK)
def test_nothing_is_judged_in_the_grace_period(words):
    judge(trail(*[SICK[words]] * SUSTAINED, first=0))
    judge(trail(*[SICK[words]] * SUSTAINED, first=JUDGED - 50))


@pytest.mark.parametrize("words", SICK)
def test_one_sound_look_between_saves_it(words):
    judge(trail(*[SICK[words]] * (SUSTAINED - 1), {}, *[SICK[words]] * (SUSTAINED - 1)))


def test_kinds_in_turn_are_not_one_sustained_kind():
    judge(trail({"entropy": 1.0}, {"mask_fill": 0.0}, {"entropy": 1.0}, {"mask_fill": 0.0}))


def test_a_sound_run_is_not_stopped():
    judge(trail(*[{}] * 30, first=0))


def test_a_subject_held_in_the_middle_by_the_camera_is_no_collapse():
    still = {"box_way": 0.001, "information": 0.0}
    judge(trail(*[still] * 9), subject_moves=False)


def test_one_cell_whose_box_follows_the_subject_is_no_collapse():
    judge(trail(*[{"information": 0.0, "entropy": 0.0}] * 9))


def test_two_kinds_are_both_told_with_a_remedy():
    with pytest.raises(CollapseError) as caught:
        judge(trail(*[{"at_limit": 1.0, "mask_fill": 1.0}] * SUSTAINED))
    assert "at a limit" in str(caught.value)
    assert "all of its window" in str(caught.value)
    assert "scale_max" in caught.value.remedy
    assert "train_model.restarts" in caught.value.remedy


def test_warn_says_it_once_and_trains_on(caplog):
    looks = trail(*[SICK["S masks nothing"]] * 6)
    with caplog.at_level("WARNING", "backdrop"):
        for length in range(1, 7):
            judge(looks[:length], "warn")
    assert caplog.text.count("COLLAPSE") == 1
