"""Whether pictures are missing in a folder of frames, told by the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mode


def number_jumps(pictures: Sequence[Path]) -> list[tuple[str, str]]:
    """Names of neighbours whose numbers are further apart than most neighbours' are.

    Args:
        pictures: in their order.

    Returns:
        Empty where a name has no number or the numbers do not rise: they count something else.
    """
    found = [re.findall(r"\d+", picture.stem) for picture in pictures]
    if not all(found):
        return []
    steps = [int(after[-1]) - int(before[-1]) for before, after in pairwise(found)]
    if not steps or min(steps) <= 0:
        return []
    usual = mode(steps)
    pairs = zip(pairwise(pictures), steps, strict=True)
    return [(before.name, after.name) for (before, after), step in pairs if step > usual]
