"""The student's shapes, and that every part of it is reached by the gradient."""

from __future__ import annotations

import pytest
import torch

from models.student import Student


@pytest.mark.parametrize("size", [(32, 48), (30, 50), (72, 96), (17, 33)])
def test_any_size_comes_back_as_it_was(size):
    image = torch.rand(2, 3, *size)
    assert Student(4, imagenet=False).eval()(image).shape == (2, 1, *size)


@pytest.mark.parametrize("imagenet", [False, True])
def test_every_parameter_learns(imagenet):
    student = Student(4, imagenet=imagenet)
    student(torch.rand(2, 3, 32, 48)).square().sum().backward()
    idle = [
        name
        for name, parameter in student.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert idle == []


def test_an_image_of_odd_size_is_seen_nearly_as_in_the_larger_one_that_it_is_cut_from():
    """What is cut off is stood in for by the border's px, which errs less than black would."""
    torch.manual_seed(0)
    student = Student(4, imagenet=False).eval()
    noise = torch.rand(4, 3, 96, 128)
    larger = torch.nn.functional.avg_pool2d(noise, 25, stride=1, padding=12)
    cut = larger[..., :90, :122]
    whole = student(larger)[..., :90, :122]
    blackened = torch.nn.functional.pad(cut, (0, 6, 0, 6))
    error = (student(cut) - whole).abs()
    assert error[..., :24, :24].mean() < 0.2 * error[..., -8:, -8:].mean()
    assert error.mean() < 0.5 * (student(blackened)[..., :90, :122] - whole).abs().mean()
