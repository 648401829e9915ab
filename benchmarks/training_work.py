"""What the trainings of a preset do in a step: their networks, losses and sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones import make_stages
from models.flow.loss import multi_scale_epe
from models.flownet2.weights import VARIANTS
from models.inpainter import Inpainter
from models.known_background import BackgroundModel, KnownBackground
from models.objectives import exact_background_objective
from models.perceptual import PerceptualFeatures
from models.reconstruction import ReconstructionLoss
from models.student import Student
from pipeline.device import place
from pipeline.networks import build_model
from pipeline.params.preset import load_preset
from pipeline.params.schema import Params
from pipeline.params.training import Inpainter as InpainterParams
from pipeline.training.inpainter_step import inpainter_step
from pipeline.training.kept_images import KeptImages
from pipeline.training.model_step import Batch, Frozen, model_loss
from pipeline.training.student_step import student_loss


@dataclass(frozen=True)
class Work:
    """A network's loss, what it trains, all networks that it runs, and its images per step."""

    loss: Callable[[], Tensor]
    trained: nn.Module
    networks: list[nn.Module]
    batch: int


class Bench:
    """Networks and data of a preset's sizes.

    Args:
        device: cpu or cuda.
        channels_last: memory format of weights and images.
        preset: of `backdrop init`.
    """

    def __init__(self, device: torch.device, channels_last: bool, preset: str) -> None:
        self.params = Params.model_validate(load_preset(preset).params)
        self.device, self.channels_last = device, channels_last
        network = self.params.network
        stored = np.random.default_rng(0).integers(
            0, 256, (256, network.height, network.width, 3), np.uint8
        )
        self.stored = KeptImages(stored)

    def images(self, batch: int) -> Tensor:
        """A batch as `TrainingFrames` makes it: (B, 3, H, W) in [0, 1]."""
        chosen = [7 * i % len(self.stored.images) for i in range(batch)]
        images = self.stored.batch(chosen, self.device)
        return images if self.channels_last else images.contiguous()

    def put(self, module: nn.Module) -> nn.Module:
        return place(module, self.device) if self.channels_last else module.to(self.device)

    def inpainter(self, params: InpainterParams) -> Work:
        network = Inpainter(params.channels)
        self.put(network)
        images = self.images(params.batch_size)
        rng = np.random.default_rng(0)
        return Work(
            lambda: inpainter_step(network, images, params, rng),
            network, [network], params.batch_size,
        )  # fmt: skip

    def behind(self) -> BackgroundModel:
        """What the preset puts behind the subject in frames."""
        rgb, network = self.params.train_inpainter.rgb, self.params.network
        if rgb.background == "inpainted":
            return Inpainter(rgb.channels)
        return KnownBackground(1, network.height, network.width)

    def detector(self) -> Work:
        params = self.params.train_model
        network = build_model(params).detector
        self.put(network)
        images = self.images(params.batch_size)
        density = torch.rand(params.batch_size, params.detector.grid**2, device=self.device)

        def loss() -> Tensor:
            proposals = network(images)
            return (
                exact_background_objective(proposals.probability, density) + proposals.boxes.sum()
            )

        return Work(loss, network, [network], params.batch_size)

    def synthesis(self) -> Work:
        params = self.params.train_model
        model = build_model(params)
        self.put(model)
        images = self.images(params.batch_size)
        boxes = torch.tensor([0.5, 0.5, 0.4, 0.4], device=self.device)
        boxes = boxes.repeat(params.batch_size, 1).requires_grad_()

        def loss() -> Tensor:
            foreground, mask = model.synthesise(images, boxes, images.flip(0))
            return foreground.mean() + mask.mean()

        return Work(loss, model.synthesis, [model.synthesis], params.batch_size)

    def model_step(self, perceptual: float) -> Work:
        params = self.params.train_model
        size = params.batch_size
        model = build_model(params)
        flow_channels = self.params.train_inpainter.flow.channels
        rgb, flow = self.behind().eval(), Inpainter(flow_channels).eval()
        features = PerceptualFeatures(make_stages("imagenet")) if perceptual > 0 else None
        distance = ReconstructionLoss(1.0, perceptual, features)
        for module in (model, rgb.requires_grad_(False), flow.requires_grad_(False), distance):
            self.put(module)
        frozen = Frozen(rgb, flow, 1.0, 1.0, distance)
        generator = torch.Generator().manual_seed(0)

        def loss() -> Tensor:
            ok = torch.ones(size, device=self.device)
            batch = Batch(self.images(size), self.images(size), ok, flipped=False)
            return model_loss(model, frozen, batch, params, generator)[0]

        networks = [model.detector, model.synthesis, rgb, flow, distance]
        return Work(loss, model, networks, size)

    def student(self) -> Work:
        params = self.params.self_train
        network = Student(params.channels, params.encoder == "imagenet")
        self.put(network)
        side = min(params.longest_side, self.params.extract_frames.longest_side)
        images = self.images(params.batch_size)
        images = F.interpolate(images, scale_factor=side / max(images.shape[2:]))
        label = (images[:, :2] > 0.5).float()  # a mask, and the trust in it
        stack = torch.cat([images, label], dim=1)
        rng = np.random.default_rng(0)
        return Work(
            lambda: student_loss(network, stack, params, rng)[0],
            network, [network], params.batch_size,
        )  # fmt: skip

    def flow_network(self) -> Work:
        params = self.params.train_flow
        network = VARIANTS[params.variant](params.width)
        self.put(network)
        size = params.crop_height, params.crop_width
        images = F.interpolate(self.images(2 * params.batch_size), size)
        flow = torch.rand(params.batch_size, 2, *size, device=self.device)

        def loss() -> Tensor:
            return multi_scale_epe(network.pyramid(*images.chunk(2)), flow)

        return Work(loss, network, [network], params.batch_size)

    def works(self) -> dict[str, Callable[[], Work]]:
        sections = self.params.train_inpainter
        learnt = {"inpainter, frames": lambda: self.inpainter(sections.rgb)}
        return {
            **(learnt if sections.rgb.background == "inpainted" else {}),
            "inpainter, flow": lambda: self.inpainter(sections.flow),
            "D": self.detector,
            "S": self.synthesis,
            "model step": lambda: self.model_step(0.0),
            "model step, perceptual": lambda: self.model_step(2.0),
            "student step": self.student,
            "flow network, pairs": self.flow_network,
        }
