"""Which split `prepare_data` puts a video into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from pipeline.params.data import TRAINED_ON, PrepareData, Split


def matched(params: PrepareData, videos: Sequence[str]) -> Iterator[tuple[str, Split, list[str]]]:
    """Each name or pattern of `splits`, its split, and the videos that it fits.

    Of two that fit a video the later one counts: patterns come in the order of how many letters
    they give, a video's own name after all of them. So the order in the file does not matter,
    which DVC would not see change.
    """

    def precise(pattern: str) -> tuple[bool, int, str]:
        return pattern in videos, len(pattern) - pattern.count("*") - pattern.count("?"), pattern

    for pattern in sorted(params.splits, key=precise):
        if pattern in videos:
            fits = [pattern]
        else:
            fits = [video for video in videos if fnmatchcase(video, pattern)]
        yield pattern, params.splits[pattern], fits


def trained_on(params: PrepareData, videos: Sequence[str]) -> list[str]:
    """The videos that will be trained on, of `source: videos`."""
    split_of: dict[str, Split] = dict.fromkeys(videos, params.default_split)
    for _, split, fits in matched(params, videos):
        split_of.update(dict.fromkeys(fits, split))
    return [video for video in videos if split_of[video] in TRAINED_ON]
