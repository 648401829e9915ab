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


def test_padding_leaves_what_is_far_from_it_unchanged():
    """An image cut out of a larger one of full stride gives nearly the same inside."""
    torch.manual_seed(0)
    student = Student(4, imagenet=False).eval()
    image = torch.rand(1, 3, 30, 44)
    padded = torch.nn.functional.pad(image, (0, 4, 0, 2), mode="replicate")
    torch.testing.assert_close(student(image), student(padded)[..., :30, :44])
