"""The student's loss in closed form, and that it learns a toy subject it then finds elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models.segmentation_metrics import region_similarity
from models.student import Student
from pipeline.params.self_train import SelfTrain
from pipeline.training.loop import iteration_rng
from pipeline.training.student_step import mask_losses, student_loss


def test_losses_in_closed_form():
    target = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    logits = torch.logit(torch.tensor([0.8, 0.6, 0.3, 0.1])).view(1, 1, 2, 2)
    weight = torch.tensor([1.0, 0.5, 1.0, 0.0]).view(1, 1, 2, 2)
    entropy, overlap = mask_losses(logits, torch.cat([target, weight], dim=1))
    expected = -(np.log(0.8) + 0.5 * np.log(0.6) + np.log(0.7)) / 2.5
    assert float(entropy) == pytest.approx(expected, rel=1e-5)
    both = 0.8 + 0.5 * 0.6
    total = (0.8**2 + 1) + 0.5 * (0.6**2 + 1) + 0.3**2
    assert float(overlap) == pytest.approx(1 - 2 * both / total, rel=1e-5)


def test_pixels_without_trust_teach_nothing():
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    label = torch.zeros(1, 2, 4, 4)
    label[:, 0, :2], label[:, 1, :, :2] = 1, 1
    sum(mask_losses(logits, label)).backward()
    assert (logits.grad[..., 2:] == 0).all()
    assert (logits.grad[..., :2] != 0).all()


def toy(count: int, seed: int) -> torch.Tensor:
    """Bright discs on a dark noisy ground, with wrong labels on a tenth of the pixels."""
    rng = np.random.default_rng(seed)
    stack = np.zeros((count, 5, 32, 48), np.float32)
    x, y = np.meshgrid(np.arange(48), np.arange(32))
    for one in stack:
        centre = rng.uniform((10, 10), (38, 22))
        disc = np.hypot(x - centre[0], y - centre[1]) < 6
        one[:3] = np.where(disc, 0.8, 0.2) + rng.normal(0, 0.05, (3, 32, 48))
        one[3] = disc ^ (rng.random(disc.shape) < 0.1)
        one[4] = 1
    return torch.from_numpy(stack.clip(0, 1))


class Seen(nn.Module):
    """In the student's place: keeps the images; what is bright is the subject."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.image = image
        grey = image.mean(dim=1, keepdim=True)
        low, high = grey.amin(dim=(2, 3), keepdim=True), grey.amax(dim=(2, 3), keepdim=True)
        return 40 * (grey - (low + high) / 2)


def discs() -> torch.Tensor:
    """(8, 5, 32, 48): a bright disc on dark ground, its label, full trust."""
    x, y = np.meshgrid(np.arange(48), np.arange(32))
    disc = torch.from_numpy(np.hypot(x - 24, y - 16) < 8).float()
    image = 0.2 + 0.6 * disc
    return torch.stack([image, image, image, disc, torch.ones_like(disc)]).repeat(8, 1, 1, 1)


def test_the_student_sees_moved_images_and_is_told_labels_that_moved_with_them():
    student, stack = Seen(), discs()
    params = SelfTrain(recolour=0, paste=0)
    _, terms = student_loss(student, stack, params, np.random.default_rng(0))
    assert float(terms["dice"]) < 0.1
    for seen, image in zip(student.image.mean(dim=1), stack[:, 0], strict=True):
        # Another light alone would be a straight line from level to level.
        both = torch.stack([seen.flatten(), image.flatten()])
        assert torch.corrcoef(both)[0, 1] < 0.98


@pytest.mark.parametrize("recolour", [0, 1])
def test_the_student_sees_subjects_in_other_colours(recolour):
    """All is grey at first: moving and lighting it leave each channel one level."""
    student, stack = Seen(), discs()
    stack[:, :3] = 0.5
    params = SelfTrain(recolour=recolour, paste=0)
    student_loss(student, stack, params, np.random.default_rng(0))
    spread = student.image.flatten(2).std(dim=2).amax(dim=1)
    assert ((spread > 0.01) == bool(recolour)).all()


def test_it_learns_a_toy_subject_through_wrong_labels():
    torch.manual_seed(0)
    params = SelfTrain(encoder="none", channels=4, recolour=0.2)
    student = Student(4, imagenet=False).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2)
    data, losses = toy(32, 0), []
    for iteration in range(60):
        rng = iteration_rng(0, iteration)
        batch = data[rng.integers(0, 32, 8)]
        loss, terms = student_loss(student, batch, params, rng)
        assert set(terms) == {"loss", "entropy", "dice"}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])  # a tenth of labels is wrong
    held_out = toy(4, 1)
    found = student.eval()(held_out[:, :3])[:, 0] > 0
    clean = held_out[:, :3].mean(dim=1) > 0.5
    scores = [
        region_similarity(mask.numpy(), truth.numpy())
        for mask, truth in zip(found, clean, strict=True)
    ]
    assert np.mean(scores) > 0.8


def test_the_student_sees_each_image_in_another_light():
    """All is of one grey: moving it changes nothing."""
    student, stack = Seen(), discs()
    stack[:, :3] = 0.5
    student_loss(student, stack, SelfTrain(recolour=0, paste=0), np.random.default_rng(0))
    levels = student.image.mean(dim=(2, 3))
    assert (levels.amax(dim=0) - levels.amin(dim=0)).min() > 0.02
