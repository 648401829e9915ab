"""Training curves through dvclive: DVC plots and the report read them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from scmrepo.exceptions import SCMError

from pipeline.errors import BackdropError
from pipeline.store.paths import CURVES

os.environ.setdefault("DVCLIVE_LOGLEVEL", "WARNING")

from dvclive.live import Live  # reads its log level at import

History = list[dict[str, float]]


class Curves:
    """Log points of a training; a resumed one replays its history first.

    The folder is written anew each time, hence it holds the same bytes whether the training was
    interrupted or not. `step` is the iteration.
    """

    def __init__(self, stage: str, history: History) -> None:
        self.folder: Path = CURVES / stage
        shutil.rmtree(self.folder, ignore_errors=True)
        self.history: History = []
        try:
            self.live = Live(
                dir=str(self.folder), save_dvc_exp=False, dvcyaml=None, monitor_system=False
            )
        except SCMError as error:
            raise BackdropError(
                f"the git repository cannot be used ({error})",
                where=str(Path.cwd().name),
                remedy="commit something first; DVC and dvclive need a commit",
            ) from error
        for point in history:
            self.log(int(point["iteration"]), {k: v for k, v in point.items() if k != "iteration"})

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Add one point per value at `iteration`."""
        self.history.append({"iteration": iteration, **values})
        self.live.step = iteration
        for name, value in values.items():
            self.live.log_metric(name, value)
        self.live.sync()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Write the summary."""
        self.live.end()  # type: ignore[no-untyped-call]
