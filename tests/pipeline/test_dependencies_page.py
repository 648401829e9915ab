"""docs/dependencies.md, pyproject.toml and constraints.txt name the same packages."""

from __future__ import annotations

import re
import tomllib

from helpers_dvc import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
ASKED_FOR = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


def _name(requirement: str) -> str:
    return re.split(r"[<>=!~ \[]", requirement)[0].lower().replace("_", "-")


def test_every_dependency_has_a_reason_and_no_other_is_listed() -> None:
    page = (REPOSITORY / "docs" / "dependencies.md").read_text()
    rows = page.partition("## To run")[2].partition("## Which OpenCV")[0]
    listed = {
        name
        for row in rows.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    assert listed == {_name(requirement) for requirement in ASKED_FOR}


def test_every_dependency_is_pinned() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {_name(line) for line in lines if "==" in line}
    assert {_name(requirement) for requirement in ASKED_FOR} <= pinned


def test_the_opencv_build_needs_no_display() -> None:
    builds = {_name(r) for r in ASKED_FOR if _name(r).startswith("opencv")}
    assert builds == {"opencv-contrib-python-headless"}
