"""The corrected and the published sampler by hand, and what they refuse."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGWORLD
from thermograd.dynamics.sgworld import correction, curvature_times_gradient, pairs_of_batches
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement
from thermograd.numerics import philox
from thermograd.problems import Quadratic

RATE = 0.01


def data(samples=6, size=2):
    generator = np.random.default_rng(4)
    return generator.standard_normal((samples, size)), generator.standard_normal(samples)


def problem(samples=6):
    """l_i = ½ (x_i·w − y_i)²: H_i = x_i x_iᵀ and G_i = x_i (x_i·w − y_i)."""
    x, y = data(samples)
    return tg.Problem(
        forward=lambda weights, inputs: inputs @ weights["w"],
        loss=lambda outputs, targets: (outputs - targets).square() / 2,
        train=(torch.from_numpy(x), torch.from_numpy(y)),
        initial=lambda _: {"w": torch.tensor([0.5, -0.3])},
    )


def one_epoch(dynamics, *, trajectories, minibatching=None):
    experiment = tg.Experiment(
        problem(),
        minibatching=minibatching or WithoutReplacement(2),
        dynamics=dynamics,
        trajectories=trajectories,
        epochs=1,
        start="shared",
        seed=3,
        observe=(),
        block_size=trajectories,
    )
    return tg.run(experiment).weights()["w"]


def moments(weights):
    """H, mean gradient, and the gradient of |∇U|² and of tr S at the weights."""
    x, y = data()
    hessians = x[:, :, None] * x[:, None, :]
    gradients = x * (x @ weights - y)[:, None]
    curvature, mean = hessians.mean(0), gradients.mean(0)
    own = np.einsum("iab,ib->a", hessians, gradients)
    trace = 2 * (own - len(x) * curvature @ mean) / (len(x) - 1)
    return curvature, mean, 2 * curvature @ mean, trace


def test_the_mean_correction_is_the_gradient_of_the_batch_variance():
    """E∇V̂ = (η n(n−1)/4M) ∇tr S over all ordered pairs of disjoint batches."""
    x, y = data()
    at = np.array([0.5, -0.3])
    weights = {"w": torch.tensor(at)}

    def loss(rows):
        rows = list(rows)
        return lambda w: (torch.tensor(x[rows]) @ w["w"] - torch.tensor(y[rows])).square().mean() / 2

    pairs = [
        (first, second)
        for first in itertools.combinations(range(6), 2)
        for second in itertools.combinations(sorted(set(range(6)) - set(first)), 2)
    ]
    strength = RATE * pairs_of_batches(6, 2, 3) * 2 / (8 * 6)
    found = np.mean(
        [correction(loss(a), loss(b), weights, strength=strength)["w"].numpy() for a, b in pairs], axis=0
    )
    assert found == pytest.approx(RATE * 6 / (4 * 6) * moments(at)[3], rel=1e-12)


def test_a_correction_moves_an_epoch_by_its_map():
    """Without noise, mean(corrected − uncorrected) = η Π(1 − ηH_t) ∇V̂; to lowest order η∇V̂ (1 − nηH)."""
    silent = {"temperature": 0.0, "learning_rate": RATE}
    corrected = one_epoch(SGWORLD(**silent), trajectories=4096)
    plain = one_epoch(SGWORLD(**silent, correction=False), trajectories=4096)
    moved = corrected - plain
    curvature, _, _, trace = moments(np.float32([0.5, -0.3]).astype(float))
    expected = (np.eye(2) - 3 * RATE * curvature) @ (RATE**2 * 6 / (4 * 6) * trace)
    error = moved.std(axis=0, ddof=1) / 64
    assert (np.abs(moved.mean(axis=0) - expected) < 4 * error + 0.01 * np.abs(expected)).all()


def test_published_is_one_step_of_noise_and_drift_at_the_end_of_the_epoch():
    """The mean of an epoch is that of SGD plus η∇δL of the weights it began with; its noise √(2ηnT)."""
    kick = {"variant": "published", "learning_rate": RATE}
    silent = one_epoch(SGWORLD(**kick, temperature=0.0), trajectories=4096)
    plain = one_epoch(SGWORLD(**kick, temperature=0.0, correction=False), trajectories=4096)
    _, _, steepness, trace = moments(np.float32([0.5, -0.3]).astype(float))
    expected = -RATE * (RATE * 6 / 4) * (steepness - trace / 6)
    moved = silent - plain
    error = moved.std(axis=0, ddof=1) / 64
    assert (np.abs(moved.mean(axis=0) - expected) < 4 * error).all()
    noisy = one_epoch(SGWORLD(**kick, correction=False), trajectories=4096) - plain
    assert np.cov(noisy.T) == pytest.approx(2 * RATE * 3 * np.eye(2), abs=6 * 2 * RATE * 3 / 64)


def test_noise_is_shared_by_neighbouring_steps():
    """Two steps on a flat loss: √(ηT/2) (z₀ + z₀ + z₁), and z₁ pending."""
    flat = tg.Problem(
        forward=lambda weights, inputs: 0 * weights["w"].sum() + inputs,
        loss=lambda outputs, _: outputs,
        train=(torch.zeros(4), torch.zeros(4)),
        initial=lambda _: {"w": torch.zeros(3)},
    )
    run = tg.run(
        tg.Experiment(
            flat,
            minibatching=WithoutReplacement(2),
            dynamics=SGWORLD(0.5, temperature=4.0),
            trajectories=1,
            steps=2,
            observe=(),
        )
    )
    z = [philox.normal(0, philox.DYNAMICS, (0,), step, 3)[0] for step in range(2)]
    assert run.weights()["w"][0] == pytest.approx(2 * z[0] + z[1])


def test_curvature_times_gradient_of_a_network():
    """Against the Hessian in full."""
    torch.manual_seed(0)
    x, y = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    shapes = {"a": (4, 3), "b": (4,)}
    weights = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}

    def loss(w):
        return ((torch.tanh(x @ w["a"].T) @ w["b"] - y) ** 2).mean()

    def flat(vector):
        return loss({"a": vector[:12].reshape(4, 3), "b": vector[12:]})

    whole = torch.cat([value.reshape(-1) for value in weights.values()])
    slope = torch.func.grad(flat)(whole)
    expected = torch.func.hessian(flat)(whole) @ slope
    found = torch.cat([value.reshape(-1) for value in curvature_times_gradient(loss, weights).values()])
    assert found.numpy() == pytest.approx(expected.numpy())


@pytest.mark.parametrize(
    ("samples", "size", "steps"), [(6, 2, 3), (22, 4, 6), (7, 3, 3), (200, 10, 20), (11, 2, 6)]
)
def test_pairs_of_batches_counts_ordered_pairs_of_samples_of_different_batches(samples, size, steps):
    sizes = np.diff([(2 * place * samples + steps) // (2 * steps) for place in range(steps + 1)])
    assert max(sizes) == size
    expected = sum(
        steps**2 * a * b / samples**2 for k, a in enumerate(sizes) for j, b in enumerate(sizes) if j != k
    )
    assert pairs_of_batches(samples, size, steps) == pytest.approx(expected)


def test_samples_that_sit_out_are_refused():
    with pytest.raises(
        ValueError, match=r"2 of 22 samples sit out.*WithoutReplacement\(4, remainder='spread'\)"
    ):
        pairs_of_batches(22, 4, 5)


@pytest.mark.parametrize("minibatching", [WithReplacement(2), Persistent(), WithoutReplacement(None)])
def test_other_minibatchings_are_refused(minibatching):
    with pytest.raises(ValueError, match="use WithoutReplacement"):
        tg.Experiment(problem(), minibatching=minibatching, dynamics=SGWORLD(), epochs=1)


@pytest.mark.parametrize(
    ("minibatching", "match"),
    [
        (WithoutReplacement(4), "1 batch: SGWORLD needs at least 2"),
        (WithoutReplacement(6), "1 batch: SGWORLD needs at least 2.*batch_size <= 3"),
        (WithoutReplacement(4, remainder="spread"), "do not fit in 6 samples"),
    ],
)
def test_epochs_without_pairs_of_batches_are_refused(minibatching, match):
    with pytest.raises(ValueError, match=match):
        tg.run(tg.Experiment(problem(), minibatching=minibatching, dynamics=SGWORLD(), epochs=1))


@pytest.mark.parametrize("options", [{"variant": "fixed"}, {"correction": 1}, {"learning_rate": -1.0}])
def test_fields_that_cannot_be(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SGWORLD(**options)


def test_an_operation_that_cannot_be_differentiated_twice_is_named():
    only_once = tg.Problem(
        forward=lambda weights, inputs: torch.cdist(
            inputs[:, None] * weights["w"], inputs[:, None] + 1, p=1.5
        ).sum(1),
        loss=lambda outputs, _: outputs,
        train=(torch.arange(4.0), torch.zeros(4)),
        initial=lambda _: {"w": torch.ones(())},
    )
    experiment = tg.Experiment(
        only_once, minibatching=WithoutReplacement(2), dynamics=SGWORLD(), trajectories=1, epochs=1
    )
    with pytest.raises(ValueError, match=r"correction=False"):
        tg.run(experiment)


def test_quadratics_and_networks_run_alike_in_a_loop_and_batched():
    """A wide layer runs one chain at a time; a narrow one all at once; both with the same hook."""
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    for width in (4, 6000):
        network = tg.Problem(
            model=lambda width=width: nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1)),
            loss=lambda outputs, _: outputs.square().sum(-1),
            train=(x, torch.zeros(12)),
        )
        experiment = tg.Experiment(
            network, minibatching=WithoutReplacement(4), dynamics=SGWORLD(1e-5), trajectories=2, epochs=2
        )
        assert ("loop" in tg.plan(experiment).mode) == (width == 6000)
        both = tg.run(experiment).weights()
        alone = tg.run(
            tg.Experiment(
                network, minibatching=WithoutReplacement(4), dynamics=SGWORLD(1e-5), trajectories=1, epochs=2
            )
        ).weights()
        assert all(np.array_equal(both[name][:1], alone[name]) for name in both)


def test_the_correction_vanishes_where_samples_differ_by_their_place_only():
    """All curvatures the same: tr S does not depend on the weights."""
    options = {"minibatching": WithoutReplacement(20), "trajectories": 2, "epochs": 3, "observe": ()}
    corrected = tg.run(tg.Experiment(Quadratic(), dynamics=SGWORLD(1e-3), **options)).weights()["position"]
    plain = tg.run(tg.Experiment(Quadratic(), dynamics=SGWORLD(1e-3, correction=False), **options)).weights()[
        "position"
    ]
    assert corrected == pytest.approx(plain, abs=1e-12)
