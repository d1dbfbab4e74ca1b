"""Samplers on a regression with six samples, whose stationary moments are known exactly by enumeration of all orders."""

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGLD, SGWORLD
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At

SAMPLES, NOISE, RATE = 6, 0.5, 6e-3
DISTINCT, SHUFFLED = WithReplacement(2), WithoutReplacement(2)
CHAINS, EPOCHS = 1024, 600


def regression(samples=SAMPLES):
    """Features `(M, 2)`, targets `(M,)`, curvature H and the maximum of the posterior."""
    x = -1 + 2 * np.arange(samples) / (samples - 1)
    targets = np.sin(3 * x) + 0.3 * np.cos(17 * x)
    features = np.stack([np.ones(samples), x], axis=1)
    curvature = features.T @ features / NOISE**2 + np.eye(2)
    return features, targets, curvature, np.linalg.solve(curvature, features.T @ targets / NOISE**2)


def potential(samples=SAMPLES):
    """The negative log posterior as a problem that starts at its minimum."""
    features, targets, _, best = regression(samples)
    return tg.Problem(
        forward=lambda weights, inputs: inputs @ weights["w"],
        loss=lambda outputs, wanted: samples / (2 * NOISE**2) * (outputs - wanted).square(),
        train=(torch.from_numpy(features), torch.from_numpy(targets)),
        regulariser=0.5,
        initial=lambda _: {"w": torch.from_numpy(best).clone()},
    )


def simulated(dynamics, minibatching, *, samples=SAMPLES, offset=0, chains=CHAINS, epochs=EPOCHS):
    """Distances from the minimum at the ends of epochs (`offset` steps later), `(chain, time, 2)`."""
    count = minibatching.steps_per_epoch(samples)
    times = np.arange(epochs // 10, epochs, 12) * count + offset
    experiment = tg.Experiment(
        potential(samples),
        minibatching=minibatching,
        dynamics=dynamics,
        trajectories=chains,
        epochs=epochs,
        save_weights=At(tuple(times.tolist())),
        observe=(),
        seed=7,
        block_size=chains,
    )
    return tg.run(experiment).saved_weights()["w"][:, :-1] - regression(samples)[3]


def virial(away, curvature, temperature=1.0):
    """E[θᵀHθ]/NT with its standard error, chains being independent."""
    ratios = np.einsum("cti,ij,ctj->c", away, curvature, away) / away.shape[1] / 2 / temperature
    return ratios.mean(), ratios.std(ddof=1) / np.sqrt(len(ratios))


def off(away, expected, temperature=1.0):
    """Standard errors between the measured and the expected virial ratio."""
    value, error = virial(away, regression()[2], temperature)
    return (value - expected) / error


CASES = {
    "sgld": (SGLD(RATE), DISTINCT, 1.23107),
    "sgld, reshuffled": (SGLD(RATE), SHUFFLED, 1.04393),
    "published, uncorrected": (SGWORLD(RATE, variant="published", correction=False), SHUFFLED, 1.30024),
    "published": (SGWORLD(RATE, variant="published"), SHUFFLED, 1.20758),
    "sgworld, uncorrected": (SGWORLD(RATE, correction=False), SHUFFLED, 0.98300),
    "sgworld": (SGWORLD(RATE), SHUFFLED, 1.00019),
}


@pytest.mark.parametrize("case", CASES)
def test_virial_ratio_is_that_of_the_enumeration(case):
    dynamics, minibatching, expected = CASES[case]
    assert abs(off(simulated(dynamics, minibatching), expected)) < 4


class Redrawn(SGWORLD):
    """A negative control: forgets at each epoch what noise is pending."""

    def epoch(self, weights, state, oracle, epoch):
        weights, state = super().epoch(weights, state, oracle, epoch)
        return weights, {name: torch.zeros_like(value) for name, value in state.items()}


class WronglySigned(SGWORLD):
    """A negative control: the correction doubles what it should cancel."""

    def epoch(self, weights, state, oracle, epoch):
        moved, state = super().epoch(weights, state, oracle, epoch)
        return {name: 2 * value - moved[name] for name, value in weights.items()}, state


@pytest.mark.parametrize(
    ("broken", "epochs"), [(Redrawn(RATE), 200), (WronglySigned(RATE), EPOCHS)], ids=["redrawn", "wrong sign"]
)
def test_a_broken_sampler_is_told_apart(broken, epochs):
    assert abs(off(simulated(broken, SHUFFLED, epochs=epochs), 1.00019)) > 4


def test_weights_in_the_middle_of_an_epoch_are_no_draws():
    """Those at the ends of epochs are, at the same rate: above."""
    assert off(simulated(SGWORLD(RATE), SHUFFLED, offset=1, epochs=300), 1.00019) > 4


def test_temperature_scales_the_noise_that_is_added_and_nothing_else():
    """The covariance is that of T = 1 times T, the minibatch noise of the minimum aside, which T does not scale."""
    assert abs(off(simulated(SGWORLD(RATE, temperature=50.0), SHUFFLED), 1.0, temperature=50.0)) < 4


def test_batches_that_do_not_divide_the_samples_are_spread():
    """22 samples in batches of 4: leaving two out each epoch brings the noise of minibatches back."""
    _, _, curvature, _ = regression(22)
    stiffest = np.linalg.eigh(curvature)[1][:, -1]
    rate = 0.6 / 6 / np.linalg.eigvalsh(curvature)[-1]

    def excess(away):
        along = np.einsum("cti,i->ct", away, stiffest) ** 2 * np.linalg.eigvalsh(curvature)[-1]
        chains = along.mean(axis=1)
        return (chains.mean() - 1) / (chains.std(ddof=1) / np.sqrt(len(chains))), chains.mean()

    spread = WithoutReplacement(4, remainder="spread")
    sampled = simulated(SGWORLD(rate), spread, samples=22, chains=1024, epochs=600)
    errors, value = excess(sampled)
    assert value < 1.02
    assert errors < 5  # the excess itself, 0.6 %, is about one standard error
    dropping = simulated(SGLD(rate), WithoutReplacement(4), samples=22, chains=1024, epochs=600)
    assert excess(dropping)[1] > 1.02
