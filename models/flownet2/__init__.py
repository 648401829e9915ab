"""FlowNet2 (Ilg et al., CVPR 2017): optical flow from stacked networks, each correcting the last.

network, variant = load(unwrap(checkpoint))
flow = network(target, source)  # (B, 2, H, W) px: target(x) ~ source(x + flow(x))
"""

from models.flownet2.interface import TwoFrame
from models.flownet2.variants import (
    FlowNet2,
    FlowNet2C,
    FlowNet2CS,
    FlowNet2CSS,
    FlowNet2S,
    FlowNet2SD,
)
from models.flownet2.weights import VARIANTS, identify, load, unwrap

__all__ = [
    "VARIANTS",
    "FlowNet2",
    "FlowNet2C",
    "FlowNet2CS",
    "FlowNet2CSS",
    "FlowNet2S",
    "FlowNet2SD",
    "TwoFrame",
    "identify",
    "load",
    "unwrap",
]
