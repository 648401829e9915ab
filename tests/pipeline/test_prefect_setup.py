"""Which Prefect server a run reports to."""

from __future__ import annotations

import http.server
import os
import resource
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import prefect_setup
from pipeline.errors import BackdropError
from pipeline.prefect_setup import answers, prepare_environment, require_server


class _Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Health) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/api"
        running.shutdown()
        thread.join()


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*prefect_setup._SETTINGS, "PREFECT_API_URL", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_server_is_told_by_its_health(server: str) -> None:
    assert answers(server)
    assert answers(f"{server}/")
    assert not answers(f"{server}/elsewhere")
    assert not answers("http://127.0.0.1:9/api")
    assert not answers("file:///etc/hostname")


def test_a_running_server_is_used(server: str, clean: pytest.MonkeyPatch) -> None:
    clean.setattr(prefect_setup, "LOCAL_API", server)
    prepare_environment()
    assert os.environ["PREFECT_API_URL"] == server
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_what_the_user_set_stays(server: str, clean: pytest.MonkeyPatch) -> None:
    clean.setattr(prefect_setup, "LOCAL_API", server)
    clean.setenv("PREFECT_API_URL", "http://other/api")
    clean.setenv("DO_NOT_TRACK", "0")
    prepare_environment()
    assert os.environ["PREFECT_API_URL"] == "http://other/api"
    assert os.environ["DO_NOT_TRACK"] == "0"


def test_without_a_server_the_run_has_its_own(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean.setattr(prefect_setup, "LOCAL_API", "http://127.0.0.1:9/api")
    prepare_environment()
    assert "PREFECT_API_URL" not in os.environ
    assert "no Prefect server is running" in require_server(None, tmp_path / "prefect")
    assert list(tmp_path.rglob("*")) == [tmp_path / "prefect"]


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackdropError) as told:
        require_server(None, tmp_path / "file" / "prefect")
    assert str(told.value) == (
        f"{tmp_path}/file/prefect: Prefect's server cannot keep its data there (Not a directory)"
        " — set PREFECT_HOME to a writable folder with 8 MiB free"
    )


def test_a_home_without_room_is_told(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(BackdropError, match=r"cannot keep its data there \(File too large\)"):
            require_server(None, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["no_proxy", "NO_PROXY", None])
def test_no_proxy_comes_between(server: str, clean: pytest.MonkeyPatch, given: str | None) -> None:
    clean.setattr(prefect_setup, "LOCAL_API", server)
    clean.setattr(urllib.request, "_opener", None)  # which knows the proxy of the first request
    clean.setenv("http_proxy", "http://127.0.0.1:9")
    if given:
        clean.setenv(given, "intranet.example")
    assert not answers(server)
    prepare_environment()
    assert os.environ["PREFECT_API_URL"] == server
    for name in ("no_proxy", "NO_PROXY"):
        assert os.environ[name].endswith("127.0.0.1,localhost")
        assert ("intranet.example" in os.environ[name]) == (given is not None)


def test_the_address_to_watch(server: str, tmp_path: Path) -> None:
    assert require_server(server, tmp_path) == f"watch this run at {server.removesuffix('/api')}"


def test_a_server_that_is_set_must_answer(tmp_path: Path) -> None:
    with pytest.raises(BackdropError, match="no Prefect server answers"):
        require_server("http://127.0.0.1:9/api", tmp_path)
