"""`python -m benchmarks.metrics` measures only where that is asked for."""

from __future__ import annotations

import pytest

from benchmarks import metrics


def test_help_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metrics", "--help"])
    monkeypatch.setattr(metrics, "milliseconds", lambda *_: pytest.fail("measured"))
    with pytest.raises(SystemExit) as ended:
        metrics.main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("usage: metrics")
