"""The masks that are given as a video's ground truth, and the frame that each of them shows.

As many masks as frames are taken in order. Of fewer, names decide: a mask has the name or number of
its frame's picture or, of a video file, its frame's number, the first being 0, as in DAVIS and
YouTube-VOS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from pipeline.errors import BackdropError
from pipeline.video.folder import folder_images
from pipeline.video.sources import readable

Key = TypeVar("Key", str, int)


def frame_number(file: Path) -> int | None:
    """The number at the end of a file's stem; None where there is none.

    >>> frame_number(Path("frame_00012.png")), frame_number(Path("12_mask.png"))
    (12, None)
    """
    found = re.search(r"[0-9]+$", file.stem)
    return int(found[0]) if found else None


@dataclass(frozen=True)
class TruthFiles:
    """Where the masks of a video lie.

    Attributes:
        folder: of the masks, "" where there are none.
        video: file, or folder of frames.
        frames: of the video.
    """

    folder: str
    video: str
    frames: int

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Self:
        """Those of a row of the table of videos."""
        return cls(str(row["masks"]), str(row["path"]), int(row["frames"]))

    def by_frame(self) -> dict[int, Path]:
        """The masks, by the number of their frame in the video.

        Raises:
            BackdropError: the folder is missing, or holds no mask, one that fits no frame, two of
                the same frame, or more than there are frames; or a folder cannot be read.
        """
        masks = self._masks() if self.folder else []
        if len(masks) in (0, self.frames):
            return dict(enumerate(masks))
        names, found = self._names(), dict[int, Path]()
        for mask in masks:
            frame = names.frame_of(mask)
            if frame is None:
                raise self._fits_none(mask, len(masks))
            if frame in found:
                raise BackdropError(
                    f"and {found[frame].name} are two masks of frame {frame} of '{self.video}'",
                    where=str(mask),
                    remedy="remove one of them",
                )
            found[frame] = mask
        return found

    def places(self, source_frames: Sequence[int]) -> tuple[int, ...]:
        """Which of these frames of the video have a mask, as positions in the sequence.

        Raises:
            BackdropError: as `by_frame`.
        """
        masks = self.by_frame()
        return tuple(place for place, frame in enumerate(source_frames) if frame in masks)

    def rule(self) -> str:
        """How masks were matched to frames, in words; "" where there is nothing to mistake.

        Raises:
            BackdropError: as `by_frame`.
        """
        found = self.by_frame()
        if not found:
            return ""
        first, mask = next(iter(found.items()))
        if len(found) < self.frames:
            count = f"masks for {len(found)} of {self.frames} frames, by"
            if Path(self.video).is_dir():
                return f"{count} the names of the frames' pictures"
            return (
                f"{count} the numbers in their names: {mask.name} is frame {first}'s, and the "
                "first frame is 0"
            )
        names = self._names()
        if all(names.frame_of(mask) == frame for frame, mask in found.items()):
            return ""
        return f"as many masks as frames, taken in order: {mask.name} is the first frame's"

    def _masks(self) -> list[Path]:
        folder = Path(self.folder)
        if not folder.is_dir():
            raise BackdropError(
                "is missing: the table of videos names it as ground truth",
                where=self.folder,
                remedy="put it back, or run `dvc repro --force prepare_data`",
            )
        with readable(folder):
            masks = folder_images(folder)
        if not masks:
            raise BackdropError(
                f"holds no masks of '{self.video}'",
                where=self.folder,
                remedy="put them into it, or remove it",
            )
        if len(masks) > self.frames:
            raise BackdropError(
                f"holds {len(masks)} masks ({masks[0].name} to {masks[-1].name}), but "
                f"'{self.video}' has {self.frames} frames",
                where=self.folder,
                remedy="remove those that belong to no frame",
            )
        return masks

    def _names(self) -> _Names:
        video = Path(self.video)
        if not video.is_dir():
            return _Names({}, {number: number for number in range(self.frames)})
        with readable(video):
            pictures = folder_images(video)
        return _Names(
            _told_apart(picture.stem for picture in pictures),
            _told_apart(frame_number(picture) for picture in pictures),
        )

    def _fits_none(self, mask: Path, count: int) -> BackdropError:
        """What is wrong with the name of one of `count` masks."""
        given = f"with {count} masks for the {self.frames} frames of '{self.video}'"
        number = frame_number(mask)
        if Path(self.video).is_dir():
            what = f"has the name of none of the pictures: {given}, names decide"
            remedy = "name it as its frame's picture is named"
        elif number is None:
            what = f"has a name that does not end in a number: {given}, numbers decide"
            remedy = "name it after its frame (00012.png; the first is 0), or give all masks"
        else:
            what = f"is of no frame of '{self.video}', which has frames 0 to {self.frames - 1}"
            remedy = "name masks after their frames, of which the first is 0"
            if number == self.frames:
                remedy += ": if these names count from 1, lower each by 1"
        return BackdropError(what, where=str(mask), remedy=remedy)


class _Names(NamedTuple):
    """The frames that a name or a number stands for."""

    stems: Mapping[str, int]
    numbers: Mapping[int, int]

    def frame_of(self, mask: Path) -> int | None:
        number = frame_number(mask)
        by_number = None if number is None else self.numbers.get(number)
        return self.stems.get(mask.stem, by_number)


def _told_apart(keys: Iterable[Key | None]) -> dict[Key, int]:
    """The place of each key that is there only once."""
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        if key is not None:
            places.setdefault(key, []).append(place)
    return {key: found[0] for key, found in places.items() if len(found) == 1}
