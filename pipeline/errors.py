"""Errors a user can mend: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from models.gpu_memory import ran_out

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, of commands and stages."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MAKE_ROOM = "free disk space or make the folder writable, then run the same again"


class BackdropError(Exception):
    """A mistake in the user's data, params or machine; printed as one line, never as a traceback.

    Args:
        what: what is wrong, in plain words.
        where: the file, frame or param at fault.
        remedy: what the user can do about it.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" — {self.remedy}" if self.remedy else ""
        return " ".join(f"{place}{self.what}{remedy}".split())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def unreadable(path: Path, error: OSError) -> BackdropError:
    """A file that is there, or should be, and that the system does not let us read."""
    return BackdropError(
        f"cannot be read ({error.strerror})",
        where=str(path),
        remedy="check the path and who may read it, or copy the file again",
    )


def look_for(path: Path, where: str) -> os.stat_result | None:
    """What the system tells of a path that a param names; None if there is no such thing.

    Args:
        path: as the user gave it.
        where: the param.

    Raises:
        BackdropError: the system refuses to look: too long a name, a folder that may not be read.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in its name
        return None
    except OSError as error:
        raise BackdropError(
            f"its path cannot be looked up ({error.strerror})",
            where=where,
            remedy="correct the path, or let this user read its folders",
        ) from error


def cannot_be_made(folder: Path, error: OSError) -> BackdropError:
    """A folder that the project needs and that the system does not let us make."""
    return BackdropError(
        f"cannot be made ({error.strerror})",
        where=str(folder),
        remedy="make the folder above it writable, or free disk space",
    )


def no_space(error: OSError, where: str) -> BackdropError:
    """What found a disk full, by its own name or at `where`; any other error is raised again."""
    if error.errno not in FULL:
        raise error
    return BackdropError(
        f"cannot write ({error.strerror})", where=str(error.filename or where), remedy=MAKE_ROOM
    )


def no_gpu_memory(error: RuntimeError, where: str = "") -> BackdropError:
    """What ran out of a GPU's memory, if it did so; any other error is raised again."""
    if not ran_out(error):
        raise error
    first_line = str(error).strip().partition("\n")[0]
    return BackdropError(
        f"the GPU's memory is too small ({first_line})",
        where=where,
        remedy="end what else runs on the GPU, run with BACKDROP_WORKERS=1, or lower the batch_size"
        " of what ran in params.yaml",
    )


def _rebuild(cls: type[BackdropError], what: str, where: str, remedy: str) -> BackdropError:
    """Unpickle across processes: keyword-only arguments do not survive the default protocol."""
    return cls(what, where=where, remedy=remedy)


def listed(names: Collection[str], most: int) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c", "d"], 3)
    'a, b, c and 1 more'
    >>> listed(["a", "b"], 3)
    'a, b'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(list(names)[:most]) + more


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy naming the closest known word, or all of them when none is close."""
    candidates = sorted(known)
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known are: {', '.join(candidates)}"
