"""A video more costs its own work: the others' results come from DVC's cache, as they were."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from helpers_dvc import dvc, make_project
from test_fanout import OUT, calls, jobs, made, run

from pipeline import fanout, library_versions
from pipeline.store.paths import MADE, UNFINISHED

STAGES = "stages:\n  toy: {cmd: python -c '', outs: [out]}\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKDROP_WORKERS", "2")
    return make_project(tmp_path, STAGES)


def as_dvc_does() -> None:
    """Keep the outs in the cache, then delete them, as before the stage is run again."""
    told = dvc(Path(), "commit", "--force")
    assert told.returncode == 0, told.stderr
    shutil.rmtree(OUT)


def hashes() -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in OUT.iterdir()}


def test_of_one_video_more_only_that_is_made(caplog):
    first = run(jobs("a", "b"))
    before = hashes()
    as_dvc_does()
    with caplog.at_level("INFO", "backdrop"):
        second = run(jobs("a", "b", "c"))
    assert "2 of 3 videos are as they were" in caplog.text
    assert (calls("a"), calls("b"), calls("c")) == (1, 1, 1)
    assert {name: hashes()[name] for name in before} == before
    assert made() == ["a.h5", "b.h5", "c.h5"]
    assert {video: second[video] for video in first} == first, "results are given too"
    as_dvc_does()
    run(jobs("a", "b", "c", "d"))  # what was taken from the cache is remembered as well
    assert [calls(video) for video in "abcd"] == [1, 1, 1, 1]


def test_a_changed_or_removed_video_leaves_the_others_as_they_were():
    run(jobs("a", "b", "c"))
    as_dvc_does()
    run([*jobs("a"), *jobs("b", identity="2"), *jobs("c")])
    assert [calls(video) for video in "abc"] == [1, 2, 1]
    as_dvc_does()
    run(jobs("a", "c"))
    assert [calls(video) for video in "abc"] == [1, 2, 1]
    assert made() == ["a.h5", "c.h5"]


def test_where_nothing_changed_all_is_made_again():
    """`dvc repro --force`: whoever asks for that wants no old results."""
    for _ in range(2):
        run(jobs("a", "b"))
        as_dvc_does()
    assert (calls("a"), calls("b")) == (2, 2)


def test_on_another_occasion_nothing_is_made_again():
    """Another split, say: the table of videos has changed, and no video has."""
    for occasion in ("one", "other"):
        run(jobs("a", "b"), occasion=occasion)
        as_dvc_does()
    assert (calls("a"), calls("b")) == (1, 1)


def test_where_notes_cannot_be_kept_the_result_stands(caplog):
    MADE.parent.mkdir(exist_ok=True)
    MADE.write_text("in the way")
    run(jobs("a"))
    assert "cannot be kept" in caplog.text
    assert made() == ["a.h5"]


def test_other_params_code_or_libraries_make_all_again(monkeypatch):
    run(jobs("a"))
    as_dvc_does()
    run(jobs("a", "b"), params=2)
    assert calls("a") == 2
    as_dvc_does()
    monkeypatch.setattr(fanout, "source_digest", lambda module: "other")
    run(jobs("a", "b", "c"), params=2)
    assert calls("a") == 3
    as_dvc_does()
    monkeypatch.setattr(library_versions, "version", lambda name: "0")
    run(jobs("a", "b", "c", "d"), params=2)
    assert calls("a") == 4


def test_what_the_cache_lost_or_damaged_is_made_again():
    run(jobs("a", "b"))
    as_dvc_does()
    lost, damaged = sorted(path for path in Path(".dvc/cache/files").rglob("*") if _is_hdf5(path))
    lost.unlink()
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    run(jobs("a", "b", "c"))
    assert (calls("a"), calls("b"), calls("c")) == (2, 2, 1)
    assert made() == ["a.h5", "b.h5", "c.h5"]


@pytest.mark.parametrize("note", [b"", b"{", b"{}", b"[]", b"null", b"\xff"])
def test_a_damaged_note_of_what_was_made_counts_as_none(note):
    run(jobs("a", "b"))
    as_dvc_does()
    (damaged,) = MADE.rglob("a.json")
    damaged.write_bytes(note)
    (damaged.parent / "occasion.txt").write_bytes(note)
    run(jobs("a", "b", "c"))
    assert [calls(video) for video in "abc"] == [2, 1, 1]


@pytest.mark.parametrize("note", [b"{", b"{}", b"[]"])
def test_a_damaged_note_of_what_is_unfinished_counts_as_none(note):
    with pytest.raises(Exception, match="is broken"):
        run([*jobs("a", "b"), *jobs("d", kind="bad")])
    (damaged,) = UNFINISHED.rglob("a.json")
    damaged.write_bytes(note)
    run(jobs("a", "b", "d"))
    assert [calls(video) for video in "abd"] == [2, 1, 2]


def test_without_dvc_all_is_made_again(caplog):
    run(jobs("a"))
    shutil.rmtree(".dvc")
    with caplog.at_level("INFO", "backdrop"):
        run(jobs("a", "b"))
    assert "cache cannot be read" in caplog.text
    assert (calls("a"), calls("b")) == (2, 1)


def test_an_interrupted_run_keeps_what_it_made_and_takes_the_rest():
    run(jobs("a", "b"))
    as_dvc_does()
    with pytest.raises(Exception, match="is broken"):
        run([*jobs("a", "b", "c"), *jobs("d", kind="bad")])
    run(jobs("a", "b", "c", "d"))
    assert [calls(video) for video in "abcd"] == [1, 1, 1, 2]
    assert len(list(MADE.rglob("*.json"))) == 4


def _is_hdf5(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[:4] == b"\x89HDF"
