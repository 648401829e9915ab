"""The INDEX table: which frames are cached, and whose they are."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from pipeline.store.paths import INDEX_TABLE
from pipeline.store.tables import INDEX, read_table


def load_index() -> pd.DataFrame:
    """The INDEX table: a row per cached frame.

    Raises:
        BackdropError: missing, cut short, or of another schema.
    """
    return read_table(INDEX_TABLE, INDEX)


def videos_in_split(index: pd.DataFrame, splits: Collection[str]) -> list[str]:
    """Names of the videos of `splits`, in the order of the index."""
    return [str(name) for name in index.loc[index["split"].isin(list(splits)), "video"].unique()]
