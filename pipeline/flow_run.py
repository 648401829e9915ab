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
from pathlib import Path
from types import FrameType
from typing import Any

from prefect import Task, allow_failure, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.context import refresh_global_settings_context
from prefect.settings import get_current_settings
from prefect.states import Completed, Failed
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
            failed: then it names each with its reason, but not those that only waited for one.
    """
    stages = read_dag(root)
    _ending.clear()
    # SIGHUP is a terminal's that is closed. Prefect passes SIGTERM on when it has cleaned up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    logging.getLogger("prefect.task_runs").addFilter(_tells_something)
    try:
        _connect(say)
        at_once: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=jobs)
        state = backdrop_flow.with_options(task_runner=at_once)(root, stages, return_state=True)
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
        states = {name: _final(future) for name, future in futures.items()}
    except BaseException:  # Ctrl-C, SIGTERM, a cancel from the UI: nothing of ours may run on
        _ending.set()
        processes.stop()
        raise
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
    """Not so a failed state's first line: the second says the same, without `NoneType: None`."""
    return record.exc_info != (None, None, None)


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


def _final(future: Any) -> FlowState:
    future.wait()
    state: FlowState = future.state
    return state
