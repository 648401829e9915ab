from __future__ import annotations

import pytest

from pipeline import library_versions
from pipeline.errors import BackdropError
from pipeline.fingerprint import fingerprint

STAGE = "stages.train_model"


def test_it_tells_params_inputs_and_code_apart(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    base = fingerprint(STAGE, {"a": 1}, [one, two])
    assert fingerprint(STAGE, {"a": 1}, [two, one]) == base
    assert fingerprint(STAGE, {"a": 2}, [one, two]) != base
    assert fingerprint(STAGE, {"a": 1}, [one]) != base
    assert fingerprint("stages.predict", {"a": 1}, [one, two]) != base
    two.write_bytes(b"3")
    assert fingerprint(STAGE, {"a": 1}, [one, two]) != base


def test_it_tells_versions_of_libraries_apart(monkeypatch):
    base = fingerprint(STAGE, {}, [])
    installed = library_versions.version
    newer = {"torch": "99.0"}
    monkeypatch.setattr(
        library_versions, "version", lambda name: newer.get(name) or installed(name)
    )
    assert fingerprint(STAGE, {}, []) != base


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(BackdropError, match="gone: is missing"):
        fingerprint(STAGE, {}, [tmp_path / "gone"])
