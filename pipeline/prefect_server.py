"""Prefect's server for as long as a run lasts, in a session of its own.

Prefect would start one in our process group: Ctrl-C in a terminal would end it before the run,
which would then try for minutes to reach it. Ours ends when its stdin does, hence with us, however
we end.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from pipeline.errors import BackdropError
from pipeline.prefect_setup import HOST, answers

if TYPE_CHECKING:
    from fastapi import FastAPI

STOP_S = 5.0
OF_UVICORN = ("UVICORN_", "WEB_CONCURRENCY")  # several workers would outlive us


def start_server(patience_s: float) -> str:
    """Start a server that ends with this process; returns the address of its API.

    Raises:
        BackdropError: it ended, or does not answer within `patience_s` seconds.
    """
    port = _free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "--factory", f"{__name__}:app"),
            *("--host", HOST, "--port", str(port), "--log-level", "error", "--lifespan", "on"),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith(OF_UVICORN)},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(_stop, process)  # called after Prefect's threads have sent their last logs
    api = f"http://{HOST}:{port}/api"
    deadline = time.monotonic() + patience_s
    while not answers(api):
        code = process.poll()
        if code is not None or time.monotonic() > deadline:
            why = f"no answer in {patience_s:.0f} s" if code is None else f"exit code {code}"
            raise BackdropError(
                f"Prefect's own server did not come up ({why})",
                remedy="start one with `prefect server start` and run again",
            )
        time.sleep(0.1)
    return api


def app() -> FastAPI:
    """What uvicorn serves in the server's process."""
    from prefect.server.api.server import create_app

    threading.Thread(target=_end_with_parent, daemon=True).start()
    return create_app(ephemeral=True, final=True)


def _end_with_parent() -> None:
    # Nothing is ever written to it. os.read: a file object's lock would be held at exit.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
