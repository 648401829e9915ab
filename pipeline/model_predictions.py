"""D and S at work on frames, with the background that was learnt or is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.boxes import boxes_to_pixels
from models.model import Prediction
from models.selection import Limits
from pipeline.device import place, set_up
from pipeline.finding import Finding
from pipeline.image_batches import as_batch, fit
from pipeline.instance_writer import soft_levels
from pipeline.networks import load_inpainter, load_model
from pipeline.params.results import Predict
from pipeline.params.training import Compute
from pipeline.store.paths import MODEL, inpainter


class ModelFinder:
    """The trained networks of `artifacts/model` and `artifacts/inpainter_rgb`, on the device.

    Args:
        compute: the machine; one thread is used.
        params: how many subjects and looks.

    Raises:
        BackdropError: a network is missing, damaged, or another.
    """

    def __init__(self, compute: Compute, params: Predict) -> None:
        self.limits = Limits(params.max_subjects, params.min_share, params.max_overlap)
        self.looks = params.looks
        self.device = set_up(compute.model_copy(update={"threads": 1}))
        self.model, self.size = load_model(MODEL)
        self.background, _ = load_inpainter(inpainter("rgb"))
        place(self.model, self.device)
        place(self.background, self.device)

    def predict(self, frames: Sequence[NDArray[np.uint8]]) -> Prediction:
        """Of frames, RGB uint8 (H, W, 3), as one batch, at the network's size."""
        images = np.stack([fit(frame, self.size.height, self.size.width) for frame in frames])
        batch = as_batch(images, self.device)
        return self.model.predict(batch, self.background, self.limits, self.looks)

    def find(self, frames: Sequence[NDArray[np.uint8]]) -> list[Finding]:
        """As `Finder`; with several subjects the likeliest one's box, and the mask of all."""
        height, width = frames[0].shape[:2]
        return findings(self.predict(frames), height, width)


def findings(prediction: Prediction, height: int, width: int) -> list[Finding]:
    """A batch's prediction at the frames' size."""
    boxes = boxes_to_pixels(prediction.box.cpu(), height, width).numpy()
    confidence = prediction.probability.cpu().amax(dim=1).numpy()
    masks = prediction.mask[:, 0].cpu().numpy()
    return [
        Finding(box, float(sure), soft_levels(soft, height, width))
        for box, sure, soft in zip(boxes, confidence, masks, strict=True)
    ]
