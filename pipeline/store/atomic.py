"""Write whole or not at all: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import MAKE_ROOM, BackdropError

IN_THE_WAY = "a file stands where a folder should be: give another path, or move that file away"
REMEDIES = {
    errno.EEXIST: IN_THE_WAY,
    errno.ENOTDIR: IN_THE_WAY,
    errno.EISDIR: "that is a folder: give the name of a file",
    errno.ENAMETOOLONG: "give what it is named after a shorter name, then run the same again",
}


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path with the target's suffix; move it to `target` if the block succeeds.

    Raises:
        BackdropError: the folder is read-only or the disk is full. What stood at `target` stays.
    """
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        fsync(temporary)
        temporary.replace(target)
        fsync(target.parent)
    except OSError as error:
        raise _explain(error, target) from error
    finally:
        with suppress(OSError):  # it would take the place of the line that explains
            temporary.unlink(missing_ok=True)


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target` atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def require_writable(target: Path) -> None:
    """Find out before long work whether `target` could be written; nothing is made or changed.

    Raises:
        BackdropError: it is a folder, a file stands where its folder should be, or the folder is
            read-only. The line is the one that `atomic_path` would end with.
    """
    folder = next(parent for parent in target.absolute().parents if os.access(parent, os.F_OK))
    if not folder.is_dir():
        number = errno.ENOTDIR
    elif not os.access(folder, os.W_OK | os.X_OK):
        number = errno.EACCES
    elif target.is_dir():
        number = errno.EISDIR
    else:
        return
    raise _explain(OSError(number, os.strerror(number)), target)


def write_json(target: Path, value: Any) -> None:
    """Write JSON with sorted keys and a final newline: equal values give equal bytes."""
    write_bytes(target, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON; a missing or damaged file is an error that names it."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BackdropError(
            "is missing", where=str(path), remedy="run `dvc repro` to make it"
        ) from error
    except ValueError as error:
        raise BackdropError(
            f"is not valid JSON ({error})",
            where=str(path),
            remedy="delete it and run `dvc repro`",
        ) from error


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `target` as a whole if the block succeeds.

    What stood at `target` is removed last, once the new folder has its place.

    Raises:
        BackdropError: the folder is read-only or the disk is full, `target` is no folder, or an
            earlier run was killed while it exchanged the two. Nothing of either is lost.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    aside = target.with_name(f".{target.name}.old")  # any later run must find it: no process id
    try:
        _require_settled(target, aside)
        sweep(target)
        temporary.mkdir(parents=True)
        yield temporary
        for path in sorted(temporary.rglob("*")):
            fsync(path)
        _exchange(temporary, target, aside)
    except OSError as error:
        raise _explain(error, target, aside if os.access(aside, os.F_OK) else None) from error
    finally:
        if not os.access(aside, os.F_OK):  # else the exchange stopped half-way: both are kept
            shutil.rmtree(temporary, ignore_errors=True)


def sweep(target: Path) -> None:
    """Remove what this process, or one that was killed, has left half-done of `target`.

    What a living process works on stays: it may be another one that writes the same.
    """
    name, stem, suffix = (re.escape(part) for part in (target.name, target.stem, target.suffix))
    partial = re.compile(rf"\.(?:{name}\.(\d+)\.partial|{stem}\.(\d+)\.partial{suffix})")
    with suppress(OSError):  # what cannot be listed or removed is in nobody's way
        for path in list(target.parent.iterdir()):
            left = partial.fullmatch(path.name)
            if left is None or _is_at_work(int(left[1] or left[2])):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _is_at_work(process: int) -> bool:
    """Whether another process of this id lives."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, PermissionError)  # it is another user's
    return True


def _exchange(temporary: Path, target: Path, aside: Path) -> None:
    """Rename `temporary` to `target` and what stood there to `temporary`, or change nothing."""
    try:
        if target.exists():
            target.replace(aside)
        temporary.replace(target)
        fsync(target.parent)
    except BaseException:  # an interruption too
        if aside.exists():
            if target.exists():
                target.replace(temporary)
            aside.replace(target)
        raise
    with suppress(OSError):  # nothing may have stood there
        aside.replace(temporary)


def _require_settled(target: Path, aside: Path) -> None:
    """Undo the exchange of a killed run, and stop: the caller has to look at `target` anew."""
    if target.is_symlink() or target.is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not aside.exists():
        return
    if target.exists():
        raise BackdropError(
            f"was being replaced when an earlier run was killed; what it held may be in {aside}",
            where=str(target),
            remedy="move that folder away or delete it, then run the same again",
        )
    aside.replace(target)
    raise BackdropError(
        "was being replaced when an earlier run was killed; what it held is back in place",
        where=str(target),
        remedy="run the same again",
    )


def fsync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(error: OSError, target: Path, aside: Path | None = None) -> BackdropError:
    """The one line for a failed write; h5py reports a full disk without an errno.

    `aside` is where the old one stands, if it could not be put back.
    """
    rest = f"now in {aside}, and the same again puts it back" if aside else "unchanged"
    return BackdropError(
        f"cannot be written ({error.strerror or error})",
        where=str(target),
        remedy=f"{REMEDIES.get(error.errno or 0, MAKE_ROOM)}; what was there is {rest}",
    )
