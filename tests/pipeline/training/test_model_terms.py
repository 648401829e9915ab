"""What each term of the step is, against loops and mirrored worlds."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from helpers_training import tiny_batch, tiny_frozen, tiny_model, tiny_params
from torch import Tensor, nn

from models.boxes import rectangle_mask
from models.layers import IMAGENET_STD
from models.sampling import draw
from pipeline.training import model_step
from pipeline.training.augment import jitter
from pipeline.training.model_step import error_density, model_loss, model_terms
from pipeline.training.warm_up import warm_up_loss


class Place(nn.Module):
    """An inpainter that knows one place by heart."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.picture = picture

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return torch.lerp(image, self.picture.expand_as(image), hole)


@pytest.fixture
def still(monkeypatch):
    """No jitter."""
    monkeypatch.setattr(model_step, "jitter", lambda image, generator: image)


def peaked(model):
    """D's probabilities and boxes far from uniform."""
    torch.manual_seed(0)
    head = model.eval().detector.logit_head[-1]
    nn.init.normal_(head.weight)
    nn.init.normal_(model.detector.box_head[-1].weight, std=0.1)
    with torch.no_grad():
        head.weight.mul_(2 / model.detector(tiny_batch().image).logits.std())
    return model


def places(frozen, mirrored: bool):
    generator = torch.Generator().manual_seed(7)
    pictures = torch.rand(2, 1, 3, 32, 48, generator=generator)
    rgb, flow = (Place(picture.flip(3) if mirrored else picture) for picture in pictures)
    return dataclasses.replace(frozen, rgb=rgb, flow=flow)


def test_a_mirrored_batch_is_the_same_frames_in_a_mirrored_place(still):
    params = tiny_params(recolour=False)
    model, frozen, batch = peaked(tiny_model(params)), tiny_frozen(params), tiny_batch()
    told = [
        model_loss(
            model,
            places(frozen, mirrored=not flipped),
            dataclasses.replace(batch, flipped=flipped),
            params,
            torch.Generator().manual_seed(0),
        )[1]
        for flipped in (True, False)
    ]
    assert told[0].keys() == told[1].keys()
    for name, value in told[0].items():
        assert torch.allclose(value, told[1][name], rtol=1e-4), name
    other = model_loss(
        model, places(frozen, mirrored=False), batch, params, torch.Generator().manual_seed(0)
    )[1]
    assert not torch.allclose(other["background"], told[0]["background"], rtol=1e-3)


def test_the_warm_up_mirrors_the_table_along_columns(monkeypatch):
    monkeypatch.setattr("pipeline.training.warm_up.jitter", lambda image, generator: image)
    model, batch = peaked(tiny_model(tiny_params())), tiny_batch()
    density = torch.rand(4, 16, generator=torch.Generator().manual_seed(1))
    by_hand = torch.empty_like(density)
    for row in range(4):
        for column in range(4):
            by_hand[:, 4 * row + column] = density[:, 4 * row + 3 - column]
    generator = torch.Generator()
    mirrored = warm_up_loss(model, batch.image, density, True, 0.1, generator)[0]
    expected = warm_up_loss(model, batch.image, by_hand, False, 0.1, generator)[0]
    assert torch.equal(mirrored, expected)


def test_every_term_counts_as_its_param_says(still):
    loss = {
        "mask_prior_weight": 0.3,
        "flow_mask": 0.7,
        "box_fit": 1.1,
        "probability_prior": 1.3,
    }
    params = tiny_params(recolour=False, loss={**loss, "flow": 2.0})
    model, frozen, batch = peaked(tiny_model(params)), tiny_frozen(params), tiny_batch()
    total, told = model_loss(model, frozen, batch, params, torch.Generator().manual_seed(0))
    expected = (
        told["foreground"]
        + told["background"]
        + 0.3 * told["mask_prior"]
        + 0.7 * told["flow_mask"]
        + 1.1 * told["box_fit"]
        + 1.3 * told["probability_prior"]
    )
    assert float(total.detach()) == pytest.approx(float(expected), rel=1e-5)
    for name in ("mask_prior", "flow_mask", "box_fit", "probability_prior"):
        assert abs(float(told[name])) > 1e-4, name


def test_flow_adds_to_the_density_and_a_failed_pair_adds_nothing():
    frozen, batch = places(tiny_frozen(tiny_params()), mirrored=False), tiny_batch()
    hole = torch.zeros(4, 1, 32, 48)
    hole[..., 8:20, 10:30] = 1
    filled = frozen.rgb(batch.image, hole)
    half = dataclasses.replace(batch, flow_ok=torch.tensor([1.0, 0.0, 1.0, 0.0]))
    alone = error_density(frozen, half, filled, (hole, hole), 0.0)[0]
    both, moving, error_map = error_density(frozen, half, filled, (hole, hole), 2.5)
    assert torch.allclose(both - alone, 2.5 * moving, atol=1e-5)
    assert (moving[[0, 2]] > 0).all()
    assert (moving[[1, 3]] == 0).all()
    assert error_map[[0, 2]].amax(dim=(1, 2)).min() > 0
    assert (error_map[[1, 3]] == 0).all()


@pytest.mark.parametrize("objective", ["disentangled", "joint"])
def test_mean_of_sampled_objectives_is_the_exact_one(still, objective):
    """Through the networks: O and G of drawn cells against Eq. (2), in value and gradient of p."""
    model, frozen, batch = (
        peaked(tiny_model(tiny_params())),
        tiny_frozen(tiny_params()),
        tiny_batch(),
    )
    head = model.detector.logit_head[-1].weight

    def estimate(sampling, seed):
        params = tiny_params(recolour=False, sampling=sampling, objective=objective)
        generator = torch.Generator().manual_seed(seed)
        terms, _ = model_terms(model, frozen, batch, params, generator)
        trains_p = ("foreground", "background") if objective == "joint" else ("background",)
        gradients = [
            torch.autograd.grad(terms[name], [head], retain_graph=True)[0] for name in trains_p
        ]
        values = torch.stack([terms["foreground"].detach(), terms["background"].detach()])
        return torch.cat([values, *(gradient.flatten() for gradient in gradients)])

    expected = estimate({"method": "exact"}, 0)
    drawn = {"method": "importance", "samples": 16, "epsilon": 0.02}
    many = torch.stack([estimate(drawn, seed) for seed in range(60)])
    error = many.std(dim=0) / len(many) ** 0.5
    assert ((many.mean(dim=0) - expected).abs() <= 4 * error + 1e-6).all()
    assert (4 * error < expected.abs()).any()  # or anything would pass


def test_no_baseline_changes_the_exact_sum(still):
    """Where O trains p it has a baseline, right for independent draws but not for all cells."""
    model, frozen, batch = (
        peaked(tiny_model(tiny_params())),
        tiny_frozen(tiny_params()),
        tiny_batch(),
    )
    alone, beside = (
        model_terms(
            model,
            frozen,
            batch,
            tiny_params(recolour=False, sampling={"method": "exact"}, objective=objective),
            torch.Generator(),
        )[0]["foreground"]
        for objective in ("foreground_only", "disentangled")
    )
    assert alone.item() == pytest.approx(beside.item(), rel=1e-6)


@pytest.mark.parametrize("method", ["exact", "uniform", "importance"])
def test_however_cells_are_drawn_the_mask_prior_is_weighted_by_p(monkeypatch, still, method):
    """Sum over cells of p times the prior of that cell's mask, a cell at a time."""
    params = tiny_params(recolour=False, sampling={"method": method, "samples": 400})
    model, frozen, batch = peaked(tiny_model(params)), tiny_frozen(params), tiny_batch()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        found = model_terms(model, frozen, batch, params, generator)[0]["mask_prior"]
        probability = model.detector(batch.image).probability
        # All frames take the same cell; the prior of each is weighted by its own p.
        expected = torch.zeros(())
        for cell in range(16):

            def one_cell(logits, *_, cell=cell):
                p = logits.softmax(dim=1)[:, cell : cell + 1]
                return torch.full_like(p, cell, dtype=torch.long), p

            monkeypatch.setattr(model_step, "draw", one_cell)
            once = tiny_params(recolour=False, sampling={"method": "exact"})
            expected += model_terms(model, frozen, batch, once, generator)[0]["mask_prior"]
            monkeypatch.setattr(model_step, "draw", draw)
    assert probability.max() > 0.5
    tolerance = 1e-5 if method == "exact" else 0.15
    assert float(found) == pytest.approx(float(expected), rel=tolerance)


def test_a_box_is_drawn_to_what_moves_in_its_hole_as_far_as_the_flow_is_sure(monkeypatch, still):
    """Rectangles move, and their first column far less: to E_f, at most 1, all of it is the same.

    The extent of what is left of one in a hole is counted in px.
    """
    params = tiny_params(recolour=False)
    model, spread = peaked(tiny_model(params)), 5.0
    moving = torch.zeros(4, 3, 32, 48)
    for number, (top, left) in enumerate([(2, 3), (8, 20), (14, 30), (18, 12)]):
        moving[number, :, top : top + 12, left : left + 14] = 1.0
        moving[number, :, top : top + 12, left] = 0.3
    batch = dataclasses.replace(tiny_batch(), flow_image=moving)
    at_rest = Place(torch.zeros(1, 3, 32, 48))
    frozen = dataclasses.replace(tiny_frozen(params), flow=at_rest, flow_spread=spread)
    cells = torch.tensor([[0, 5, 2], [6, 1, 10], [15, 11, 3], [13, 9, 4]])
    weights = torch.rand(4, 3, generator=torch.Generator().manual_seed(1)) + 0.1
    monkeypatch.setattr(model_step, "draw", lambda *_: (cells, weights))
    terms, _ = model_terms(model, frozen, batch, params, torch.Generator())

    expected, trusts = 0.0, set()
    error = (moving / torch.tensor(IMAGENET_STD)[:, None, None]).square().mean(dim=1)
    for image, own in enumerate(cells.tolist()):
        for number, cell in enumerate(own):
            box = model.detector(batch.image).boxes[image, cell].detach()
            hole = rectangle_mask(box[None], 32, 48)[0, 0] > 0
            trust = min(float(error[image][hole].mean()) / (2 * spread), 1.0)
            trusts.add(trust)
            if trust > 0:
                rows, columns = torch.nonzero(error[image] * hole, as_tuple=True)
                low = torch.stack([columns.min() / 48, rows.min() / 32])
                high = torch.stack([(columns.max() + 1) / 48, (rows.max() + 1) / 32])
                extent = torch.cat([(low + high) / 2, 1.15 * (high - low)])
                expected += float(weights[image, number] * trust * (box - extent).abs().mean())
    assert trusts > {0.0, 1.0}  # and some between
    assert terms["box_fit"].item() == pytest.approx(expected / 12, rel=1e-4)


def test_what_is_filled_in_is_no_darker_than_black_and_no_brighter_than_white(still):
    params = tiny_params()
    model, frozen, batch = peaked(tiny_model(params)), tiny_frozen(params), tiny_batch()
    picture = 3 * torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1)) - 1
    beyond, within = (
        model_loss(
            model,
            dataclasses.replace(frozen, rgb=Place(filled)),
            batch,
            params,
            torch.Generator().manual_seed(0),
        )[1]
        for filled in (picture, picture.clamp(0, 1))
    )
    for name, value in beyond.items():
        assert torch.equal(value, within[name]), name


@pytest.mark.parametrize("warm_up", [False, True])
def test_d_sees_another_light_and_the_inpainter_does_not(warm_up):
    params = tiny_params(recolour=False)
    model, frozen, batch = tiny_model(params), tiny_frozen(params), tiny_batch()
    seen, shown = [], []
    model.detector.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    frozen.rgb.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    generator = torch.Generator().manual_seed(5)
    if warm_up:
        warm_up_loss(model, batch.image, torch.rand(4, 16), False, 0.1, generator)
    else:
        model_terms(model, frozen, batch, params, generator)
    assert not torch.allclose(seen[0], batch.image, atol=0.01)
    assert torch.equal(seen[0], jitter(batch.image, torch.Generator().manual_seed(5)))
    assert all(torch.equal(image, batch.image) for image in shown)


def test_faint_errors_all_over_the_hole_do_not_widen_what_a_box_is_drawn_to(monkeypatch, still):
    """Of 0.07, in a hole of 2.6 times what moves: 11 % of the mass, and 1 % of the squares."""
    params = tiny_params(recolour=False)
    model = peaked(tiny_model(params))
    frozen = dataclasses.replace(
        tiny_frozen(params), flow=Place(torch.zeros(1, 3, 32, 48)), flow_spread=5.0
    )
    cells = torch.tensor([[5], [6], [9], [10]])
    monkeypatch.setattr(model_step, "draw", lambda *_: (cells, torch.ones(4, 1)))
    drawn = []
    for faint in (0.0, 0.06):
        moving = torch.full((4, 3, 32, 48), faint)
        moving[..., 12:20, 18:30] = 1.0
        batch = dataclasses.replace(tiny_batch(), flow_image=moving)
        drawn.append(model_terms(model, frozen, batch, params, torch.Generator())[0]["box_fit"])
    assert drawn[0] > 0.01
    assert drawn[1].item() == pytest.approx(drawn[0].item(), rel=0.1)


def test_each_error_is_measured_in_its_own_spread():
    frozen, batch = places(tiny_frozen(tiny_params()), mirrored=False), tiny_batch()
    hole = torch.zeros(4, 1, 32, 48)
    hole[..., 8:20, 10:30] = 1
    filled = frozen.rgb(batch.image, hole)
    rgb, flow = (
        (((a - b) / torch.tensor(IMAGENET_STD)[:, None, None]) ** 2)[..., 8:20, 10:30]
        .mean(dim=(1, 2, 3))
        .numpy()
        for a, b in ((filled, batch.image), (frozen.flow(batch.flow_image, hole), batch.flow_image))
    )
    measured = dataclasses.replace(frozen, rgb_spread=0.25, flow_spread=4.0)
    density = error_density(measured, batch, filled, (hole, hole), 2.0)[0]
    assert density.numpy() == pytest.approx(rgb / 0.25 + 2 * flow / 4.0, rel=1e-4)


@pytest.mark.parametrize("on", [False, True])
def test_s_is_shown_and_paints_subjects_in_other_colours(monkeypatch, still, on):
    params = tiny_params(recolour=on)
    model, frozen, batch = tiny_model(params), tiny_frozen(params), tiny_batch()
    other = 1 - batch.image
    monkeypatch.setattr(model_step, "recolour", lambda image, filled, generator: other)
    shown, wanted = [], []
    synthesise, distance = model.synthesise, frozen.distance
    monkeypatch.setattr(
        model, "synthesise", lambda image, *rest: shown.append(image) or synthesise(image, *rest)
    )
    spying = dataclasses.replace(
        frozen, distance=lambda ours, theirs: wanted.append(theirs) or distance(ours, theirs)
    )
    model_terms(model, spying, batch, params, torch.Generator().manual_seed(0))
    expected = other if on else batch.image
    assert len(shown) == len(wanted) == 2  # draws
    assert all(torch.equal(image, expected) for image in [*shown, *wanted])
