"""Augmentations of self-training: labels stay on their subjects; only subjects change clothes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.training.augment import orthogonal
from pipeline.training.student_augment import dye, light, move, paste


def rng(seed=0):
    return np.random.default_rng(seed)


def coordinates(batch=6, height=24, width=32):
    """Smooth x and y of each pixel, in [0, 1]; twice, as image and as label."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y, x * y, x, y]).expand(batch, -1, -1, -1).contiguous()


@pytest.mark.parametrize("seed", range(3))
def test_image_and_label_move_together(seed):
    moved = move(coordinates(), rng(seed))
    torch.testing.assert_close(moved[:, :2], moved[:, 3:])
    assert (moved - coordinates()).abs().amax(dim=(1, 2, 3)).min() > 0.05  # and they do move


def test_a_similarity_keeps_the_aspect_of_a_square():
    """x and y of the source along the image's axes: equal steps, at right angles, in px."""
    height, width = 48, 96
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(96.0), indexing="ij")
    moved = move(torch.stack([x, y]).expand(8, -1, -1, -1).contiguous(), rng(3))
    centre = moved[:, :, height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1]
    right, down = centre[:, :, 0, 1] - centre[:, :, 0, 0], centre[:, :, 1, 0] - centre[:, :, 0, 0]
    torch.testing.assert_close(right.norm(dim=1), down.norm(dim=1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close((right * down).sum(1), torch.zeros(8), rtol=0, atol=1e-3)


def subject(batch=4):
    image = torch.rand(batch, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    mask = torch.zeros(batch, 1, 24, 32)
    mask[:, :, 6:18, 10:20] = 1
    return image, mask


def test_dye_changes_the_subject_and_nothing_else():
    image, mask = subject()
    dyed = dye(image, mask, 1.0, rng())
    inside = mask.expand_as(image) > 0
    assert torch.equal(dyed[~inside], image[~inside])
    change = (dyed - image).abs().mean(dim=1)[mask[:, 0] > 0].view(4, -1).mean(dim=1)
    assert (change > 0.02).all()
    assert torch.equal(dye(image, mask, 0.0, rng()), image)


def test_rotations_of_colour_are_uniform_over_rotations_and_reflections():
    """Of Haar's measure each entry has mean 0 and mean square 1/3, and half mirror."""
    Q = orthogonal(rng().standard_normal((4000, 3, 3)))
    np.testing.assert_allclose(Q @ Q.swapaxes(1, 2), np.broadcast_to(np.eye(3), Q.shape), atol=1e-9)
    assert np.abs(Q.mean(axis=0)).max() < 0.04  # four deviations
    assert np.abs(np.square(Q).mean(axis=0) - 1 / 3).max() < 0.03
    assert abs(np.linalg.det(Q).mean()) < 0.07


def test_dye_turns_a_colour_as_often_into_its_opposite_as_it_keeps_it():
    image, mask = subject(batch=2000)
    reddish = image.clone()
    reddish[:, 0, 6:18, 10:15] += 0.1
    dyed = dye(reddish, mask, 1.0, rng())
    left, right = dyed[:, :, 6:18, 10:15].mean(dim=(2, 3)), dyed[:, :, 6:18, 15:20].mean(dim=(2, 3))
    assert (left - right).mean(dim=0).abs().max() < 0.006


def test_dye_without_a_subject_changes_nothing():
    image, mask = subject()
    assert torch.equal(dye(image, torch.zeros_like(mask), 1.0, rng()), image)


def test_dye_keeps_the_subjects_texture_up_to_a_rotation_and_gain():
    """Distances between the colours of two pixels keep their ratios, where nothing is clipped."""
    image, mask = subject(1)
    dyed = dye(image, mask, 1.0, rng(5))
    old, new = image[0, :, 6:18, 10:20].flatten(1), dyed[0, :, 6:18, 10:20].flatten(1)
    whole = ((new > 0) & (new < 1)).all(dim=0)
    old, new = old[:, whole], new[:, whole]
    ratio = (new[:, 1:] - new[:, :1]).norm(dim=0) / (old[:, 1:] - old[:, :1]).norm(dim=0)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=1e-3)


def test_paste_brings_the_other_subject_with_its_label():
    levels = torch.linspace(0.1, 0.8, 4)[:, None, None, None]
    image = levels.expand(4, 3, 24, 32).contiguous()
    label = torch.zeros(4, 2, 24, 32)
    label[:, 1] = 0.5
    for number in range(4):  # a subject each, in its own place
        label[number, :, 4:10, 7 * number : 7 * number + 5] = 1
    before = label.clone()
    pasted = paste(image, label, 1.0, rng(2))
    for number in range(4):
        new = (pasted[number] - levels[number]).abs().amax(dim=0) > 1e-6
        source = rng(2).permutation(4)[number]
        assert source != number
        assert torch.equal(new, before[source, 0] > 0)
        assert torch.equal(label[number, 0], torch.maximum(before[number, 0], before[source, 0]))
        assert (label[number, 1][new] == 1).all()
    assert torch.equal(paste(image, label.clone(), 0.0, rng(2)), image)


def test_paste_brings_the_trust_in_each_pasted_pixel():
    """Neither full trust nor that of the pixels underneath."""
    image = torch.zeros(4, 3, 24, 32)
    label = torch.rand(4, 2, 24, 32, generator=torch.Generator().manual_seed(0))
    label[:, 0] = (torch.arange(32) < 8) & (torch.arange(24) < 12)[:, None]
    label[:, 0] = torch.stack([label[n, 0].roll(7 * n, 1) for n in range(4)])
    before, source = label.clone(), rng(2).permutation(4)
    paste(image, label, 1.0, rng(2))
    for number in range(4):
        cut = before[source[number], 0] > 0
        expected = torch.where(cut, before[source[number], 1], before[number, 1])
        torch.testing.assert_close(label[number, 1], expected)


def test_light_changes_contrast_and_level_of_each_channel():
    image, _ = subject(2)
    lit = light(image, rng())
    for one, other in zip(image.flatten(0, 1), lit.flatten(0, 1), strict=True):
        slope = (other.flatten()[1:] - other.flatten()[0]) / (one.flatten()[1:] - one.flatten()[0])
        assert slope.std() < 1e-2
        assert 0.8 <= slope.mean() <= 1.2


def test_equal_seeds_give_equal_batches():
    image, mask = subject()
    assert torch.equal(dye(image, mask, 0.5, rng(4)), dye(image, mask, 0.5, rng(4)))
    assert torch.equal(move(coordinates(), rng(4)), move(coordinates(), rng(4)))
