"""The sampler in one's own loop: by hand, against exact moments, resumed, and everything that is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import thermograd as tg
from thermograd.dynamics import SGD, SGLD, SGWORLD
from thermograd.errors import DivergedError, UnstableStepSizeError
from thermograd.training.posterior import PosteriorSampler
from thermograd.training.posterior_batches import EpochBatches

SAMPLES, NOISE = 6, 0.5
X = torch.linspace(-1, 1, SAMPLES, dtype=torch.float64)
Y = torch.sin(3 * X) + 0.3 * torch.cos(17 * X)
FEATURES = torch.stack([torch.ones(SAMPLES, dtype=torch.float64), X], dim=1)
CURVATURE = (FEATURES.T @ FEATURES / NOISE**2 + torch.eye(2)).numpy()
BEST = np.linalg.solve(CURVATURE, (FEATURES.T @ Y / NOISE**2).numpy())


class Lines(nn.Module):
    """Several independent chains of two weights in one model."""

    def __init__(self, chains=1, start=None):
        super().__init__()
        first = torch.tensor(BEST).expand(chains, 2) if start is None else torch.as_tensor(start)
        self.w = nn.Parameter(first.clone().double())

    def forward(self, features):
        return features @ self.w.T


def line_loss(model, batch):
    """The mean over samples of the sum over chains."""
    return (model(batch[0]) - batch[1][:, None]).square().sum(-1).mean() / (2 * NOISE**2)


def of_mean(loss):
    """A loss by its expression."""
    return loss


def made(model=None, loss=line_loss, data=None, **changes):
    options = {"batch_size": 2, "dynamics": SGWORLD(6e-3), "prior_precision": 1.0, "seed": 3}
    model = Lines() if model is None else model
    return model, PosteriorSampler(model, loss, data or TensorDataset(FEATURES, Y), **options | changes)


def run(model, sampler, epochs, loss=line_loss, *, record=True, **recording):
    for _ in range(epochs):
        for batch in sampler.epoch():
            sampler.zero_grad()
            loss(model, batch).backward()
            sampler.step()
        if record:
            sampler.record(**recording)


@pytest.mark.parametrize(
    ("dynamics", "expected"),
    [
        (SGLD(6e-3), 1.23107),
        (SGWORLD(6e-3), 1.00019),
        (SGWORLD(6e-3, correction=False), 0.98300),
        (SGWORLD(6e-3, variant="published"), 1.20758),
    ],
    ids=["sgld", "sgworld", "uncorrected", "published"],
)
def test_virial_ratio_is_that_of_the_enumeration(dynamics, expected):
    """Chains that share batches and correction pairs are not independent, so blocks of time give the error.

    The correction of several chains at once is the sum of their own, since |g_B − g_B'|² is one.
    """
    model, sampler = made(Lines(256), dynamics=dynamics)
    total, kept = 600, []
    for epoch in range(total):
        run(model, sampler, 1, record=False)
        if epoch >= 60:
            away = model.w.detach().numpy() - BEST
            kept.append(np.einsum("ci,ij,cj->c", away, CURVATURE, away).mean() / 2)
    blocks = np.array(kept).reshape(20, -1).mean(axis=1)
    assert abs(blocks.mean() - expected) < 4.5 * blocks.std(ddof=1) / np.sqrt(20)


def test_the_pair_of_batches_knows_nothing_of_the_order_of_the_epoch():
    """Two batches of 4 of 40 share 0.4 samples on average; 500 epochs, 4 standard errors."""
    batches = EpochBatches(40, 4, True, 0)
    shared = []
    for epoch in range(500):
        first, second = (set(part.tolist()) for part in batches.pair(epoch))
        assert not first & second
        shared.append(len(first & set(batches.epoch(epoch)[0])))
    assert abs(np.mean(shared) - 0.4) < 4 * np.std(shared, ddof=1) / np.sqrt(500)


def gradient(weights, rows):
    """∇U of a batch of the whole prior."""
    features, wanted = FEATURES[rows].numpy(), Y[rows].numpy()
    return SAMPLES / len(rows) * features.T @ (features @ weights - wanted) / NOISE**2 + weights


def test_an_epoch_of_sgworld_by_hand():
    """Correction, then steps with noise shared by neighbours; the normal numbers of the sampler's own generator."""
    model, sampler = made(dynamics=SGWORLD(6e-3))
    generator, weights, pending = torch.Generator().manual_seed(3), BEST.copy(), np.zeros(2)
    batches = EpochBatches(SAMPLES, 2, True, 3)
    for epoch in range(3):
        one, other = batches.pair(epoch)
        gap = gradient(weights, one) - gradient(weights, other)
        bent = sum(
            sign * SAMPLES / 2 * FEATURES[rows].numpy().T @ (FEATURES[rows].numpy() @ gap) / NOISE**2
            for sign, rows in ((1, one), (-1, other))
        )
        weights = weights + 6e-3 * (6e-3 * 6 * 2 / (8 * SAMPLES)) * 2 * bent
        for rows in batches.epoch(epoch):
            fresh = torch.empty(2, dtype=torch.float64).normal_(0, (6e-3 / 2) ** 0.5, generator=generator)
            weights = weights - 6e-3 * gradient(weights, rows) + pending + fresh.numpy()
            pending = fresh.numpy()
        run(model, sampler, 1)
        assert model.w.detach().numpy()[0] == pytest.approx(weights, rel=1e-12)
    assert sampler.draws.array()[0, -1] == pytest.approx(weights)


@pytest.mark.parametrize("variant", ["corrected", "published"])
def test_a_preconditioner_is_another_unit_of_the_weights(variant):
    """Sampling with P equals sampling φ = θ/√P, with the same noise."""
    scale = torch.tensor([[0.5, 2.0]], dtype=torch.float64)
    dynamics = SGWORLD(4e-3, variant=variant)
    model, sampler = made(dynamics=dynamics, preconditioner={"w": scale}, prior_precision=0.0)

    class Stretched(Lines):
        def forward(self, features):
            return features @ (self.w * scale.sqrt()).T

    other, plain = made(
        Stretched(start=torch.tensor(BEST)[None] / scale.sqrt()), dynamics=dynamics, prior_precision=0.0
    )
    run(model, sampler, 5)
    run(other, plain, 5)
    assert model.w.detach().numpy() == pytest.approx((other.w * scale.sqrt()).detach().numpy(), rel=1e-10)
    assert sampler.draws.virial == pytest.approx(plain.draws.virial, rel=1e-8)
    assert sampler.draws.noise_share == pytest.approx(plain.draws.noise_share, rel=1e-6)


def test_every_sample_counts_once_an_epoch_whatever_the_batch_size():
    """At T = 0 and a tiny rate an epoch is a step of length nη down the full gradient."""
    data = TensorDataset(torch.randn(7, 2, dtype=torch.float64), torch.randn(7, dtype=torch.float64))
    model, sampler = made(
        data=data, batch_size=3, dynamics=SGWORLD(1e-9, temperature=0.0), prior_mean={"w": torch.ones(1, 2)}
    )
    start = model.w.detach().clone()
    assert [len(rows) for rows in sampler.epoch_batches()] == [2, 3, 2]
    run(model, sampler, 1)
    residual = data.tensors[0] @ start[0] - data.tensors[1]
    full = data.tensors[0].T @ residual / NOISE**2 + (start[0] - 1)
    moved = (start - model.w.detach()).numpy()[0]
    assert moved == pytest.approx(3e-9 * full.numpy(), rel=1e-5, abs=1e-14)


def test_what_is_recorded():
    model, sampler = made(seed=1)
    run(model, sampler, 4, record=False)
    run(model, sampler, 20, every=2, virial_every=5)
    draws = sampler.draws
    assert draws.epochs.tolist() == list(range(6, 25, 2))
    assert draws.measured.tolist() == [0, 5]
    at = draws.parameters["w"][0, draws.measured, 0]
    slopes = at @ CURVATURE - BEST @ CURVATURE
    assert draws.virial[0] == pytest.approx(((at - BEST) * slopes).sum(-1))
    values = [
        float(((FEATURES.numpy() @ place - Y.numpy()) ** 2).sum() / (2 * NOISE**2) + (place**2).sum() / 2)
        for place in at
    ]
    assert draws.potential[0] == pytest.approx(values)
    assert draws.facts["sampler"] == "SGWORLD"
    assert draws.facts["largest_curvature"] == pytest.approx(np.linalg.eigvalsh(CURVATURE)[-1], rel=0.02)
    assert 0 < float(draws.noise_share[0]) < 0.05
    assert draws.convergence().holds is not True  # a single chain


def test_resumed_from_a_state_it_gives_the_same_bits():
    whole, sampler = made()
    run(whole, sampler, 7, virial_every=2)
    model, first = made()
    run(model, first, 3, virial_every=2)
    state, weights = copy.deepcopy(first.state_dict()), copy.deepcopy(model.state_dict())
    again, second = made()
    again.load_state_dict(weights)
    second.load_state_dict(state)
    run(again, second, 4, virial_every=2)
    assert torch.equal(again.w, whole.w)
    for name in ("potential", "virial", "epochs", "noise_share"):
        assert np.array_equal(getattr(second.draws, name), getattr(sampler.draws, name))
    assert np.array_equal(second.draws.array(), sampler.draws.array())
    with pytest.raises(ValueError, match="no state of a sampler"):
        second.load_state_dict(torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=1.0).state_dict())


def test_a_state_of_another_sampling_is_refused():
    model, sampler = made()
    run(model, sampler, 2)
    state, weights = sampler.state_dict(), copy.deepcopy(model.state_dict())
    for changes, match in (
        ({"prior_precision": 5.0}, r"prior_precision 1.0 there and 5.0 here"),
        ({"batch_size": 3}, r"batch_size 2 there and 3 here"),
        ({"dynamics": SGLD(6e-3)}, "sampler 'SGWORLD' there and 'SGLD' here"),
        ({"seed": 4}, "seed 3 there and 4 here"),
    ):
        with pytest.raises(ValueError, match=match):
            made(**changes)[1].load_state_dict(state)
    fresh, other = made()
    other.load_state_dict(state)
    with pytest.raises(RuntimeError, match="load the model's state_dict too"):
        run(fresh, other, 1)
    fresh.load_state_dict(weights)
    other.load_state_dict(state)
    run(fresh, other, 1)


def test_the_point_of_the_virial_may_be_set_in_the_burn_in():
    """From far away the virial about the start scatters; about a state of the burn-in it does not."""
    spreads = []
    for recentred in (False, True):
        model, sampler = made(Lines(start=torch.tensor(BEST)[None] + 30), dynamics=SGWORLD(2e-2))
        run(model, sampler, 20, record=False)
        if recentred:
            sampler.recentre()
        run(model, sampler, 30, record=False)
        run(model, sampler, 60, virial_every=1)
        spreads.append(sampler.draws.virial.std())
    assert spreads[1] < spreads[0] / 5
    with pytest.raises(RuntimeError, match="before the first record"):
        sampler.recentre()


def test_attention_and_half_precision():
    """Fused attention has no second derivative, so another kernel of it is used; bfloat16 weights are refused."""
    model = nn.TransformerEncoderLayer(4, 2, dim_feedforward=4, dropout=0.0, batch_first=True).double()
    x = torch.randn(8, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss = of_mean(lambda model, batch: model(batch[0]).square().mean())
    model, sampler = made(model, loss, TensorDataset(x), dynamics=SGWORLD(1e-4))
    run(model, sampler, 1, loss)
    with pytest.raises(ValueError, match=r"bfloat16.*autocast"):
        made(Lines().bfloat16())


def test_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    model, sampler = made()
    run(model, sampler, 2)
    assert torch.equal(torch.rand(2), expected)


class Pictures(Dataset):
    """Not tensors, so that the DataLoader and its workers serve them."""

    def __len__(self):
        return SAMPLES

    def __getitem__(self, place):
        return FEATURES[place], Y[place]


def test_any_dataset_and_workers_give_the_same_batches():
    ends = []
    for data, workers in ((TensorDataset(FEATURES, Y), 0), (Pictures(), 0), (Pictures(), 1)):
        model, sampler = made(data=data, num_workers=workers)
        run(model, sampler, 2)
        ends.append(model.w.detach().numpy())
        del sampler
    assert np.allclose(ends[0], ends[1], rtol=1e-12)
    assert np.array_equal(ends[1], ends[2])


def test_schedules_of_torch_and_of_ours():
    model, sampler = made(dynamics=SGLD(6e-3))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(sampler, 0.5)
    for _ in range(3):
        run(model, sampler, 1)
        scheduler.step()
    assert sampler.draws.weights / sampler.draws.weights[0] == pytest.approx([1, 0.5, 0.25])
    model, sampler = made(dynamics=SGLD(6e-3), schedule=lambda epoch: (1.0, float(epoch % 2)))
    before = model.w.detach().clone()
    run(model, sampler, 2)
    assert sampler.draws.used.tolist() == [False, True]
    silent, plain = made(dynamics=SGLD(6e-3, temperature=0.0))
    run(silent, plain, 1)
    assert sampler.draws.parameters["w"][0, 0] == pytest.approx(silent.w.detach().numpy())
    assert not torch.equal(before, model.w)


def test_the_temperature_of_draws_is_that_of_the_schedule():
    model, sampler = made(schedule=lambda epoch: (1.0, 4.0 * (epoch > 0)))
    run(model, sampler, 3)
    assert sampler.draws.temperature == pytest.approx(4)
    model, sampler = made(schedule=lambda epoch: (1.0, 1.0 + epoch))
    run(model, sampler, 3)
    with pytest.raises(RuntimeError, match="temperatures from 1 to 3"):
        assert sampler.draws is None


def test_a_loop_one_does_not_own():
    model, sampler = made()
    other, beside = made()
    for _ in range(2):
        run(model, sampler, 1)
        beside.begin_epoch()
        for rows in beside.epoch_batches():
            beside.zero_grad()
            line_loss(other, (FEATURES[rows], Y[rows])).backward()
            beside.step()
        beside.end_epoch()
        beside.record()
    assert torch.equal(model.w, other.w)


def test_steps_that_are_not_those_of_an_epoch():
    model, sampler = made()
    with pytest.raises(RuntimeError, match=r"step\(\) was called outside an epoch"):
        sampler.step()
    for batch in sampler.epoch():
        with pytest.raises(RuntimeError, match=r"no gradient of 'w'.*backward"):
            sampler.step()
        with pytest.raises(RuntimeError, match=r"record.*after 0 of 3 batches"):
            sampler.record()
        with pytest.raises(RuntimeError, match="end of an epoch"):
            sampler.state_dict()
        line_loss(model, batch).backward()
        sampler.step()
        break
    with pytest.raises(RuntimeError, match=r"epoch 0 was not gone through.*called 1 times for 3 batches"):
        next(iter(sampler.epoch()))
    model, sampler = made()
    rest = sampler.epoch()
    line_loss(model, next(rest)).backward()
    sampler.step()
    with pytest.raises(RuntimeError, match="called 1 times in an epoch of 3 batches"):
        list(rest)
    model, sampler = made()
    with pytest.raises(RuntimeError, match="before the first epoch"):
        sampler.record()
    with pytest.raises(RuntimeError, match="no draw was recorded"):
        assert sampler.draws is None
    with pytest.raises(RuntimeError, match="takes no closure"):
        sampler.step(lambda: None)


def test_a_rate_that_changes_inside_an_epoch():
    model, sampler = made()
    line_loss(model, next(sampler.epoch())).backward()
    sampler.step()
    sampler.param_groups[0]["lr"] = 3e-3
    with pytest.raises(RuntimeError, match=r"from 0.006 to 0.003 before step\(\) 2"):
        sampler.step()


@pytest.mark.parametrize("times", [65536.0, 2.0**-10])
def test_scaled_gradients_are_named(times):
    model, sampler = made()
    (times * line_loss(model, next(sampler.epoch()))).backward()
    with pytest.raises(RuntimeError, match=r"not those of loss.*unscale"):
        sampler.step()


def test_gradients_that_were_not_cleared_or_are_clipped_are_named():
    model, sampler = made()
    rest = sampler.epoch()
    line_loss(model, next(rest)).backward()
    sampler.step()
    line_loss(model, next(rest)).backward()
    with pytest.raises(RuntimeError, match=r"zero_grad\(\) before backward"):
        sampler.step()
    model, sampler = made()
    line_loss(model, next(sampler.epoch())).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    with pytest.raises(RuntimeError, match="do not clip"):
        sampler.step()


def test_parameters_that_do_nothing_and_groups_that_come_later():
    model = Lines()
    model.idle = nn.Parameter(torch.ones(3, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"does not depend on 1 parameters \(the first of shape \(3,\)\)"):
        made(model)
    _, sampler = made()
    with pytest.raises(RuntimeError, match="takes no others"):
        sampler.add_param_group({"params": [nn.Parameter(torch.ones(2))]})


def test_an_unstable_rate_is_refused_before_the_first_step():
    limit = 2 / np.linalg.eigvalsh(CURVATURE)[-1]
    model, sampler = made(dynamics=SGWORLD(1.05 * limit))
    before = model.w.detach().clone()
    with pytest.raises(UnstableStepSizeError, match="largest stable learning_rate"):
        run(model, sampler, 1)
    assert torch.equal(model.w, before)


def test_weights_that_run_away_keep_the_draws_before():
    """A well whose rim is near: Langevin noise throws the weight over it."""
    loss = of_mean(lambda model, batch: (model.w**2 / 2 - model.w**4 / 40).sum() + 0 * batch[0].sum())
    model, sampler = made(
        Lines(start=[[3.0, 0.0]]),
        loss,
        dynamics=SGLD(1e-2, temperature=3.0),
        prior_precision=0.0,
        check_every=0,
    )
    with pytest.raises(DivergedError, match="weights became infinite in epoch") as caught:
        run(model, sampler, 3000, loss)
    assert caught.value.partial.draws > 0
    assert np.isfinite(caught.value.partial.array()).all()


class _Stream(IterableDataset):
    def __iter__(self):
        yield FEATURES[0], Y[0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dynamics": SGD(0.1)}, r"use SGLD\(learning_rate\)"),
        ({"batch_size": 4}, "batch_size <= 3"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"prior_precision": -1.0}, "prior_precision is -1.0"),
        ({"prior_mean": "middle"}, "prior_mean is 'middle'"),
        ({"prior_mean": {"w": torch.zeros(3)}}, "prior_mean has names and shapes"),
        ({"preconditioner": {"w": torch.zeros(1, 2)}}, "not positive"),
        ({"data": _Stream()}, "cannot be asked for single samples"),
        ({"data": DataLoader(TensorDataset(FEATURES, Y))}, "data=loader.dataset"),
        ({"data": (FEATURES, Y)}, "give a dataset"),
        ({"loss": lambda model, batch: (model(batch[0]) - batch[1][:, None]).square()}, "shape \\(2, 1\\)"),
        ({"loss": lambda model, batch: (model(batch[0]) - batch[1][:, None]).square().sum()}, "it is a sum"),
        ({"model": nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).double()}, "statistics of the batch"),
    ],
)
def test_arguments_that_do_not_fit(options, match):
    with pytest.raises(ValueError, match=match):
        made(**options)


def test_an_operation_without_second_derivative_is_named():
    loss = of_mean(lambda model, batch: torch.cdist(model(batch[0]), batch[1][:, None] + 3, p=1.5).mean())
    model, sampler = made(loss=loss, check_every=0, dynamics=SGWORLD(1e-6))
    with pytest.raises((ValueError, RuntimeError), match=r"derivative"):
        run(model, sampler, 1, loss)


def test_dropout_and_single_precision_are_noted():
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    loss = of_mean(lambda model, batch: (model(batch[0].float())[:, 0] - batch[1].float()).square().mean())
    model, sampler = made(model, loss, dynamics=SGWORLD(1e-5))
    run(model, sampler, 2, loss)
    notes = " ".join(sampler.draws.facts["notes"])
    assert "dropout" in notes
    assert "float32" in notes


def test_it_is_on_the_front_page():
    assert tg.PosteriorSampler is PosteriorSampler
