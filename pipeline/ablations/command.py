"""What `backdrop ablate` does: list, queue or run the paper's ablations, or show what came out."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.ablations import results as outcome
from pipeline.ablations.dvc_experiments import (
    FAILED,
    pending,
    read_known,
    require_commit,
    submit,
    untracked,
)
from pipeline.ablations.experiments import Experiment, Request, plan
from pipeline.ablations.settings import Table
from pipeline.ablations.stopping import STOPS, stopping_stages
from pipeline.errors import BackdropError
from pipeline.params.read import PARAMS_FILE, read_yaml
from pipeline.params.schema import read_params
from pipeline.progress import Progress
from pipeline.store.atomic import write_bytes
from pipeline.training.interruption import Interruption

Say = Callable[[str], None]


def refuse_without_results(**options: object) -> None:
    """Raise `BackdropError` if any is given: who wants results shall not queue 100 trainings."""
    _refuse(options, "belongs to --results", "add --results")


def refuse_with_results(**options: object) -> None:
    """Raise `BackdropError` if any is given: results would be shown as if it were not."""
    remedy = "leave it out; --table, --row, --label and --rev choose experiments"
    _refuse(options, "chooses no --results", remedy)


def _refuse(options: Mapping[str, object], what: str, remedy: str) -> None:
    """Raise `BackdropError` for the first of `options` that is given."""
    for name, value in options.items():
        if value not in (None, False, []):
            raise BackdropError(what, where=f"--{name.replace('_', '-')}", remedy=remedy)


def planned(
    root: Path, tables: Mapping[str, Table], request: Request, say: Say
) -> list[Experiment]:
    """The experiments on top of this project's params.yaml; says what is left out, and why."""
    path = root / PARAMS_FILE
    read_params(path)  # its own mistakes come first
    if request.checkpoint and not request.checkpoint.is_file():
        raise BackdropError("is missing", where=f"--checkpoint {request.checkpoint}")
    experiments = plan(tables, request, read_yaml(path))
    if request.checkpoint:
        _check_checkpoint(request.checkpoint, experiments)
    for table in tables.values():
        for setting in table.settings:
            if setting.checkpoint and not request.checkpoint:
                say(f"skipped {setting.name}: needs --checkpoint FILE ({setting.row})")
    return experiments


def _check_checkpoint(file: Path, experiments: Sequence[Experiment]) -> None:
    """Raise unless it fits the encoders that start from it: told now, not after the inpainters."""
    from pipeline.encoder_weights import pretrained  # PyTorch's import takes seconds

    starting = (one for one in experiments if one.setting.checkpoint)
    for encoder in {one.params.train_model.encoder for one in starting}:
        if encoder != "none":
            pretrained(encoder, str(file), "--checkpoint")


def list_experiments(
    tables: Mapping[str, Table], experiments: Sequence[Experiment], say: Say
) -> None:
    """`--dry-run`: per table, each experiment with what it changes and what the paper has."""
    for name, table in tables.items():
        say(f"{table.about}")
        for one in (one for one in experiments if one.table == name):
            paper = outcome.paper_says(one.setting)
            say(f"  {one.name}  [{one.setting.row}]  paper: {paper}")
            say(f"      {', '.join(f'{key}={value}' for key, value in one.changes.items())}")
    say(f"{len(experiments)} experiments; J with CRF and J_no_crf without come from each")


def queue_or_run(root: Path, experiments: list[Experiment], *, queue: bool, say: Say) -> None:
    """Queue all, or run one after the other; those that are there already are left alone.

    Raises:
        BackdropError: no git commit, an experiment of a name with other params, one that failed.
        KeyboardInterrupt: one of `STOPS` came. What DVC was about is done first: an experiment is
            queued, a stage recorded.
    """
    require_commit(root)
    todo = pending(experiments, read_known(root))
    if len(todo) < len(experiments):
        say(f"{len(experiments) - len(todo)} of {len(experiments)} are there already")
    copies = {one.name: untracked(root, one.params) for one in todo}
    failed: list[str] = []
    if queue:
        for number in STOPS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)  # the end, as after Ctrl-C
    with Progress("queue" if queue else "ablate", len(todo), "experiments") as progress:
        for one in todo:
            try:
                # DVC puts uncommitted changes away while it queues: let it bring them back.
                with Interruption(STOPS) if queue else stopping_stages():
                    submit(root, one, copies[one.name], queue=queue)
            except BackdropError as error:
                if queue:
                    raise
                say(f"failed: {error}")
                failed.append(one.name)
            progress.advance(1, one.name)
    if failed:
        raise BackdropError(
            f"{len(failed)} of {len(todo)} experiments failed: {', '.join(failed)}",
            remedy="mend what the lines above name, and run this again",
        )
    if queue:
        say(f"queued {len(todo)}; DVC runs what is queued by: dvc queue start --jobs 1")
    say("what came out: backdrop ablate --results")


def show_results(
    root: Path,
    tables: Mapping[str, Table],
    label: str,
    split: str,
    rev: str | None,
    csv: Path | None,
    say: Say,
) -> None:
    """`--results`: the tables, what is not done, and the CSV if asked for.

    Raises:
        BackdropError: not a git repository, or no experiment of these tables.
    """
    require_commit(root)
    found = outcome.match(tables, read_known(root, rev).values(), label)
    if not found:
        raise BackdropError(
            "no experiments of these tables yet" + (f" with the label '{label}'" if label else ""),
            where=rev or "on the current commit",
            remedy="`backdrop ablate` queues them; those of another commit: --rev COMMIT",
        )
    say(outcome.markdown(tables, found, split))
    say(f"split {split}; mean ± standard deviation over seeds; J and F with CRF")
    for line in outcome.unfinished(found):
        say(line)
    if any(result.known.state == FAILED for result in found):
        say("why one failed: dvc queue logs NAME")
    if none := outcome.missing(tables, found):
        say(f"never tried: {', '.join(none)}")
    if csv:
        write_bytes(csv, outcome.to_csv(found, split).encode())
        say(f"wrote {csv}")
