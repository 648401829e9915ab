"""Prefect without the internet: its settings, and which server a run reports to.

To be called before `prefect` is imported, which reads its settings from the environment once.
"""

from __future__ import annotations

import os
import tempfile
import urllib.error
import urllib.request
import warnings
from pathlib import Path

from pipeline.errors import BackdropError

HOST = "127.0.0.1"  # this machine
LOCAL_API = f"http://{HOST}:4200/api"  # where `prefect server start` listens
TIMEOUT_S = 5.0
ROOM = 8 << 20  # bytes; a new server's database and its journal take 4.8 MiB
_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # 16 s seen, more on a busy machine
}


def prepare_environment() -> None:
    """Set what the user has not: no telemetry, a patient start, and a server found running.

    Nor does a proxy come between the parts of a run, which are all on this machine.
    """
    warnings.filterwarnings("ignore", "Failed to create the Prefect home")  # `require_server` tells
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    proxies = urllib.request.getproxies_environment().keys() - {"no"}
    if proxies and direct != "*":
        hosts = [*filter(None, direct.split(",")), HOST, "localhost"]
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys(hosts))
    if "PREFECT_API_URL" not in os.environ and answers(LOCAL_API):
        os.environ["PREFECT_API_URL"] = LOCAL_API


def require_server(url: str | None, home: Path) -> str:
    """Say where the run can be watched.

    Args:
        url: the server that Prefect is set to, None for none.
        home: where one of our own would keep its data.

    Raises:
        BackdropError: a server is set and does not answer, or ours could not write its data.
    """
    if url is None:
        _require_room(home)
        return (
            "no Prefect server is running: this run brings up its own for as long as it lasts "
            "(to watch runs in a browser: `prefect server start` in another terminal)"
        )
    if not answers(url):
        raise BackdropError(
            "no Prefect server answers",
            where=url,
            remedy="start it with `prefect server start`, or unset PREFECT_API_URL to run without",
        )
    return f"watch this run at {url.removesuffix('/').removesuffix('/api')}"


def _require_room(home: Path) -> None:
    """Find out before the server starts, which would tell it in a traceback."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as trial:
            trial.write(bytes(ROOM))
    except OSError as error:
        raise BackdropError(
            f"Prefect's server cannot keep its data there ({error.strerror})",
            where=str(home),
            remedy=f"set PREFECT_HOME to a writable folder with {ROOM >> 20} MiB free",
        ) from error


def answers(api: str) -> bool:
    """True if a Prefect server is up at `api`."""
    if not api.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=TIMEOUT_S) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
