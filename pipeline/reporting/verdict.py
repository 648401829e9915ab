"""The run judged in a sentence: is the mask worth more than a blob in the box?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

CLEAR_MARGIN = 0.08  # of J before CRF, mask over blob; smaller ones are near the noise of a seed

Tone = Literal["good", "mixed", "bad", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """A headline, and a sentence or two that give its numbers."""

    tone: Tone
    headline: str
    detail: str


def judge(metrics: dict[str, Any], *, tuned: bool) -> Verdict:
    """Judge a run by metrics.json; a collapse outweighs everything else.

    Args:
        tuned: whether anything chose the control's form; one that nothing did proves little.
    """
    if metrics["health"]["collapsed"]:
        return Verdict("bad", "The run collapsed.", _sentence(metrics["health"]["why"]))
    for split in ("test", "test_unseen"):
        if metrics[split]["J"] is not None:
            return _against_blob(metrics[split], split, tuned=tuned)
    by_eye = (
        "The masks did not collapse. Judge the panels by eye; area, empty frames, confidence and "
        "the movement of the box are in the table of videos."
    )
    if metrics["val"]["J"] is not None:
        return Verdict(
            "unknown",
            "No ground truth for test videos: the validation videos' chose the thresholds.",
            f"J of validation is {metrics['val']['J']:.2f}, and flatters. {by_eye}",
        )
    return Verdict(
        "unknown", "No ground truth: nothing here says whether the masks are right.", by_eye
    )


def _against_blob(values: dict[str, Any], split: str, *, tuned: bool) -> Verdict:
    """Compare with the control: a soft ellipse in the same box, under its own best CRF."""
    raw = values["J_no_crf"] - values["J_blob_no_crf"]
    refined = values["J"] - values["J_blob"]
    numbers = (
        f"J of {split} before CRF: mask {values['J_no_crf']:.2f}, "
        f"blob {values['J_blob_no_crf']:.2f}; after CRF: mask {values['J']:.2f}, "
        f"blob {values['J_blob']:.2f}."
    )
    if raw >= CLEAR_MARGIN and refined >= 0 and tuned:
        return Verdict("good", "The mask clearly beats the blob control.", numbers + _found(values))
    if raw >= CLEAR_MARGIN and refined >= 0:
        headline = "The mask beats the blob control, but nothing could tune that control."
    elif raw > 0 and refined >= 0:
        headline = "The mask beats the blob control, but not by much."
    elif raw > 0:
        headline = "The mask beats the blob control only before CRF."
    elif refined > 0:
        headline = "The mask beats the blob control only after CRF."
    else:
        return Verdict(
            "bad",
            "The mask does not beat the blob control: the model has learnt boxes only.",
            numbers + _found(values),
        )
    return Verdict("mixed", headline, numbers + _found(values))


def _found(values: dict[str, Any]) -> str:
    hit = values["hit"]
    return "" if hit is None else f" The box hits the subject in {hit:.0%} of frames."


def _sentence(why: str) -> str:
    text = why.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
