"""Random generators named by what they are for, so that adding a draw somewhere moves no other."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """A generator that depends on the whole key, e.g. `generator(7, "subject", 12)`."""
    words = [crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return np.random.default_rng(words)
