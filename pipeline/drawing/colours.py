"""The few colours of the pictures, RGB 0..255; the report's legend uses the same."""

from __future__ import annotations

Colour = tuple[int, int, int]

RED: Colour = (235, 52, 52)  # box
BLUE: Colour = (38, 110, 255)  # cell probabilities
GREEN: Colour = (64, 220, 96)  # from the winning cell to the box's centre
WHITE: Colour = (255, 255, 255)  # the inpainter's hole
ORANGE: Colour = (255, 150, 30)  # predicted mask
GREY: Colour = (150, 150, 150)  # what of the mask never moves
CYAN: Colour = (40, 200, 230)  # ground truth

INSTANCES: tuple[Colour, ...] = (
    ORANGE,
    (90, 200, 90),
    (220, 90, 220),
    (250, 220, 60),
    (120, 150, 255),
)
"""Of several subjects, by id; they repeat from the sixth on."""


def css(colour: Colour) -> str:
    """A colour for a style sheet.

    >>> css((255, 0, 16))
    '#ff0010'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)
