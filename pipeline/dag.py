"""The DAG as DVC sees it: its stages in an order in which they can run, and what each one needs."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError
from dvc.stage import PipelineStage

from pipeline.errors import BackdropError


@dataclass(frozen=True)
class Stage:
    """A stage of `dvc.yaml`.

    Args:
        name: as DVC addresses it, e.g. `train_inpainter@rgb`.
        needs: names of the stages whose outputs it reads.
    """

    name: str
    needs: tuple[str, ...]


def read_dag(root: Path = Path()) -> list[Stage]:
    """The stages of the project at `root`, each after everything that it needs.

    Raises:
        BackdropError: there is no DVC project, it is in no git repository, or DVC cannot make sense
            of its files.
    """
    try:
        with Repo(str(root)) as repo:
            # Edges lead from a stage to what it needs. Data under `dvc add` has nothing to run.
            graph = repo.index.graph.subgraph(
                stage for stage in repo.index.graph if isinstance(stage, PipelineStage)
            )
            needs = {
                stage.name: sorted(other.name for other in graph.successors(stage))
                for stage in graph
            }
    except SCMError as error:
        raise BackdropError(
            f"DVC needs a git repository ({error})",
            where=str(root.resolve()),
            remedy="there, run `git init && git add . && git commit -m start`, or use a git clone",
        ) from error
    except DvcException as error:
        raise BackdropError(
            f"DVC cannot read the project ({error})",
            where=str(root / "dvc.yaml"),
            remedy="mend the line that it names; `git diff dvc.yaml` shows what was changed",
        ) from error
    order = TopologicalSorter({name: needs[name] for name in sorted(needs)}).static_order()
    return [Stage(name, tuple(needs[name])) for name in order]
