"""`backdrop run`: the DAG of `dvc.yaml` as a Prefect flow with a task per stage.

The tasks are read from DVC's graph and do nothing but ask DVC for their stage; DVC stays the only
cache. Call `pipeline.prefect_setup.prepare_environment` before importing this module.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures as concurrent
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from prefect import Task, allow_failure, flow, get_client, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.context import refresh_global_settings_context
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from pipeline.dag import Stage, read_dag
from pipeline.errors import BackdropError
from pipeline.prefect_server import start_server
from pipeline.prefect_setup import require_server
from pipeline.stage_process import StageProcesses
from pipeline.store.atomic import read_json
from pipeline.store.paths import METRICS
from pipeline.summary import metrics_table

FlowState = State[Any]
PATIENCE_S = 5.0  # until an interrupt counts as lost
CANCEL_POLL_S = 5.0  # between two looks whether Prefect was asked to cancel the run
_ending = threading.Event()  # the run ends, for whatever reason
BLOCKED = "Blocked"  # the state of a stage that a failed one keeps from running


def run_flow(root: Path, say: Callable[[str], None], jobs: int = 1) -> None:
    """Run the flow on the project at `root`; `say` gets the address where it can be watched.

    Args:
        root: of the project.
        say: called with lines for the user.
        jobs: stages at once. Most use the whole machine, and a training whose threads wait for
            one another is slowed down several times by whatever runs beside it.

    Raises:
        BackdropError: the project cannot be read, Prefect's server does not come up, or stages
            failed: then it names each with its reason, but not those that only waited for one;
            or the run was cancelled in Prefect, or ended without its server.
    """
    stages = read_dag(root)
    _ending.clear()
    # SIGHUP is a terminal's that is closed. Prefect passes SIGTERM on when it has cleaned up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    for logger in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(logger).addFilter(_tells_something)
    try:
        _connect(say)
        at_once: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=jobs)
        state = backdrop_flow.with_options(task_runner=at_once)(root, stages, return_state=True)
    except httpx.TransportError as error:
        raise BackdropError(
            f"Prefect's server was lost ({error})",
            remedy="nothing else was: run again, and what is finished is not done again",
        ) from error
    finally:
        _ending.set()
    if not state.is_completed():
        raise BackdropError(state.message or f"the run ended as {state.name}")


def stage_body(
    stage: Stage, processes: StageProcesses, unfinished: set[str], say: Callable[[str], None]
) -> FlowState:
    """Bring a stage up to date, unless one that it needs is in `unfinished`; add it there if so.

    Returns:
        Completed, `Cached` if DVC had nothing to run; Failed; or Failed by the name of `Blocked`.
    """
    missing = sorted(unfinished.intersection(stage.needs))
    if missing:
        unfinished.add(stage.name)
        return Failed(name=BLOCKED, message=f"needs {', '.join(missing)}")
    outcome = processes.repro(stage.name, say)
    if not outcome.ok:
        unfinished.add(stage.name)
        return Failed(message=outcome.message)
    return Completed(name="Cached") if outcome.cached else Completed()


@flow(name="backdrop", validate_parameters=False)
def backdrop_flow(root: Path, stages: list[Stage]) -> FlowState:
    """Submit every stage behind the ones it needs, wait for all, and show the metrics."""
    processes = StageProcesses(root)
    unfinished: set[str] = set()
    futures: dict[str, Any] = {}
    try:
        for stage in stages:
            # A blocked stage shall say so. Without allow_failure it would stay pending for ever.
            needed = [allow_failure(futures[name]) for name in stage.needs]
            run = _task(stage, processes, unfinished)
            futures[stage.name] = run.submit(wait_for=needed, return_state=False)
        cancelled = _wait_unless_cancelled(list(futures.values()), processes)
        states = {name: _final(future) for name, future in futures.items()}
    except BaseException:  # Ctrl-C, SIGTERM: nothing of ours may run on
        _ending.set()
        processes.stop()
        raise
    if cancelled:
        return Cancelled(message="cancelled in Prefect — run it again to go on where it stopped")
    failures = [
        _told(name, state.message or state.name or "failed")
        for name, state in states.items()
        if state.is_failed() and state.name != BLOCKED
    ]
    if failures:
        return Failed(message="; ".join(failures))
    if (root / METRICS).exists():
        create_markdown_artifact(metrics_table(read_json(root / METRICS)), key="metrics")
    return Completed()


def _task(stage: Stage, processes: StageProcesses, unfinished: set[str]) -> Task[[], FlowState]:
    @task(name=stage.name, task_run_name=stage.name, cache_policy=NO_CACHE)
    def run() -> FlowState:
        return stage_body(stage, processes, unfinished, get_run_logger().info)

    return run


def _connect(say: Callable[[str], None]) -> None:
    """Let Prefect report to the server that it is set to, or to one of our own."""
    settings = get_current_settings()
    say(require_server(settings.api.url, settings.home))
    if settings.api.url is None:
        api = start_server(settings.server.ephemeral.startup_timeout_seconds)
        os.environ |= {"PREFECT_API_URL": api, "PREFECT_UI_URL": ""}  # it has no pages to link to
        refresh_global_settings_context()


def _tells_something(record: logging.LogRecord) -> bool:
    """Neither a lost server's traceback, nor a failed state's first line with `NoneType: None`.

    `run_flow` tells of the one, the state's second line of the other.
    """
    if not record.exc_info:
        return True
    error = record.exc_info[1]
    return error is not None and not isinstance(error, httpx.TransportError)


def interrupt(number: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; again, if nothing ends for it: Python drops it in a finaliser."""
    threading.Thread(target=_insist, args=(number,), daemon=True).start()
    raise KeyboardInterrupt


def _insist(number: int) -> None:
    main = threading.main_thread().ident
    if not _ending.wait(PATIENCE_S) and main is not None:
        signal.pthread_kill(main, number)


def _told(name: str, message: str) -> str:
    """The message with the stage's name before it, once: a stage names itself in its errors."""
    return message if message.startswith(name.partition("@")[0]) else f"{name}: {message}"


def _wait_unless_cancelled(tasks: list[Any], processes: StageProcesses) -> bool:
    """Wait for the tasks; if Prefect is asked to cancel the run, stop its stages and return True.

    Prefect itself only notes the wish: carrying it out is left to the workers of deployments.
    """
    cancelled = False
    pending = {run.wrapped_future for run in tasks}
    while pending := concurrent.wait(pending, CANCEL_POLL_S).not_done:
        if not cancelled and _cancel_asked():
            cancelled = True
            processes.stop()
    return cancelled


def _cancel_asked() -> bool:
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(runtime.flow_run.id).state
    except (httpx.HTTPError, ObjectNotFound):  # a run goes on without a server to watch it
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def _final(future: Any) -> FlowState:
    future.wait()
    state: FlowState = future.state
    return state
