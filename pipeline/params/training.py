"""Params of the training stages: network, train_inpainter, train_model; and of the machine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.params.base import LearningRate, NonNegative, PositiveInt, Probability, Section
from pipeline.params.optimisation import Optimisation


class Compute(Section):
    """The machine. Threads change the last bits of a result, therefore they are a param."""

    of_no_effect = frozenset({"resume", "checkpoint_every", "cache_mib"})
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int = Field(2, ge=1, le=256, description="CPU threads of a training stage")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of convolutions in training; auto: bfloat16 where it is fast"
    )
    compile: bool = Field(
        False, description="torch.compile; needs a C++ compiler, did not pay where measured (CPU)"
    )
    resume: Literal["auto", "never", "require"] = Field(
        "auto", description="continue an interrupted training of the same fingerprint"
    )
    checkpoint_every: PositiveInt = Field(200, description="iterations")
    cache_mib: int = Field(
        1024, ge=0, description="MiB of frames kept in memory while training, and as many of flow"
    )


class Network(Section):
    """What both inpainters and the model share."""

    height: int = Field(72, ge=32, le=2048, multiple_of=8, description="px of the network's input")
    width: int = Field(96, ge=32, le=2048, multiple_of=8, description="px of the network's input")


class Inpainter(Section):
    """Training of one inpainting network (3.2, 3.4)."""

    iterations: PositiveInt = 2000
    batch_size: PositiveInt = 16
    learning_rate: LearningRate = 2e-3
    channels: int = Field(32, ge=4, le=512, description="of the first layer; deeper ones have 2-4x")
    hole_min: float = Field(0.15, gt=0.0, le=1.0, description="side of a hole, share of the image")
    hole_max: float = Field(0.5, gt=0.0, le=1.0, description="side of a hole, share of the image")
    holes: PositiveInt = Field(2, description="holes per image")
    augment: bool = Field(True, description="random rotation, zoom and shift of the frames")
    optimisation: Optimisation = Optimisation()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hole_min > self.hole_max:
            raise ValueError("hole_min must not exceed hole_max")
        return self


class RgbInpainter(Inpainter):
    """What stands behind the subject in frames: inpainted (3.2), or known beforehand (3.1)."""

    background: Literal["inpainted", "median", "image"] = Field(
        "inpainted",
        description="inpainted: from a hole's surroundings; median: of each video, for still "
        "cameras; image: pictures in background_images",
    )
    background_images: str = Field(
        "data/backgrounds", description="picture, or folder of such, one per camera"
    )


class TrainInpainter(Section):
    """The two inpainters: frames (rgb) and flow images (flow)."""

    rgb: RgbInpainter = RgbInpainter()
    flow: Inpainter = Inpainter()


class DetectorParams(Section):
    """Detector D (3): a grid of cells, each with a probability and a box."""

    grid: int = Field(8, ge=2, le=32, description="cells per side; C = grid squared")
    channels: int = Field(32, ge=4, le=512)
    scale_min: Probability = Field(0.2, description="smallest box side, share of the image")
    scale_max: Probability = Field(0.8, description="largest box side, share of the image")
    scale_initial: Probability = Field(0.3, description="box side at the start of training")
    offset_limit: float = Field(1.5, gt=0.0, le=10.0, description="box sides from cell to centre")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.0 < self.scale_min < self.scale_initial < self.scale_max:
            raise ValueError("needs 0 < scale_min < scale_initial < scale_max")
        return self


class SynthesisParams(Section):
    """Synthesis S: window to foreground and mask."""

    window: int = Field(48, ge=16, le=256, multiple_of=8, description="px of the cropped window")
    channels: int = Field(24, ge=4, le=512)
    see_background: bool = Field(
        True, description="S also sees the inpainted window: one image at test time all the same"
    )
    focal: bool = Field(True, description="Focal Spatial Transformer; false: the plain one")


class SamplingParams(Section):
    """Monte Carlo estimate of the expectation over cells (3.3)."""

    method: Literal["importance", "uniform", "gumbel_softmax", "exact"] = Field(
        "importance", description="exact: all cells, Eq. (2), slow"
    )
    samples: PositiveInt = Field(1, description="J, cells drawn per image")
    epsilon: float = Field(0.002, ge=0.0, lt=0.25, description="Eq. (6); times C below 1")
    temperature: float = Field(0.1, gt=0.0, description="of gumbel_softmax")


class LossParams(Section):
    """Weights of the objective's terms (3.4)."""

    pixel: NonNegative = 1.0
    perceptual: NonNegative = 2.0
    perceptual_encoder: Literal["imagenet", "resnet18", "resnet50"] = Field(
        "imagenet", description="of the perceptual features"
    )
    perceptual_encoder_weights: str = Field("auto", description="auto: ImageNet's | a file")
    flow: NonNegative = Field(
        1.0, description="of the flow background objective; 0: without flow, also in the next two"
    )
    flow_mask: NonNegative = Field(
        0.25, description="of the flow objective on masks, ours; 0 as in the paper"
    )
    box_fit: NonNegative = Field(
        1.0, description="pulls a box to what moves in it, ours; 0 as in the paper"
    )
    probability_prior: NonNegative = 0.1
    mask_prior: Literal["v", "l1", "l2", "none"] = "v"
    mask_prior_weight: NonNegative = 0.25
    mask_prior_lambda: Probability = Field(0.005, description="lambda of Eq. (7)")


class WatchParams(Section):
    """Looks at some training frames while D and S train; without labels."""

    every: PositiveInt = Field(
        100,
        description="iterations between two looks; one at the end, too, unless one was just before",
    )
    collapse: Literal["stop", "warn"] = Field("stop", description="what a sustained collapse does")
    early_stop: int = Field(
        0,
        ge=0,
        description="looks without a better score before it stops, keeping the best; 0: off",
    )


class TrainModel(Section):
    """Training of detector and synthesis networks (3)."""

    iterations: PositiveInt = 1500
    warmup_iterations: int = Field(
        150,
        ge=0,
        description="D's probabilities alone, on the exact sum over cells, before the rest",
    )
    warmup_frames: PositiveInt = Field(400, description="frames whose cells are all inpainted once")
    batch_size: PositiveInt = 16
    learning_rate: LearningRate = 1e-3
    objective: Literal["disentangled", "joint", "background_only", "foreground_only"] = (
        "disentangled"
    )
    proposals: Literal["grid", "direct"] = Field(
        "grid", description="direct: D regresses one box and no p (Fig. 10d)"
    )
    encoder: Literal["none", "imagenet", "resnet18", "resnet50"] = Field(
        "imagenet",
        description="of D and S; none: ours, from scratch; imagenet: EfficientNet-Lite0",
    )
    encoder_weights: str = Field(
        "auto", description="auto: ImageNet's | random | a file, see weights/encoder/README.md"
    )
    recolour: bool = Field(True, description="recolour what differs from the inpainted background")
    restarts: int = Field(
        0, ge=0, le=20, description="with another seed, after a collapse that stops it"
    )
    optimisation: Optimisation = Optimisation()
    watch: WatchParams = WatchParams()
    detector: DetectorParams = DetectorParams()
    synthesis: SynthesisParams = SynthesisParams()
    sampling: SamplingParams = SamplingParams()
    loss: LossParams = LossParams()

    @property
    def iterations_on_table(self) -> int:
        """Iterations of the warm-up: none with O alone, for it trains on G; none without a p."""
        without = self.objective == "foreground_only" or self.proposals == "direct"
        return 0 if without else self.warmup_iterations

    @model_validator(mode="after")
    def _encoder(self) -> Self:
        if self.encoder == "none" and self.encoder_weights != "auto":
            raise ValueError("encoder_weights need an encoder: imagenet, resnet18 or resnet50")
        return self

    @model_validator(mode="after")
    def _exploration(self) -> Self:
        cells = self.detector.grid**2
        if cells * self.sampling.epsilon >= 1.0:
            raise ValueError(f"sampling.epsilon times {cells} cells must stay below 1 (Eq. 6)")
        return self

    @model_validator(mode="after")
    def _reconstruction(self) -> Self:
        if self.objective != "background_only" and not (self.loss.pixel or self.loss.perceptual):
            raise ValueError("loss.pixel and loss.perceptual are both 0: O would say nothing")
        return self
