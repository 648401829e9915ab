from __future__ import annotations

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
