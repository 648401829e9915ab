"""One training step of the student: augmented frames against weighted pseudo-masks."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.student import Student
from pipeline.params.self_train import SelfTrain
from pipeline.training.student_augment import dye, light, move, paste


def student_loss(
    student: Student,
    stack: Tensor,
    params: SelfTrain,
    rng: np.random.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one batch, and its terms for the curves.

    Args:
        stack: (B, 5, H, W) in [0, 1]: RGB, pseudo-mask, and the trust in each of its pixels.
        rng: of this iteration alone.
    """
    stack = move(stack, rng)
    image, label = stack[:, :3], stack[:, 3:].contiguous()
    image = dye(image, label[:, :1], params.recolour, rng)
    image = light(paste(image, label, params.paste, rng), rng)
    logits = student(image.contiguous(memory_format=torch.channels_last))
    entropy, overlap = mask_losses(logits.float(), label)
    loss = entropy + overlap
    terms = {"loss": loss, "entropy": entropy, "dice": overlap}
    return loss, {name: value.detach() for name, value in terms.items()}


def mask_losses(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy and soft Dice loss (Milletari et al., 2016), scalars.

    Args:
        logits: (B, 1, H, W).
        label: (B, 2, H, W), mask and weight of each pixel.
    """
    target, weight = label[:, :1], label[:, 1:]
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = (weight * each).sum() / weight.sum().clamp(min=1e-6)
    mask = torch.sigmoid(logits)
    both = (weight * mask * target).sum(dim=(1, 2, 3))
    total = (weight * (mask.square() + target.square())).sum(dim=(1, 2, 3))
    return entropy, (1 - 2 * both / total.clamp(min=1e-6)).mean()
