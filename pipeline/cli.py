"""The `backdrop` command. Each command imports what it needs when it runs: `--help` stays quick."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from pipeline.errors import INTERRUPTED, BackdropError, no_gpu_memory, no_space

app = typer.Typer(
    help="Unlabelled videos of one moving subject in; boxes, masks and a report out.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
BUILT_IN = "demo"  # the preset that needs no videos


def main() -> None:
    """Entry point: a mistake is one line on stderr; exit code 1, or 2 if it is in the command."""
    try:
        ended = app(sys.argv[1:] or ["--help"], prog_name="backdrop", standalone_mode=False)
        print(end="", flush=True)  # there may be no sys.stdout
    except typer.TyperException as error:
        remedy = "`backdrop COMMAND --help` says what it takes"
        _fail(BackdropError(error.format_message(), where="command line", remedy=remedy), 2)
    except BackdropError as error:
        _fail(error, 1)
    except RuntimeError as error:
        _fail(no_gpu_memory(error), 1)
    except BrokenPipeError:  # nobody reads on
        _silence()
        sys.exit(1)
    except OSError as error:  # what writes files tells theirs itself
        told = no_space(error, "standard output, or the project's folder")
        _silence()
        _fail(told, 1)
    sys.exit(ended)


def _silence() -> None:
    """Let Python end without a complaint of what could not be printed: it tries that once more."""
    if sys.stdout is None:
        return
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _fail(error: BackdropError, code: int) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(code)


@app.command()
def init(
    videos: Annotated[
        list[Path] | None,
        typer.Option("--videos", help="Video files, folders of videos, folders of frames."),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", hidden=True)] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the data; by default its path's.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="demo, static-camera, moving-camera, davis2016[-cpu] or paper."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace other videos in data/raw/NAME.")
    ] = False,
    reset_params: Annotated[
        bool, typer.Option("--reset-params", help="Overwrite params.yaml, changed by hand or not.")
    ] = False,
) -> None:
    """Take videos (or, with `--preset demo`, the built-in data) and write params.yaml for them."""
    _require_project()
    # `--videos *.mp4` reaches us as one option and many arguments.
    paths = [*(videos or []), *(more or [])]
    if (preset == BUILT_IN) == bool(paths) or (name and not paths):
        raise BackdropError(
            "give videos of your own or the built-in ones",
            where="backdrop init",
            remedy="`--videos PATH...` (with another preset than demo), or `--preset demo` alone",
        )
    if paths:
        from pipeline.init_project import init_videos

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidied up after, as Ctrl-C is
        with _told_if_interrupted("run it again"):
            init_videos(
                Path(), paths, name, preset, force=force, reset_params=reset_params, say=typer.echo
            )
        return
    from pipeline.params.preset import compose, load_preset
    from pipeline.params.read import PARAMS_FILE
    from pipeline.params.write import write_params

    write_params(compose(load_preset(BUILT_IN).params), PARAMS_FILE, force=reset_params)
    typer.echo(f"{PARAMS_FILE} is set for the built-in data; next: dvc repro")


@app.command()
def doctor(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Videos; by default those of params.yaml.")
    ] = None,
) -> None:
    """Check raw videos: damage, size, rate, cuts, camera motion, and the method's assumptions."""
    from pipeline.doctor import examine_paths, print_reports
    from pipeline.params.check import check_params
    from pipeline.store.paths import RAW

    if not paths:
        _require_project()
        data = check_params().prepare_data
        root = data.require_root()  # of a recipe as well: DVC reads it
        paths = [RAW if data.source == "recipe" else root]
        if paths == [RAW] and not RAW.exists():
            remedy = "run `dvc repro prepare_data`, or name videos of your own"
            raise BackdropError("is not rendered yet", where=str(RAW), remedy=remedy)
    if not print_reports(examine_paths(paths)):
        raise typer.Exit(1)


@app.command()
def run(
    jobs: Annotated[
        int, typer.Option(min=1, help="Stages at once; most use the whole machine alone.")
    ] = 1,
) -> None:
    """Bring everything up to date like `dvc repro`, as a Prefect flow that can be watched."""
    from pipeline.params.check import check_params
    from pipeline.prefect_setup import prepare_environment

    _require_project()
    # Mistakes are best told before a server starts; of a missing root DVC tells only the errno.
    check_params().prepare_data.require_root()
    prepare_environment()
    from pipeline.flow_run import run_flow
    from pipeline.summary import headline

    with _told_if_interrupted("run it again to go on"):
        run_flow(Path(), say=typer.echo, jobs=jobs)
    typer.echo(headline())


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="Any artifact, or a video.")],
    frame: Annotated[
        int | None, typer.Option(help="Frame to draw, 0-based; of homographies their row.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="PNG file to draw it into.")] = None,
) -> None:
    """Describe an artifact, or draw one frame of it."""
    from pipeline.inspection import describe, draw_frame
    from pipeline.store.images import write_png

    if (frame is None) != (to is None):
        raise BackdropError("--frame and --to go together", where="backdrop inspect")
    if frame is None or to is None:
        typer.echo(describe(file))
        return
    write_png(to, draw_frame(file, frame))
    typer.echo(f"wrote {to}")


@app.command()
def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT", help="Video files, folders of videos or of frames, pictures."
        ),
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="For a folder of results per input.")
    ],
    stride: Annotated[int, typer.Option(min=1, help="Take every n-th frame.")] = 1,
    moving: Annotated[
        bool, typer.Option("--moving", help="Leave out what never moves in a video.")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay/--no-overlay", help="Draw outline and box on the frames.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave earlier results, and predict the rest.")
    ] = False,
) -> None:
    """Find the subject in new videos or pictures with the networks that `dvc repro` trained."""
    _require_project()
    from pipeline.new_material.command import predict as predict_inputs
    from pipeline.stage import start_log

    start_log()
    with _told_if_interrupted("finished inputs are kept (--keep goes on)"):
        predict_inputs(
            inputs,
            to,
            stride=stride,
            moving=moving,
            overlay=overlay,
            force=force,
            keep=keep,
            say=typer.echo,
        )


@app.command()
def eval_flow(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Pairs with true flow: FlyingChairs, KITTI, Middlebury or Sintel."
        ),
    ],
    backend: Annotated[
        list[str] | None,
        typer.Option(help="As compute_flow.backend; several times; by default all that run here."),
    ] = None,
    weights: Annotated[Path, typer.Option(help="File of weights, or folder of such.")] = Path(
        "weights/flow"
    ),
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for a PNG per pair.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For a line per backend and pair.")
    ] = None,
) -> None:
    """Measure flow backends on pairs whose flow is known: endpoint error, outliers, time."""
    from pipeline.optical_flow.eval_command import ALL, eval_flow

    eval_flow(folder, backend or [ALL], weights, pictures, csv, say=typer.echo)


@app.command("train-flow")
def train_flow(
    to: Annotated[Path, typer.Option(help="File to write the weights to.")] = Path(
        "weights/flow/own.safetensors"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite that file.")] = False,
) -> None:
    """Train a flow network on pairs made from the videos (params.yaml: train_flow)."""
    _require_project()
    from pipeline.optical_flow.training.command import train_flow as train
    from pipeline.stage import run_stage

    def main() -> None:
        errors = train(to, force)
        typer.echo(f"wrote {to}")
        for name, error in errors.items():
            typer.echo(f"  {name:12} {error:.2f} px endpoint error on held-out synthetic pairs")

    run_stage("train_flow", main)


@app.command()
def ablate(
    table: Annotated[
        list[str] | None,
        typer.Option(help="3, 4, fig10, ours or all; several times."),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this setting (* for any letters); several times."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="A training of each; else 0,1,2.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A param of all; several times."),
    ] = None,
    label: Annotated[str, typer.Option(help="Word behind the names, for another --set.")] = "",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Weights of an unsupervised pre-training, for table 3.")
    ] = None,
    run: Annotated[bool, typer.Option("--run/--queue", help="Run them, or queue them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    results: Annotated[bool, typer.Option("--results", help="Show what came out.")] = False,
    split: Annotated[
        Literal["val", "test", "test_unseen"] | None,
        typer.Option(help="Of the results; test if not given."),
    ] = None,
    rev: Annotated[
        str | None, typer.Option(metavar="COMMIT", help="Results that start from another commit.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Results, a line per experiment.")
    ] = None,
) -> None:
    """Queue the paper's ablations as DVC experiments, or show their results as its tables."""
    from pipeline.ablations import command
    from pipeline.ablations.experiments import Request, parse_seeds
    from pipeline.ablations.settings import ALL, choose, only_rows, read_tables
    from pipeline.params.overrides import parse_overrides

    _require_project()
    tables = only_rows(choose(read_tables(), table or [ALL]), row or ["*"])
    if results:
        refused = {"set": sets, "checkpoint": checkpoint, "dry_run": dry_run, "run": run}
        command.refuse_with_results(seeds=seeds, **refused)
        command.show_results(Path(), tables, label, split or "test", rev, csv, say=typer.echo)
        return
    command.refuse_without_results(split=split, rev=rev, csv=csv)
    request = Request(parse_seeds(seeds or "0,1,2"), parse_overrides(sets or []), label, checkpoint)
    experiments = command.planned(Path(), tables, request, say=typer.echo)
    if dry_run:
        command.list_experiments(tables, experiments, say=typer.echo)
        return
    with _told_if_interrupted("run it again to go on"):
        command.queue_or_run(Path(), experiments, queue=not run, say=typer.echo)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"backdrop {installed('backdrop')}")


@contextmanager
def _told_if_interrupted(how_on: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {how_on}", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _require_project() -> None:
    if not Path("dvc.yaml").exists():
        raise BackdropError(
            "no dvc.yaml here",
            where=str(Path().resolve()),
            remedy="run this in the folder of your clone of Backdrop",
        )


if __name__ == "__main__":
    main()
