"""Monte Carlo estimate of an expectation over cells (3.3): draws, and their weights.

Every method returns cells and weights whose product with a per-cell loss, averaged over draws, has
the expectation `sum_c p_c L_c` — and, but for Gumbel-softmax, whose derivative has the expectation
`sum_c dp_c L_c`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Method = Literal["importance", "uniform", "gumbel_softmax", "exact"]


def proposal_distribution(p: Tensor, epsilon: float) -> Tensor:
    """Q of Eq. (6), a constant: near p, never below epsilon.

    Args:
        p: (B, C), sums to one.
        epsilon: exploration; C * epsilon below 1.

    Returns:
        (B, C), sums to one, no gradient.
    """
    cells = p.shape[1]
    return p.detach() * (1 - cells * epsilon) + epsilon  # Eq. (6)


def draw(
    logits: Tensor,
    method: Method,
    samples: int,
    epsilon: float,
    temperature: float,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw `samples` cells per image.

    Args:
        logits: (B, C).
        method: `importance` q of Eq. (6); `uniform` q = 1/C; `gumbel_softmax` the straight-through
            estimator of Jang et al. 2017 (biased gradient; the paper's alternative), of which the
            drawn cell's part alone is kept: the other cells' losses are not computed; `exact` every
            cell once, with weights that make the mean over them the sum of Eq. (2).
        samples: J; C for `exact`.
        epsilon: of Eq. (6).
        temperature: of `gumbel_softmax`.
        generator: source of randomness, on the CPU whatever the logits' device: a seed then draws
            the same cells everywhere.

    Returns:
        cells (B, J) int64, and weights (B, J): p/q, with gradient to the logits.

    Raises:
        FloatingPointError: a probability is not a number.
    """
    p = logits.softmax(dim=1)
    if method == "exact":
        return torch.arange(p.shape[1], device=p.device).expand_as(p), p * p.shape[1]  # Eq. (2)
    if method == "gumbel_softmax":
        return _gumbel(logits, samples, temperature, generator)
    if method == "importance":
        q = proposal_distribution(p, epsilon)
    else:
        q = torch.full_like(p, 1 / p.shape[1]).detach()
    drawn_by = q.cpu()
    if not torch.isfinite(drawn_by).all():
        raise FloatingPointError("the cells' probabilities became nan")
    drawn = torch.multinomial(drawn_by, samples, replacement=True, generator=generator)
    cells = drawn.to(q.device)
    return cells, p.gather(1, cells) / q.gather(1, cells)  # Eq. (5)


def leave_one_out(values: Tensor) -> Tensor:
    """The mean of a draw's other draws, of its image or, with J = 1, of its batch: a baseline.

    The gradients of p sum to zero over the cells, so that a constant may be subtracted without
    bias; other draws are independent of this one, and their mean takes away most of the variance.

    Args:
        values: (B, J), no gradient.

    Returns:
        (B, J); zero for the only draw of a batch.
    """
    dim = 0 if values.shape[1] == 1 else 1
    others = values.shape[dim] - 1
    return (values.sum(dim=dim, keepdim=True) - values) / max(others, 1)


def _gumbel(
    logits: Tensor, samples: int, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    batch, cells = logits.shape
    # float32 also where the logits are bfloat16: 256 levels of noise would tie the cells.
    dtype = torch.promote_types(logits.dtype, torch.float32)
    uniform = torch.rand(batch, samples, cells, generator=generator, dtype=dtype)
    uniform = uniform.to(logits.device)
    noise = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
    soft = F.softmax((logits[:, None] + noise) / temperature, dim=2)  # (B, J, C)
    chosen = soft.argmax(dim=2)
    value = soft.gather(2, chosen[..., None])[..., 0]
    return chosen, value + (1 - value).detach()  # one in value, soft in gradient
