"""What `init` fitted to the videos is fitted anew; what somebody has set since stays."""

from __future__ import annotations

import yaml

from pipeline.params.fitted import Fitted, read_fitted, refit
from pipeline.params.preset import compose
from pipeline.params.schema import Params
from pipeline.params.write import render_params

FIRST = Fitted(
    "static-camera",
    {
        "network.height": 64,
        "network.width": 112,
        "extract_frames.stride": 2,
        "extract_frames.max_frames": None,
    },
)
SECOND = Fitted(
    "static-camera",
    {
        "network.height": 112,
        "network.width": 64,
        "extract_frames.stride": 3,
        "extract_frames.max_frames": 100,
    },
)
OWN = {"network": {"height": 64, "width": 112}, "extract_frames": {"stride": 2}}
TEXT = render_params(compose(OWN), FIRST)


def _changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_what_is_written_reads_back() -> None:
    assert read_fitted(TEXT) == FIRST
    assert read_fitted(render_params(Params())) is None
    assert refit(render_params(Params()), SECOND) == render_params(Params())
    assert refit(TEXT, FIRST) == TEXT


def test_all_is_fitted_anew_and_the_rest_stays_as_it_is() -> None:
    edited = _changed(TEXT, "  gap: 1", "  # mine\n  gap: 4") + "# the end\n"
    text = refit(edited, SECOND)
    values = yaml.safe_load(text)
    assert values["network"]["height"] == 112
    assert values["network"]["width"] == 64
    assert values["extract_frames"]["stride"] == 3
    assert values["extract_frames"]["max_frames"] == 100
    assert values["stabilize"]["gap"] == 4
    assert read_fitted(text) == SECOND
    assert refit(text, FIRST) == edited


def test_what_dvc_has_written_anew_is_still_fitted() -> None:
    """It writes null as nothing at all."""
    rewritten = _changed(TEXT, "max_frames: null", "max_frames:     ")
    values = yaml.safe_load(refit(rewritten, SECOND))["extract_frames"]
    assert (values["stride"], values["max_frames"]) == (3, 100)


def test_a_section_that_was_set_by_hand_stays() -> None:
    edited = _changed(TEXT, "stride: 2", "stride: 5")
    text = refit(edited, SECOND)
    values = yaml.safe_load(text)
    assert values["extract_frames"] == yaml.safe_load(edited)["extract_frames"]
    assert values["network"]["height"] == 112
    # Nor is it taken for fitted the next time.
    assert yaml.safe_load(refit(text, FIRST))["extract_frames"]["stride"] == 5


def test_a_section_in_another_style_stays() -> None:
    values = yaml.safe_load(TEXT)
    head = "\n".join(TEXT.splitlines()[:4])
    body = yaml.safe_dump({**values, "network": None}).replace(
        "network: null", f"network: {yaml.safe_dump(values['network'], default_flow_style=True)}"
    )
    text = refit(f"{head}\n{body}", SECOND)
    assert yaml.safe_load(text)["network"] == values["network"]
    assert yaml.safe_load(text)["extract_frames"]["stride"] == 3
    assert dict(read_fitted(text).values)["network.height"] == 64  # type: ignore[union-attr]
