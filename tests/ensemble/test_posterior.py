"""Draws in one call: by hand, against exact moments, and everything that is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD, SGLD, SGWORLD
from thermograd.ensemble.posterior import sample_posterior
from thermograd.errors import DivergedError, UnstableStepSizeError
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics import philox

SAMPLES, NOISE = 6, 0.5
X = -1 + 2 * np.arange(SAMPLES) / (SAMPLES - 1)
Y = np.sin(3 * X) + 0.3 * np.cos(17 * X)
FEATURES = np.stack([np.ones(SAMPLES), X], axis=1)
CURVATURE = FEATURES.T @ FEATURES / NOISE**2 + np.eye(2)
BEST = np.linalg.solve(CURVATURE, FEATURES.T @ Y / NOISE**2)


def regression():
    """l_i = (y_i − x_i·w)²/2ε², the negative log likelihood of a sample."""
    return tg.Problem(
        forward=lambda weights, inputs: inputs @ weights["w"],
        loss=lambda outputs, wanted: (outputs - wanted).square() / (2 * NOISE**2),
        train=(torch.from_numpy(FEATURES), torch.from_numpy(Y)),
        initial=lambda generator: {"w": torch.randn(2, generator=generator)},
    )


def sampled(**changes):
    options = {
        "dynamics": SGWORLD(6e-3),
        "prior_precision": 1.0,
        "batch_size": 2,
        "chains": 4,
        "epochs": 30,
        "burn_in": 10,
        "seed": 3,
    }
    return sample_posterior(regression(), **options | changes)


def gradient(weights):
    """∇U at `(..., 2)`."""
    return (weights @ FEATURES.T - Y) @ FEATURES / NOISE**2 + weights


def potential(weights):
    """U at `(..., 2)`."""
    return ((weights @ FEATURES.T - Y) ** 2).sum(-1) / (2 * NOISE**2) + (weights**2).sum(-1) / 2


def test_draws_are_the_states_at_the_ends_of_epochs():
    """A chain is a trajectory of the experiment with the negative log posterior for its loss."""
    whole = tg.Problem(
        forward=lambda weights, inputs: inputs @ weights["w"],
        loss=lambda outputs, wanted: SAMPLES * (outputs - wanted).square() / (2 * NOISE**2),
        train=(torch.from_numpy(FEATURES), torch.from_numpy(Y)),
        initial=regression().initial,
        regulariser=0.5,
    )
    experiment = tg.Experiment(
        whole,
        minibatching=WithoutReplacement(2),
        dynamics=SGWORLD(6e-3),
        trajectories=4,
        steps=3 * 15,
        seed=3,
        observe=(),
    )
    draws = sampled(thin=4)
    assert draws.epochs.tolist() == [11, 15, 19, 23, 27]
    assert draws.parameters["w"][:, 1] == pytest.approx(tg.run(experiment).weights()["w"], rel=1e-12)


def test_what_is_measured_is_what_it_says():
    draws = sampled(epochs=60, virial_every=5, directions=1)
    assert draws.measured.tolist() == list(range(0, 50, 5))
    at = draws.parameters["w"][:, draws.measured]
    assert draws.potential == pytest.approx(potential(at))
    # c of a chain is the mean of the others' burn-in: recovered from two virials by solving for it
    slopes = gradient(at)
    for chain in range(4):
        offset = (at[chain] * slopes[chain]).sum(-1) - draws.virial[chain]
        centre, remainder, *_ = np.linalg.lstsq(slopes[chain], offset, rcond=None)
        assert remainder == pytest.approx(0, abs=1e-18)
        stiffest = np.linalg.eigh(CURVATURE)[1][:, -1]
        expected = ((at[chain] - centre) @ stiffest) * (slopes[chain] @ stiffest)
        assert draws.directional_virial[chain, :, 0] == pytest.approx(expected, rel=1e-6)


def test_the_centre_of_a_chain_knows_nothing_of_it():
    """Chain 0 alone differs in its start; its own centre, of the other chains, stays the same."""
    start = torch.tensor(BEST).expand(4, 2).clone()
    moved = start.clone()
    moved[0] += 5.0
    one, other = (sampled(start={"w": value}, virial_every=1) for value in (start, moved))
    centres = []
    for draws in (one, other):
        at = draws.parameters["w"][0]
        offset = (at * gradient(at)).sum(-1) - draws.virial[0]
        centres.append(np.linalg.lstsq(gradient(at), offset, rcond=None)[0])
    assert centres[0] == pytest.approx(centres[1])


def test_virial_ratio_of_slow_chains_is_unbiased():
    """Relaxation over 100 epochs, draws over 200: with each chain's own burn-in as centre the ratio is far too low."""
    start = torch.from_numpy(
        BEST
        + np.random.default_rng(0).standard_normal((256, 2)) @ np.linalg.cholesky(np.linalg.inv(CURVATURE)).T
    )
    rate = 1 / (3 * 100 * np.linalg.eigvalsh(CURVATURE)[0])
    draws = sampled(
        dynamics=SGWORLD(rate), start={"w": start}, chains=256, epochs=300, burn_in=100, virial_every=5
    )
    ratios = draws.virial.mean(axis=1) / 2
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / 16
    at = draws.parameters["w"][:, draws.measured]
    own = draws.parameters["w"][:, :1]  # the state at the end of the burn-in, a centre that is remembered
    wrong = ((at - own) * gradient(at)).sum(-1).mean(axis=1) / 2
    assert wrong.mean() < 1 - 4 * wrong.std(ddof=1) / 16


def test_noise_share_is_that_of_the_batches():
    draws = sampled(dynamics=SGLD(6e-3), chains=32, epochs=400, burn_in=100, virial_every=2)
    at = draws.parameters["w"].reshape(-1, 2)
    own = (FEATURES * ((at @ FEATURES.T) - Y)[:, :, None]) * SAMPLES / NOISE**2
    spread = own.var(axis=1, ddof=1).sum(-1).mean() * (1 / 2 - 1 / SAMPLES)
    expected = 6e-3 * spread / (6e-3 * spread + 2 * 2)
    assert draws.noise_share.mean() == pytest.approx(expected, rel=0.1)


def test_a_preconditioner_stretches_steps_and_noise():
    """θ ← θ − ηP∇U + √(2ηP) z by hand, on the full batch."""
    scale = np.array([0.5, 2.0])
    start = np.array([0.2, -0.4])
    draws = sampled(
        dynamics=SGLD(1e-3),
        minibatching=WithReplacement(6),
        batch_size=6,
        preconditioner={"w": torch.tensor(scale)},
        start={"w": torch.tensor(start)},
        chains=1,
        epochs=2,
        burn_in=0,
        virial_every=0,
    )
    place, expected = start, []
    for step in range(2):
        z = philox.normal(3, philox.DYNAMICS, (0,), step, 2)[0]
        place = place - 1e-3 * scale * gradient(place) + np.sqrt(2e-3 * scale) * z
        expected.append(place)
    assert draws.parameters["w"][0] == pytest.approx(np.array(expected))
    assert draws.virial.shape == (1, 0)


def test_prior_mean_and_temperature():
    """A strong prior holds the weights at its mean, T times as wide."""
    draws = sampled(
        dynamics=SGWORLD(1e-4, temperature=9.0),
        prior_precision=1000.0,
        prior_mean={"w": torch.tensor([3.0, -2.0])},
        chains=64,
        epochs=200,
        burn_in=50,
        start={"w": torch.tensor([3.0, -2.0])},
    )
    flat = draws.array().reshape(-1, 2)
    curvature = CURVATURE + 999 * np.eye(2)
    centre = np.linalg.solve(curvature, FEATURES.T @ Y / NOISE**2 + 1000 * np.array([3.0, -2.0]))
    assert flat.mean(axis=0) == pytest.approx(centre, abs=0.01)
    assert np.cov(flat.T) == pytest.approx(9 * np.linalg.inv(curvature), rel=0.1, abs=5e-4)
    anchored = sampled(
        prior_mean="start", start={"w": torch.tensor([3.0, -2.0])}, prior_precision=1e3, dynamics=SGLD(1e-4)
    )
    assert anchored.array().mean(axis=(0, 1)) == pytest.approx([3.0, -2.0], abs=0.2)


def test_a_schedule_sets_rate_and_temperature_of_each_epoch():
    """Exploring at T = 0 is gradient descent, and such draws have no weight."""

    def schedule(epoch):
        return (1.0, 0.0) if epoch % 4 < 2 else (0.5, 1.0)

    draws = sampled(
        dynamics=SGLD(1e-2),
        minibatching=WithReplacement(6),
        batch_size=6,
        schedule=schedule,
        burn_in=0,
        epochs=8,
    )
    assert draws.weights.tolist() == [0, 0, 0.5, 0.5, 0, 0, 0.5, 0.5]
    at = draws.parameters["w"]
    for epoch in (1, 4, 5):
        assert at[:, epoch] == pytest.approx(at[:, epoch - 1] - 1e-2 * gradient(at[:, epoch - 1]))
    z = philox.normal(3, philox.DYNAMICS, range(4), 2, 2)
    assert at[:, 2] == pytest.approx(at[:, 1] - 5e-3 * gradient(at[:, 1]) + 0.1 * z)
    assert draws.used.sum() == 4


def test_stored_chains_go_on_where_they_were(tmp_path):
    pytest.importorskip("zarr")
    seen = []

    def stop(block, step):
        seen.append(step)
        if step >= 30:
            raise KeyboardInterrupt

    options = {"epochs": 200, "store": tmp_path / "chains", "virial_every": 20}
    with pytest.raises(KeyboardInterrupt):
        sampled(progress=stop, **options)
    again = sampled(**options)
    once = sampled(epochs=200, virial_every=20)
    assert np.array_equal(again.array(), once.array())
    assert np.array_equal(again.virial, once.virial)
    fewer = sampled(epochs=200, virial_every=20, chains=2)
    assert np.array_equal(fewer.array(), once.array()[:2])


def test_a_chain_that_diverges_is_named_and_the_draws_before_are_kept():
    """A potential −θ⁴ beyond its barrier: one of the chains starts there."""
    runaway = tg.Problem(
        forward=lambda weights, inputs: weights["w"] + 0 * inputs,
        loss=lambda outputs, _: outputs**2 / 2 - outputs**4 / 40,
        train=(torch.zeros(4), torch.zeros(4)),
        initial=lambda _: {"w": torch.tensor(0.0)},
    )
    with pytest.raises(
        DivergedError, match=r"chain 2 became infinite in epoch .* \(1 of 4 chains did\)"
    ) as caught:
        sample_posterior(
            runaway,
            dynamics=SGLD(1e-3),
            prior_precision=0.0,
            batch_size=2,
            start={"w": torch.tensor([0.0, 0.0, 3.6, 0.0])},
            epochs=1000,
            burn_in=10,
            chains=4,
        )
    assert caught.value.partial is not None
    assert 0 < caught.value.partial.draws < 990
    assert np.isfinite(caught.value.partial.array()).all()


def test_an_unstable_rate_is_refused_before_the_first_step():
    limit = 2 / np.linalg.eigvalsh(CURVATURE)[-1]
    with pytest.raises(UnstableStepSizeError, match="largest stable learning_rate") as caught:
        sampled(dynamics=SGWORLD(1.01 * limit))
    assert caught.value.limit == pytest.approx(limit)
    assert sampled(dynamics=SGWORLD(0.9 * limit)).draws == 20
    with pytest.raises(UnstableStepSizeError):
        sampled(dynamics=SGWORLD(0.9 * limit), schedule=lambda epoch: (1.2, 1.0))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"prior_precision": -1.0}, "prior_precision is -1.0"),
        ({"prior_precision": "1"}, "prior_precision is '1'"),
        ({"burn_in": 30}, "leaves no draw"),
        ({"batch_size": 7}, "batch_size is 7"),
        ({"batch_size": 4}, "batch_size <= 3"),
        ({"thin": 0}, "thin is 0"),
        ({"directions": 3}, "directions is 3; it must be a whole number from 0 to the 2 weights"),
        ({"directions": -1}, "directions is -1"),
        ({"chains": 0}, "chains is 0"),
        ({"prior_mean": "start"}, "with start="),
        ({"prior_mean": {"v": torch.zeros(2)}}, "prior_mean has names"),
        ({"minibatching": WithoutReplacement(3)}, "same number twice"),
        ({"schedule": lambda epoch: 1.0}, "two numbers"),
        ({"schedule": lambda epoch: (1.0, 0.0)}, "learning rate or temperature 0 in every epoch of a draw"),
        ({"schedule": lambda epoch: (0.0, 1.0)}, "learning rate or temperature 0 in every epoch of a draw"),
        ({"schedule": lambda epoch: (1.0, 1.0 + epoch % 2)}, "several temperatures .factors 1 to 2"),
        ({"dynamics": SGD(1e-3)}, "use SGLD"),
        ({"start": {"v": torch.zeros(2)}}, "start has weights"),
        ({"dynamics": SGWORLD(), "minibatching": WithReplacement(2)}, "use WithoutReplacement"),
    ],
)
def test_arguments_that_do_not_fit(options, match):
    with pytest.raises(ValueError, match=match):
        sampled(**options)


def network(*layers):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(24, 3, generator=generator), torch.randint(2, (24,), generator=generator)
    return tg.Problem(
        model=lambda: nn.Sequential(
            nn.Linear(3, 4), *[layer() for layer in layers], nn.Tanh(), nn.Linear(4, 2)
        ),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x, y),
    )


def test_layers_that_mix_samples_are_refused():
    with pytest.raises(ValueError, match="batch normalisation"):
        sample_posterior(
            network(lambda: nn.BatchNorm1d(4)), prior_precision=1.0, batch_size=6, epochs=2, burn_in=1
        )


def test_dropout_is_sampled_over_and_said_so():
    draws = sample_posterior(
        network(lambda: nn.Dropout(0.2)), prior_precision=1.0, batch_size=6, epochs=3, burn_in=1, chains=2
    )
    assert any("dropout" in note for note in draws.facts["notes"])


def test_a_flat_prior_is_noted_and_facts_tell_how():
    draws = sampled(prior_precision=0, epochs=12)
    assert any("flat prior" in note for note in draws.facts["notes"])
    assert draws.facts["sampler"] == "SGWORLD"
    assert draws.facts["largest_curvature"] == pytest.approx(
        np.linalg.eigvalsh(CURVATURE - np.eye(2))[-1], rel=1e-3
    )
    assert (draws.facts["learning_rate"], draws.facts["batch_size"], draws.facts["steps_per_epoch"]) == (
        6e-3,
        2,
        3,
    )


def test_frozen_parameters_stay_and_may_be_given():
    """`dict(net.named_parameters())` holds them too; other values than the model's would not be used."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    net[0].weight.requires_grad_(False)
    problem = network()
    problem = tg.Problem(model=lambda: net, loss=problem.loss, train=problem.train)
    options = {"prior_precision": 1.0, "batch_size": 6, "epochs": 3, "burn_in": 1, "chains": 2}
    draws = sample_posterior(problem, start=dict(net.named_parameters()), **options)
    assert set(draws.parameters) == {"0.bias", "2.weight", "2.bias"}
    other = {name: value + 1 for name, value in net.named_parameters()}
    with pytest.raises(ValueError, match=r"'0\.weight' is frozen"):
        sample_posterior(problem, start=other, **options)


def test_a_checkpoint_with_buffers_is_a_start():
    """A state_dict holds running means too, which the problem has to have as well."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    net(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))
    net.eval()
    given = network()
    problem = tg.Problem(model=lambda: net, loss=given.loss, train=given.train)
    options = {"prior_precision": 1.0, "batch_size": 6, "epochs": 3, "burn_in": 1, "chains": 2}
    draws = sample_posterior(problem, start=net.state_dict(), **options)
    assert set(draws.parameters) == {name for name, _ in net.named_parameters()}
    other = {**net.state_dict(), "1.running_mean": torch.ones(4)}
    with pytest.raises(ValueError, match=r"'1\.running_mean' is frozen \(.*or a buffer\)"):
        sample_posterior(problem, start=other, **options)
    with pytest.raises(
        ValueError, match=r"start is Sequential; give weights by name, as start=net.state_dict\(\)"
    ):
        sample_posterior(problem, start=net, **options)


@pytest.mark.parametrize("problem", [nn.Linear(2, 1), nn.Linear, 3.0, {"model": None}])
def test_what_is_no_problem(problem):
    with pytest.raises(ValueError, match=r"give a tg.Problem\(model=..., loss=..., train="):
        sample_posterior(problem, prior_precision=1.0, batch_size=2, epochs=3, burn_in=1)


def test_a_schedule_may_have_a_temperature_of_its_own():
    """Factor 9 throughout is the posterior at T = 9."""
    options = {"chains": 32, "epochs": 300, "burn_in": 100, "virial_every": 2, "dynamics": SGWORLD(3e-3)}
    draws = sampled(schedule=lambda epoch: (1.0, 9.0), **options)
    assert draws.temperature == pytest.approx(9)
    ratios = draws.virial.mean(axis=1) / 2 / 9
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / np.sqrt(32)
