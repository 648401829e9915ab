"""Augmentations of self-training: image and label move together, the subject changes its clothes.

All draws are numpy's, of one iteration alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.training.augment import orthogonal, relight, view

ROTATION = 0.15  # radians
ZOOM = 1.4  # at most, and its inverse at least
SHIFT = 0.25  # of the half-image
LIGHT = 0.2  # change of contrast, and halved of level
DYE = 0.3  # deviation of the mean colour's change
CONTRAST = 0.4  # of the natural logarithm of the subject's own contrast


def move(stack: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirror, zoom, rotate and shift each image with all its channels alike.

    Args:
        stack: (B, C, H, W), image and label as channels of one tensor.

    Returns:
        (B, C, H, W), mirrored at the border where it shows what lies beyond.
    """
    batch = len(stack)
    mirror = rng.choice([-1.0, 1.0], batch)
    angle = rng.uniform(-ROTATION, ROTATION, batch)
    zoom = np.exp(rng.uniform(-np.log(ZOOM), np.log(ZOOM), batch))
    shift = rng.uniform(-SHIFT, SHIFT, (batch, 2))
    return view(stack, angle, zoom, shift, mirror)


def paste(image: Tensor, label: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Put another image's subject onto some of the images: more subjects, in more places.

    Args:
        image: (B, 3, H, W).
        label: (B, 2, H, W), mask and its weight; changed in place where a subject is pasted.
        share: of the images that get one.

    Returns:
        (B, 3, H, W).
    """
    other = _tensor(rng.permutation(len(image)), image).long()
    given = _tensor(rng.random(len(image)) < share, image)[:, None, None, None]
    cut = label[other, :1] * given
    label.copy_(label + cut * (label[other] - label))
    return image + cut * (image[other] - image)


def dye(image: Tensor, mask: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """x' = m + d + g Q (x - m) inside the mask: other colours on the same subject.

    Q is a random orthogonal map of colour space, m the subject's mean colour, d a random change of
    it and g of its contrast. The place stays as it is, so that a student cannot know a subject by
    what the few training subjects wear.

    Args:
        image: (B, 3, H, W) in [0, 1].
        mask: (B, 1, H, W) in [0, 1].
        share: of the images that are changed.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    batch = len(image)
    rotation = orthogonal(rng.standard_normal((batch, 3, 3)))
    rotation *= np.exp(rng.uniform(-CONTRAST, CONTRAST, batch))[:, None, None]
    change = rng.normal(0.0, DYE, (batch, 3))
    given = _tensor(rng.random(batch) < share, image)[:, None, None, None]
    area = mask.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (image * mask).sum(dim=(2, 3), keepdim=True) / area
    turned = torch.einsum("bij,bjhw->bihw", _tensor(rotation, image), image - mean)
    dyed = (mean + _tensor(change, image)[..., None, None]).clamp(0, 1) + turned
    return (image + given * mask * (dyed - image)).clamp(0, 1)


def light(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Another light: each channel's contrast and level change, one draw per image.

    Args:
        image: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3, H, W), about in [0, 1].
    """
    return relight(image, _tensor(rng.uniform(-LIGHT, LIGHT, (2, len(image), 3, 1, 1)), image))


def _tensor(values: NDArray[np.generic], like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).to(like.device)
