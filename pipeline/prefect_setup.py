"""Prefect without the internet: its settings, and which server a run reports to.

To be called before `prefect` is imported, which reads its settings from the environment once.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from pipeline.errors import BackdropError

LOCAL_API = "http://127.0.0.1:4200/api"  # where `prefect server start` listens
LOCAL_HOSTS = ("127.0.0.1", "localhost")
TIMEOUT_S = 5.0
_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # 16 s seen, more on a busy machine
}


def prepare_environment() -> None:
    """Set what the user has not: no telemetry, a patient start, and a server found running.

    Nor does a proxy come between the parts of a run, which are all on this machine.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    proxies = urllib.request.getproxies_environment().keys() - {"no"}
    if proxies and direct != "*":
        hosts = [*filter(None, direct.split(",")), *LOCAL_HOSTS]
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys(hosts))
    if "PREFECT_API_URL" not in os.environ and answers(LOCAL_API):
        os.environ["PREFECT_API_URL"] = LOCAL_API


def require_server(url: str | None) -> str:
    """Say where the run can be watched; `url` is what Prefect is set to, None for no server.

    Raises:
        BackdropError: a server is set and does not answer.
    """
    if url is None:
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


def answers(api: str) -> bool:
    """True if a Prefect server is up at `api`."""
    if not api.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=TIMEOUT_S) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
