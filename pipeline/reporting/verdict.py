"""The run judged in a sentence: is the mask worth more than a blob in the box?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.evaluation.motion import LEAST_OVERLAP

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
    return _by_motion(metrics)


def _by_motion(metrics: dict[str, Any]) -> Verdict:
    """Without ground truth of test videos: what moves is a hint, never a proof."""
    overlap, J = metrics["health"]["motion_overlap"], metrics["val"]["J"]
    validation = "" if J is None else f"J of validation is {J:.2f}, and flatters. "
    detail = validation + _overlap(overlap)
    if J is None and overlap is not None and overlap < LEAST_OVERLAP:
        headline = "The masks lie elsewhere than what moves."
        check = (
            f" Below {LEAST_OVERLAP} they do not show the same thing: where the panels' flow shows "
            "the subject, the masks are wrong; where it shows something else or a limb alone, they "
            "may be right. The table of videos marks the worst."
        )
        return Verdict("bad", headline, detail + check)
    by_eye = (
        " The masks did not collapse. Judge the panels by eye; area, empty frames, confidence and "
        "the movement of the box are in the table of videos."
    )
    if J is not None:
        headline = "No ground truth for test videos: the validation videos' chose the thresholds."
    elif overlap is None:
        headline = "No ground truth: nothing here says whether the masks are right."
    else:
        headline = "No ground truth: only what moves hints at whether the masks are right."
    return Verdict("unknown", headline, detail + by_eye)


def _overlap(overlap: float | None) -> str:
    """The overlap with what moves, and what to make of it."""
    if overlap is None:
        return "Nothing of a subject's size moves in any frame to compare the masks with."
    return (
        f"Masks and what moves overlap by {overlap:.2f} (intersection over union, mean over the "
        "frames in which something of a subject's size moves). It is only a hint: the flow's "
        "outline is blurred, so that right masks do not reach 1 either."
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
    hit, scored, frames = (values[name] for name in ("hit", "scored_frames", "frames"))
    few = "" if scored == frames else f" Only {scored} of {frames} frames have ground truth."
    box = "" if hit is None else f" The box hits the subject in {hit:.0%} of frames."
    return _better_by_flow(values) + box + few


def _better_by_flow(values: dict[str, Any]) -> str:
    """The control without a network, where it outdoes the mask; "" where it does not."""
    flow = values["J_flow_threshold"]
    if flow is None or flow <= values["J"]:
        return ""
    return f" J of the flow threshold, without any network: {flow:.2f}, more than the mask."


def _sentence(why: str) -> str:
    text = why.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
