"""The objectives of sections 3.1-3.4 and which network each of them may train.

Symbols: p probabilities of cells, b boxes, S synthesis, I inpainter; `weights` are p/q of Eq. (5).

| term | formula | gradient to | never to |
|---|---|---|---|
| foreground O, Eq. (3, 5) | p/q * L(F, I) | b, S | p, I |
| background G, Eq. (4), frames and flow | -p/q * L(I(I, b), I) / a(b) | p | b, S, I |
| probability prior (3.4) | -sum p^2 | p | b, S, I |
| mask prior L_v, Eq. (7) | abs(mean(T^-1(S)) - lambda) + lambda | S; b by its area | p, I |
| flow objective (ours) | p/q * mean((1 - T^-1(S))^2 E_f) | b, S | p, I |
| box fit (ours) | abs(b - extent of E_f) | b | p, S, I |

That is the paper's *disentangled* training, in which the hole of I(I, b) is a constant. `joint`
lets every gradient flow: O also to p, G also to b through the hole's edges and area, and O to b
through the hole that its background has. What is filled into a hole stays constant: the inpainter
sees a discrete one. Of L, G takes the pixel part alone. It trains b as in `joint` also where
nothing else would: in `background_only`, and with direct regression, which has no p.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from models.sampling import leave_one_out

MARGIN = 1.15
"""Of a box around what moves in it: above 1 / (1 - 2 TAIL), or a cut-off subject would stay so."""

MaskPrior = Literal["v", "l1", "l2", "none"]


def expected_loss(weights: Tensor, loss: Tensor) -> Tensor:
    """The mean over p of a loss, by draws that are independent of each other. Eq. (5).

    The other draws' mean is taken from the loss and given back outside the weights: where weights
    are p/q, value and gradients stay those of the plain estimate in expectation, and the gradient
    to p has far less variance.

    Args:
        weights: (B, J) p/q, with gradient to p.
        loss: (B, J), with the gradient that it may have to b and S.
    """
    baseline = leave_one_out(loss.detach())
    return (weights * (loss - baseline) + baseline).mean()


def foreground_objective(
    weights: Tensor, loss: Tensor, to_probability: bool, exact: bool = False
) -> Tensor:
    """O: the reconstruction error over the drawn boxes. Eq. (3) through Eq. (5).

    Args:
        weights: (B, J) p/q.
        loss: (B, J) L(F(I, b, I(I, b)), I), with gradient to b and S.
        to_probability: False for the disentangled training: p is a constant here.
        exact: the J draws are all cells, Eq. (2)'s sum, which no baseline may change.
    """
    if to_probability and not exact:
        return expected_loss(weights, loss)
    return ((weights if to_probability else weights.detach()) * loss).mean()


def background_objective(weights: Tensor, error_density: Tensor) -> Tensor:
    """G: minus the inpainting error per area over the drawn boxes. Eq. (4) through Eq. (5).

    Args:
        weights: (B, J) p/q, with gradient to p.
        error_density: (B, J) L(I(I, b), I) / a(b). A constant for the disentangled training.
    """
    return -expected_loss(weights, error_density)


def exact_background_objective(probability: Tensor, error_density: Tensor) -> Tensor:
    """G as the sum over all cells, Eq. (2)'s form.

    Args:
        probability: (B, C), with gradient.
        error_density: (B, C) as in `background_objective`, of every cell.
    """
    return -(probability * error_density).sum(dim=1).mean()


def probability_prior(probability: Tensor) -> Tensor:
    """L2 prior on p (3.4); its sign rewards one cell that stands out: -1 at best, -1/C at worst."""
    return -probability.square().sum(dim=1).mean()


def flow_objective(weights: Tensor, mask: Tensor, flow_error: Tensor) -> Tensor:
    """O on flow images: what moves apart from the background belongs to the mask.

    F of Eq. (1) with the flow image itself as foreground, so that |F - I_f|^2 is
    (1 - T^-1(S))^2 |I_f(I_f, b) - I_f|^2. It fills the mask where the subject has the colours of
    what is behind it. Trains what O trains, and only in training: inference takes one image.

    Args:
        weights: (B, J) p/q, a constant here.
        mask: (B, J, H, W) T^-1(S).
        flow_error: (B, J, H, W) squared error of the inpainted flow image, a constant.
    """
    unexplained = ((1 - mask).square() * flow_error).mean(dim=(2, 3))
    return (weights.detach() * unexplained).mean()


def box_fit(weights: Tensor, boxes: Tensor, extents: Tensor) -> Tensor:
    """Distance of the drawn boxes from the extents of what moves in them; trains b alone.

    To O the hole is a constant, or O would shrink every box to nothing. Seen so, any error left at
    a box's border asks for a larger box, and where the background cannot be inpainted well boxes
    grow until they hit the limit. The flow knows the subject's extent; the box follows it.

    Args:
        weights: (B, J) a constant here: p/q times the trust in each extent.
        boxes: (B, J, 4), with gradient.
        extents: (B, J, 4) of `models.extent`, with MARGIN.
    """
    return (weights.detach()[..., None] * (boxes - extents).abs()).mean()


def mask_prior(mask: Tensor, kind: MaskPrior, target: float) -> Tensor:
    """Prior on each mask's average over the image (3.4, Table 3).

    Args:
        mask: (..., H, W) T^-1(S) in [0, 1].
        kind: `v` Eq. (7); `l1` the average; `l2` the average of squares; `none` zero.
        target: lambda, the average below which the mask is pushed up.

    Returns:
        (...).
    """
    if kind == "v":
        return (mask.mean(dim=(-2, -1)) - target).abs() + target  # Eq. (7)
    if kind == "l1":
        return mask.mean(dim=(-2, -1))
    if kind == "l2":
        return mask.square().mean(dim=(-2, -1))
    return mask.new_zeros(mask.shape[:-2])
