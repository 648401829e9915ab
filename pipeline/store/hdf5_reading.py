"""An HDF5 file that is read: where its bytes are wrong, one line tells it.

h5py tells it by errors of several kinds, once what was spoilt is read. The file is then in use by
a stage, open beside others, one of which it writes: there, an OSError would tell of a full disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from pipeline.errors import BackdropError

ABSENT = ("doesn't exist", "can't locate attribute")
"""What h5py says where a whole file has nothing of that name."""


class HDF5Reader(h5py.File):  # type: ignore[misc]
    """A file, its attributes and the data sets in it; each reads as h5py's.

    Raises:
        BackdropError: what is asked for is damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r")

    def __getitem__(self, name: str) -> Any:
        with damage_told(self):
            found = super().__getitem__(name)
        return _Dataset(found.id) if isinstance(found, h5py.Dataset) else found

    @property
    def attrs(self) -> h5py.AttributeManager:
        """What the file says about itself."""
        return _Attributes(self)


class _Dataset(h5py.Dataset):  # type: ignore[misc]
    def __getitem__(self, *asked: Any) -> Any:
        with damage_told(self):
            return super().__getitem__(*asked)


class _Attributes(h5py.AttributeManager):  # type: ignore[misc]
    def __init__(self, file: h5py.File) -> None:
        super().__init__(file)
        self._owner = file

    def __getitem__(self, name: str) -> Any:
        with damage_told(self._owner):
            return super().__getitem__(name)

    def __contains__(self, name: str) -> bool:
        with damage_told(self._owner):
            return bool(super().__contains__(name))


@contextmanager
def damage_told(owner: h5py.File | h5py.Dataset) -> Iterator[None]:
    """Raise `damaged`, of the owner's file, for h5py's errors of wrong bytes."""
    try:
        yield
    except (KeyError, OSError, RuntimeError) as error:
        of_system = isinstance(error, OSError) and error.errno is not None  # a disk that fails
        if of_system or any(words in str(error) for words in ABSENT):
            raise
        raise damaged(Path(owner.file.filename), "some of it cannot be read") from error


def damaged(path: Path, why: str) -> BackdropError:
    """The line for an HDF5 file that is not whole."""
    return BackdropError(
        f"is damaged or cut short ({why})",
        where=str(path),
        remedy="delete it and run `dvc repro`",
    )
