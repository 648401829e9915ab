"""metrics.json as the page's tiles, table and bars; null becomes words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NO_TRUTH = "no ground truth"
NO_SUBJECT = "no subject"  # in any frame that has ground truth
NOTHING = "-"
SPLITS = ("val", "test", "test_unseen")

GROUPS = {
    "Mask": {
        "J": "J",
        "F": "F",
        "J_subject": "J of the frames with a subject",
        "empty_correct": "share of the others with an empty mask",
        "J_no_crf": "J without CRF",
        "F_no_crf": "F without CRF",
        "J_moving": "J of the parts that move",
        "F_moving": "F of the parts that move",
        "J_oracle": "J at the best threshold (oracle)",
    },
    "Boxes": {"hit": "hit: centre of the box in the true box", "mAP50": "mAP at IoU 0.5"},
    "Controls": {
        "J_blob": "J of the blob",
        "J_blob_no_crf": "J of the blob without CRF",
        "J_flow_threshold": "J of the flow threshold",
    },
    "Frames": {"frames": "frames", "empty_frames": "with an empty mask"},
}
ONLY_SUBJECT = "J_subject"  # says something new only beside frames without one
WITHOUT = "without_self_train"  # the model's own masks and boxes, where a student's are the result
BARS = (
    ("J", "mask + CRF", "accent"),
    ("J_no_crf", "mask", "accent"),
    ("J_moving", "mask + CRF, what moves", "accent"),
    ("J_oracle", "mask, oracle threshold", "faint"),
    ("J_blob", "blob + CRF", "control"),
    ("J_blob_no_crf", "blob", "control"),
    ("J_flow_threshold", "flow threshold", "unknown"),
)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "video"), counted(2, "video")
    ('1 video', '2 videos')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True)
class Cell:
    """One value of the table; `none` if there is nothing to say."""

    text: str
    none: bool


@dataclass(frozen=True)
class Row:
    """One metric over the splits."""

    label: str
    strong: bool
    cells: list[Cell]


@dataclass(frozen=True)
class Group:
    """Rows under one title."""

    title: str
    rows: list[Row]


@dataclass(frozen=True)
class Bar:
    """One bar of the comparison."""

    label: str
    fill: str
    percent: str
    text: str


@dataclass(frozen=True)
class Tile:
    """One headline number."""

    label: str
    value: str
    note: str
    none: bool


def table(metrics: dict[str, Any]) -> list[Group]:
    """The numbers of the three splits; a metric that none of them has is left out, but for J."""
    blocks = []
    for title, labels in GROUPS.items():
        blocks.append((title, labels, metrics))
        if WITHOUT in metrics and title != "Frames":
            blocks.append((f"{title} without self-training", labels, metrics[WITHOUT]))
    groups = [Group(title, _rows(labels, values)) for title, labels, values in blocks]
    return [group for group in groups if group.rows]


def bars(metrics: dict[str, Any]) -> list[Bar]:
    """J of the mask on test beside the controls; nothing without ground truth."""
    test = metrics["test"]
    values = [(label, fill, test[key]) for key, label, fill in BARS]
    if WITHOUT in metrics:
        own = metrics[WITHOUT]["test"]
        values[3:3] = [
            (f"{label}, no self-training", "faint", own[key]) for key, label, _ in BARS[:2]
        ]
    return [
        Bar(label, fill, f"{100 * value:.1f}", f"{value:.2f}")
        for label, fill, value in values
        if value is not None
    ]


def tiles(metrics: dict[str, Any]) -> list[Tile]:
    """The numbers on top; without ground truth, what can be known without."""
    test = metrics["test"]
    if test["J"] is None:
        return [Tile("Test J", NO_TRUTH, "", none=True), *known_without_truth(metrics["health"])]
    frames, empty = test["frames"], test["empty_frames"]
    return [
        _known("Test J", number(test["J"]), f"{number(test['J_no_crf'])} without CRF"),
        _known("Test F", number(test["F"]), f"{number(test['F_no_crf'])} without CRF"),
        _known(
            "Blob control J", number(test["J_blob"]), f"{number(test['J_blob_no_crf'])} without CRF"
        ),
        _of_subject("Hit rate", test["hit"], "box centre inside the true box"),
        _of_subject("Detection mAP50", test["mAP50"], "boxes with IoU of 0.5 or more"),
        _known("Empty masks", str(empty), f"of {frames} test frames"),
    ]


def known_without_truth(health: dict[str, Any]) -> list[Tile]:
    """What every run can say of itself."""
    jitter, jump = health["mask_area_jitter"], health["box_jump_px"]
    return [
        _known("Empty masks", f"{health['empty_frames']:.1%}", "of all frames"),
        _known("Mask area", f"{health['mask_area_mean']:.1%}", "of the frame, on average"),
        _known("Area jitter", _percent(jitter), "of the area, from frame to frame"),
        _known("Box jump", f"{number(jump, 1)} px", "from frame to frame, median"),
        _known("Confidence", number(health["confidence"]), "of 1, mean over frames"),
        _known(
            "Overlap with motion",
            number(health["motion_overlap"]),
            "IoU of mask and what moves; 1 is not reached",
        ),
    ]


def number(value: float | None, decimals: int = 2) -> str:
    """A number, or a dash for null and NaN.

    >>> number(0.456), number(None), number(float("nan"))
    ('0.46', '-', '-')
    """
    return NOTHING if value is None or value != value else f"{value:.{decimals}f}"


def _known(label: str, value: str, note: str) -> Tile:
    return Tile(label, value, note, none=False)


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def _of_subject(label: str, value: float | None, note: str) -> Tile:
    """What is measured in frames with a subject alone, beside J, which is of all."""
    if value is None:
        return Tile(label, NO_SUBJECT, "in any frame with ground truth", none=True)
    return _known(label, number(value), note)


def _rows(labels: dict[str, str], metrics: dict[str, Any]) -> list[Row]:
    cells = {key: [_cell(metrics, split, key) for split in SPLITS] for key in labels}
    if ONLY_SUBJECT in cells and all(cell.none for cell in cells["empty_correct"]):
        del cells[ONLY_SUBJECT]
    return [
        Row(labels[key], key in ("J", "F"), row)
        for key, row in cells.items()
        if key == "J" or not all(cell.none for cell in row)
    ]


def _cell(metrics: dict[str, Any], split: str, key: str) -> Cell:
    """A split says why it is silent: it has no frames, no ground truth, or is not measured so."""
    values = metrics[split]
    if values["frames"] == 0:
        return Cell("no videos" if key == "J" else "", none=True)
    if key not in values:
        return Cell("", none=True)
    if values[key] is None:
        return Cell(NO_TRUTH if key == "J" else NOTHING, none=True)
    whole = key in ("frames", "empty_frames")
    return Cell(f"{values[key]}" if whole else f"{values[key]:.3f}", none=False)
