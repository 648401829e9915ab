"""The key to a panel: a small sign and a sentence for each thing that is drawn."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipeline.drawing.colours import BLUE, CYAN, GREEN, GREY, ORANGE, RED, Colour, css
from pipeline.drawing.marks import Image
from pipeline.drawing.masks import flow_key, heat
from pipeline.store.images import encode

SIGN = 42  # px


@dataclass(frozen=True)
class Item:
    """A sign (`<svg>` or `<img>`), what it is called, and what it means."""

    sign: Markup
    title: str
    text: str


def data_uri(image: Image) -> str:
    """A picture (H, W, 3) as a JPEG inside a URL: the page needs no other file."""
    return f"data:image/jpeg;base64,{base64.b64encode(encode(image, '.jpg')).decode()}"


def legend(*, student: bool) -> list[Item]:
    """All items, in the order of the pictures; those of self-training where there is a student."""
    items = [
        Item(
            _svg(_dashes(RED)),
            "Box",
            "The window that the mask was cut from; the student's: around its main parts.",
        ),
        Item(_svg(_dots(BLUE)), "Cell probabilities", "Area of a dot: the cell's probability p."),
        Item(_svg(_line(GREEN)), "Offset", "From the winning cell's centre to its box's centre."),
        Item(
            _image(flow_key(SIGN, 1.0)),
            "Flow",
            "What moves against the background: colour by direction, olive where nothing does; "
            "all grey where the frames could not be aligned.",
        ),
        Item(
            _svg(_dashes(GREY)),
            "Inpainted",
            "The background, inpainted or known, in a hole of "
            "1.1 times the box: the subject should be gone.",
        ),
        Item(
            _image(_ramp()),
            "Soft mask",
            "S's mask before any threshold, from black, 0, to pale yellow, 1.",
        ),
        Item(_svg(_patch(ORANGE)), "CRF mask", "Thresholded and refined on colours."),
        Item(
            _svg(_patch(GREY)),
            "At rest",
            "Parts of a mask that never move in the video: most likely somebody else.",
        ),
        Item(_svg(_patch(CYAN)), "Ground truth", "Only for measuring; training never sees it."),
    ]
    if student:
        text = "What the student, trained on such CRF masks, makes of the frame alone: the result."
        items.insert(-2, Item(_svg(_patch(ORANGE)), "Student", text))
    return items


def _ramp() -> Image:
    """All values of a soft mask, 0 on the left."""
    return heat(np.tile(np.linspace(0, 255, SIGN).astype(np.uint8), (SIGN, 1)))


def _image(image: Image) -> Markup:
    return Markup('<img src="{}" alt="">').format(data_uri(image))


def _svg(inner: str) -> Markup:
    return Markup(f'<svg viewBox="0 0 {SIGN} {SIGN}" aria-hidden="true">{inner}</svg>')


def _dashes(colour: Colour) -> str:
    return (
        f'<rect x="7" y="7" width="28" height="28" fill="none" stroke="{css(colour)}" '
        'stroke-width="2.5" stroke-dasharray="5 4"/>'
    )


def _dots(colour: Colour) -> str:
    sizes = ((8, 12, 2), (22, 12, 4), (35, 12, 1.5), (8, 29, 3), (22, 28, 8), (36, 29, 2.5))
    return "".join(f'<circle cx="{x}" cy="{y}" r="{r}" fill="{css(colour)}"/>' for x, y, r in sizes)


def _line(colour: Colour) -> str:
    return (
        f'<line x1="9" y1="32" x2="31" y2="12" stroke="{css(colour)}" stroke-width="2.5"/>'
        f'<circle cx="31" cy="12" r="4" fill="{css(colour)}"/>'
    )


def _patch(colour: Colour) -> str:
    return (
        f'<ellipse cx="21" cy="21" rx="11" ry="17" fill="{css(colour)}" fill-opacity=".45" '
        f'stroke="{css(colour)}" stroke-width="2"/>'
    )
