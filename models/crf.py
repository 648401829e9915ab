"""Fully connected CRF over one soft mask: a unary and two pairwise terms, mean-field inference.

Krähenbühl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials",
NIPS 2011; computed by their code through `pydensecrf`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pydensecrf.densecrf
from numpy.typing import NDArray

HALF_LEVEL = 0.5 / 255
"""Soft masks have 8 bits: 0 and 1 stand for values half a level away, so logits stay finite."""


@dataclass(frozen=True)
class CrfSetting:
    """Kernels (weights and standard deviations; smoothing and bilateral), and trust in the mask."""

    smooth_weight: float = 3.0
    smooth_px: float = 2.0
    bilateral_weight: float = 5.0
    bilateral_px: float = 20.0
    bilateral_colour: float = 5.0  # 0-255 levels
    floor: float = 0.1  # soft masks are clipped to [floor, 1 - floor]: how sure a pixel may be


class DenseCrf:
    """The pairwise terms of one image, set up once for any number of soft masks.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        setting: kernels; a weight of 0 leaves its kernel out.

    Raises:
        ValueError: `image` is not `(H, W, 3)` uint8.
    """

    def __init__(self, image: NDArray[np.uint8], setting: CrfSetting) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected (H, W, 3) uint8, found {image.shape} {image.dtype}")
        self.height, self.width = image.shape[:2]
        self.floor = setting.floor
        self.field = pydensecrf.densecrf.DenseCRF2D(self.width, self.height, 2)
        if setting.smooth_weight > 0:
            self.field.addPairwiseGaussian(sxy=setting.smooth_px, compat=setting.smooth_weight)
        if setting.bilateral_weight > 0:
            self.field.addPairwiseBilateral(
                sxy=setting.bilateral_px,
                srgb=setting.bilateral_colour,
                rgbim=np.ascontiguousarray(image),
                compat=setting.bilateral_weight,
            )

    def refine(
        self, soft: NDArray[np.float32], threshold: float, iterations: int
    ) -> NDArray[np.float32]:
        """Foreground probability `(H, W)`, 0..1, after `iterations` of mean field.

        Args:
            soft: `(H, W)`, 0..1.
            threshold: the soft value that is as likely foreground as background.

        Raises:
            ValueError: `soft` has not the image's size.
        """
        if soft.shape != (self.height, self.width):
            raise ValueError(f"mask {soft.shape}, image {(self.height, self.width)}")
        doubtful = np.clip(soft, self.floor, 1 - self.floor)
        self.field.setUnaryEnergy(unary_energies(doubtful, threshold))
        beliefs = np.asarray(self.field.inference(iterations), dtype=np.float32)
        return np.asarray(beliefs[1].reshape(self.height, self.width))


def refine(
    soft: NDArray[np.float32],
    image: NDArray[np.uint8],
    threshold: float,
    setting: CrfSetting,
    iterations: int,
) -> NDArray[np.float32]:
    """Foreground probability `(H, W)`, 0..1, of `soft` `(H, W)` on `image` `(H, W, 3)`.

    See `DenseCrf` and its `refine`; the hard mask is the result above 0.5.
    """
    return DenseCrf(image, setting).refine(soft, threshold, iterations)


def unary_energies(soft: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Energies `(2, H*W)` of background and foreground: 0 and `logit(threshold) - logit(soft)`.

    Raw soft masks of a young model, without the threshold's logit, end in empty masks.
    """
    foreground = _logit(np.float32(threshold)) - _logit(soft.ravel())
    return np.stack([np.zeros_like(foreground), foreground]).astype(np.float32)


def _logit(probability: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    clipped = np.clip(probability, HALF_LEVEL, 1 - HALF_LEVEL)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float32)
