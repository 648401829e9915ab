"""`backdrop run`: the states of tasks, and whole runs of a small project through Prefect."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from helpers_dvc import REPOSITORY, make_fan, runs

from pipeline.dag import Stage
from pipeline.flow_run import BLOCKED, stage_body
from pipeline.stage_process import Outcome, StageProcesses

RUN = """
import os
import sys
from pathlib import Path
from pipeline.errors import BackdropError
from pipeline.prefect_setup import prepare_environment
prepare_environment()
from pipeline.flow_run import run_flow
try:
    run_flow(Path(), print, int(os.environ.get("JOBS", "1")))
except BackdropError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit(130)
"""


class Scripted(StageProcesses):
    """Says what it is told to instead of running DVC."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(Path())
        self.outcome, self.asked = outcome, list[str]()

    def repro(self, stage: str, say: Callable[[str], None]) -> Outcome:
        self.asked.append(stage)
        say(f"output of {stage}")
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "name", "failed"),
    [
        (Outcome(ok=True, cached=False, message=""), "Completed", False),
        (Outcome(ok=True, cached=True, message=""), "Cached", False),
        (Outcome(ok=False, cached=False, message="disk full"), "Failed", True),
    ],
)
def test_states_of_a_stage(outcome: Outcome, name: str, failed: bool) -> None:
    unfinished, lines = {"elsewhere"}, list[str]()
    state = stage_body(Stage("b", ("a",)), Scripted(outcome), unfinished, lines.append)
    assert (state.name, state.is_failed(), state.is_completed()) == (name, failed, not failed)
    assert ("b" in unfinished) is failed
    assert lines == ["output of b"]
    if failed:
        assert state.message == "disk full"


def test_a_stage_behind_a_failed_one_is_blocked_by_name() -> None:
    processes, unfinished = Scripted(Outcome(ok=True, cached=False, message="")), {"a", "x"}
    state = stage_body(Stage("b", ("a", "c")), processes, unfinished, print)
    assert (state.name, state.is_failed(), state.message) == (BLOCKED, True, "needs a")
    assert unfinished == {"a", "b", "x"}
    assert processes.asked == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a run in a folder, with a Prefect and, as in a terminal, a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin(folder: Path, **extra: str) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment |= {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.Popen(
            [sys.executable, "-c", RUN],
            cwd=folder,
            env=environment | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
    for server in servers(tmp_path):
        server.kill()


def servers(home: Path) -> list[psutil.Process]:
    """Those of Prefect that keep their data below `home`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("PREFECT_HOME") == str(home / "prefect")
            if ours and "uvicorn" in process.cmdline():
                found.append(process)
    return found


def test_a_server_that_does_not_answer_is_one_line(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(make_fan(tmp_path / "fan"), PREFECT_API_URL="http://127.0.0.1:9/api")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert output.strip() == (
        "error: http://127.0.0.1:9/api: no Prefect server answers — start it with "
        "`prefect server start`, or unset PREFECT_API_URL to run without"
    )


def test_a_server_that_cannot_keep_its_data_is_one_line(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    fan = make_fan(tmp_path / "fan")
    process = start(fan, PREFECT_HOME=str(fan / "in/prefect"))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert output.strip() == (
        f"error: {fan}/in/prefect: Prefect's server cannot keep its data there (Not a directory)"
        " — set PREFECT_HOME to a writable folder with 8 MiB free"
    )


@pytest.mark.slow
def test_whole_runs_without_a_server(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """A failure blocks what needs it and nothing else; mended, only the rest runs; then nothing."""
    fan = make_fan(tmp_path / "fan", left="echo error: left: x.mp4 is empty; exit 1")
    process = start(fan)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "error: left: x.mp4 is empty" in output.splitlines()
    assert f"{BLOCKED}('needs left'" in output
    assert "NoneType" not in output
    assert not servers(tmp_path)
    assert sorted(runs(fan)) == ["first", "right"]

    (fan / "params.yaml").write_text('left: "echo left >> count; cp out/a out/left"\n')
    process = start(fan)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert output.count("Cached(") == 2
    assert not servers(tmp_path)
    assert sorted(runs(fan)) == ["first", "last", "left", "right"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_stages_run_at_once_as_were_asked_for(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], jobs: int
) -> None:
    slow = "echo begins >> count; sleep 8; echo ends >> count; cp out/a out/left"
    fan = make_fan(tmp_path / "fan", left=slow)
    process = start(fan, JOBS=str(jobs))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    ran = runs(fan)
    assert sorted(ran) == ["begins", "ends", "first", "last", "right"]
    assert (ran.index("right") < ran.index("ends")) == (jobs == 2)


def wait_for_left(fan: Path, process: subprocess.Popen[str]) -> Path:
    """Wait until the stage `left` runs and has written its id; its entry below /proc."""
    deadline = time.monotonic() + 120
    while not (fan / "pid").exists() or not (fan / "pid").read_text().strip():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    return Path("/proc") / (fan / "pid").read_text().strip() / "stat"


SLEEPS = "echo $$ > pid; exec sleep 600"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_group_stops_every_stage_and_the_server(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    """A terminal sends Ctrl-C to the whole group, not to one process."""
    fan = make_fan(tmp_path / "fan", left=SLEEPS)
    process = start(fan)
    stat = wait_for_left(fan, process)
    assert len(servers(tmp_path)) == 1
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert "Connection" not in output
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
    assert not servers(tmp_path)


LOST = """
import os, signal, time
from pipeline import flow_run
flow_run.PATIENCE_S = 0.2
signal.signal(signal.SIGHUP, flow_run.interrupt)

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0.1)

Dying()
print("lost", flush=True)
time.sleep(60)
"""


def test_an_interrupt_that_python_drops_comes_again() -> None:
    """What a finaliser raises is told on stderr, and the program goes on."""
    told = subprocess.run(
        [sys.executable, "-c", LOST],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert told.stdout == "lost\n", told.stderr
    assert "Exception ignored in" in told.stderr
    assert told.returncode != 0
    assert told.stderr.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.slow
def test_cancelled_in_prefect_it_stops_its_stages(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """As the button of Prefect's page and `prefect flow-run cancel` ask for it."""
    fan = make_fan(tmp_path / "fan", left=SLEEPS)
    process = start(fan)
    stat = wait_for_left(fan, process)
    (server,) = servers(tmp_path)
    command = server.cmdline()
    api = f"http://127.0.0.1:{command[command.index('--port') + 1]}/api/flow_runs"
    (run,) = httpx.post(f"{api}/filter", json={}).json()
    asked = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
    assert httpx.post(f"{api}/{run['id']}/set_state", json=asked).is_success
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Finished in state Cancelled(" in output
    told = "error: cancelled in Prefect — run it again to go on where it stopped"
    assert told in output.splitlines()
    assert "Traceback" not in output
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
    assert sorted(runs(fan)) == ["first"]


@pytest.mark.slow
def test_without_its_server_a_run_does_all_stages(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """As when the terminal of `prefect server start` is closed."""
    waits = "echo $$ > pid; sleep 5; echo left >> count; cp out/a out/left"
    fan = make_fan(tmp_path / "fan", left=waits)
    process = start(fan, PREFECT_CLIENT_MAX_RETRIES="0")
    wait_for_left(fan, process)
    (server,) = servers(tmp_path)
    server.kill()
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 1
    assert sorted(runs(fan)) == ["first", "last", "left", "right"]
    assert "error: Prefect's server was lost (" in output
    assert "nothing else was: run again, and what is finished is not done again" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_killed_outright_it_takes_the_server_with_it(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    fan = make_fan(tmp_path / "fan", left=SLEEPS)
    process = start(fan)
    stat = wait_for_left(fan, process)
    process.kill()
    os.kill(int(stat.parent.name), signal.SIGKILL)  # has a session of its own
    _, alive = psutil.wait_procs(servers(tmp_path), timeout=30)
    assert not alive
