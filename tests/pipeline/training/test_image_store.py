from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from pipeline.training.image_store import ImageStore

CPU = torch.device("cpu")
COUNT = 130  # more than are read at once


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_images_are_all_read_in_order_or_only_as_they_are_asked_for(cache_mib):
    asked = []

    def read(numbers):
        asked.extend(numbers)
        return np.array(numbers, np.uint8)[:, None, None, None].repeat(3, axis=3)

    store = ImageStore("images", (COUNT, 1, 1, 3), read, cache_mib)
    assert asked == list(range(COUNT))[: COUNT * cache_mib]
    asked.clear()
    batch = store.batch([129, 0, 64], CPU)
    assert (255 * batch[:, :, 0, 0]).round().tolist() == [[129] * 3, [0] * 3, [64] * 3]
    assert asked == ([] if cache_mib else [129, 0, 64])


def test_released_images_are_gone_and_read_anew() -> None:
    original = np.arange(2 * 3, dtype=np.uint8).reshape(2, 1, 1, 3)
    store = ImageStore("images", (2, 1, 1, 3), lambda numbers: original[list(numbers)].copy(), 1)
    assert store.cached is not None
    kept = weakref.ref(store.cached)
    before = store.batch([1, 0], CPU)
    store.release()
    assert kept() is None
    assert torch.equal(store.batch([1, 0], CPU), before)
