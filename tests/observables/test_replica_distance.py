import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.estimators.replica_distance import estimate
from thermograd.minibatching import Persistent, WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import ReplicaDistance
from thermograd.problems import Quadratic


def make_experiment(observable, **options):
    return tg.Experiment(
        **{
            "problem": Quadratic(curvatures=tuple(np.linspace(0.5, 2, 30)), samples=40),
            "minibatching": WithReplacement(4),
            "dynamics": SGD(0.2),
            "observe": [observable],
            "trajectories": 40,
            "steps": 12,
            "start": "shared",
        }
        | options
    )


def test_distance_of_a_quadratic():
    """2 Σ_k V_k (1 − a_k²ᵗ)/N with the exact variance V_k of a mode, 4 standard errors; 0 at the start."""
    run = tg.run(make_experiment(ReplicaDistance(at=At((0, 3, 12)))))
    found = estimate(run["replica_distance"], 30)
    curvatures = np.linspace(0.5, 2, 30)
    samples = Quadratic(curvatures=tuple(curvatures), samples=40).build().train[0].numpy()
    noise = curvatures**2 * samples.var(axis=0, ddof=1) / 4 * (1 - 4 / 40)
    a = 1 - 0.2 * curvatures
    for place, step in enumerate((0, 3, 12)):
        expected = 2 * (0.04 * noise * (1 - a ** (2 * step)) / (1 - a**2)).mean()
        assert abs(found.value[place] - expected) <= 4 * (found.high[place] - found.value[place]) / 2.02
    assert found.value[0] == 0


def test_without_noise_or_with_own_starts():
    still = tg.run(make_experiment(ReplicaDistance(at=At((12,))), minibatching=WithReplacement(None)))
    assert estimate(still["replica_distance"], 30).value.tolist() == [0]
    apart = tg.run(make_experiment(ReplicaDistance(at=At((0,))), start="independent"))
    assert estimate(apart["replica_distance"], 30).value[0] > 0.01


def interpolating(seed, dimension=300, samples=150):
    """Two clusters, squared hinge with margin 1, fewer samples than weights; the loss of a sample is n·l."""
    rng = np.random.default_rng(seed)
    direction, start = rng.normal(size=(2, dimension))
    direction *= np.sqrt(dimension) / np.linalg.norm(direction)
    start -= (start @ direction / dimension) * direction
    start *= np.sqrt(dimension) / np.linalg.norm(start)
    labels = np.where(np.arange(samples) % 2, 1.0, -1.0)
    inputs = np.outer(labels, direction) / np.sqrt(dimension) + 0.5**0.5 * rng.normal(
        size=(samples, dimension)
    )
    return tg.Problem(
        forward=lambda weights, x: x @ weights["w"] / dimension**0.5,
        initial=lambda _: {"w": torch.from_numpy(start)},
        loss=lambda outputs, targets: samples * torch.relu(1 - outputs * targets) ** 2 / 2,
        train=(torch.from_numpy(inputs), torch.from_numpy(labels)),
    )


@pytest.mark.parametrize(
    ("rule", "steps", "expected", "error"),
    [
        (Persistent(0.1), 60, 0.0480, 0.0021),
        (Persistent(0.3, 10), 60, 0.0548, 0.0029),
        (Persistent(0.3), 120, 0.0043, 0.0010),
    ],
    ids=str,
)
def test_interpolation_in_infinite_dimension(rule, steps, expected, error):
    """10 data sets; the distance of mean-field theory with its Monte Carlo error, 4 combined standard errors."""
    distances = []
    for seed in range(10):
        experiment = make_experiment(
            ReplicaDistance(at=At((steps,))),
            problem=interpolating(seed),
            minibatching=rule,
            dynamics=SGD(0.1),
            trajectories=6,
            steps=steps,
        )
        distances.append(estimate(tg.run(experiment)["replica_distance"], 300).value[0])
    own = np.std(distances, ddof=1) / np.sqrt(10)
    assert abs(np.mean(distances) - expected) < 4 * np.hypot(own, error)


def network():
    generator = torch.Generator().manual_seed(0)
    return tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(40, 12, generator=generator), torch.arange(40) % 3),
        dtype="float32",
    )


@pytest.mark.parametrize("coordinates", [50, 200])
def test_projections_keep_distances(coordinates):
    """Relative error √(2/k), 4 sigma; the signs are shared by the trajectories, so the start has distance 0."""
    options = {"problem": network(), "trajectories": 6, "steps": 4}
    exact, projected = (
        tg.run(make_experiment(observable, **options))["replica_distance"]
        for observable in (
            ReplicaDistance(at=Every(2)),
            ReplicaDistance(at=Every(2), coordinates=coordinates),
        )
    )
    assert exact.shape == (6, 3, 323)
    assert projected.shape == (6, 3, coordinates)
    ratio = estimate(projected, 323).value[1:] / estimate(exact, 323).value[1:]
    assert (np.abs(ratio - 1) < 4 * np.sqrt(2 / coordinates)).all()
    assert (projected[:, 0] == projected[0, 0]).all()
    other = tg.run(make_experiment(ReplicaDistance(at=Every(2), coordinates=50, seed=1), **options))
    assert not np.array_equal(other["replica_distance"], projected[..., :50])


def test_projections_are_sums_with_signs():
    run = tg.run(make_experiment(ReplicaDistance(at=At((4,)), coordinates=7, seed=3), steps=4))
    signs = 2 * np.random.default_rng(3).integers(0, 2, (7, 30), np.int8) - 1
    expected = run.weights()["position"] @ signs.T.astype(float) / np.sqrt(7)
    assert np.allclose(run["replica_distance"][:, 0], expected, rtol=1e-12, atol=1e-14)
    more = tg.run(make_experiment(ReplicaDistance(at=At((4,)), coordinates=31), steps=4))
    assert np.array_equal(more["replica_distance"][:, 0], run.weights()["position"])


def test_every_engine_records_the_same():
    experiment = make_experiment(ReplicaDistance(at=At((12,))), engine="eager")
    eager, auto = (
        tg.run(dataclasses.replace(experiment, engine=engine))["replica_distance"]
        for engine in ("eager", "auto")
    )
    assert np.allclose(eager, auto, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"coordinates": 0}, "coordinates is 0; it must be a whole number, 1 or larger"),
        ({"coordinates": True}, "coordinates is True"),
        ({"seed": -1}, "seed is -1; it must be a whole number, 0 or larger$"),
    ],
)
def test_bad_numbers_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        ReplicaDistance(**options)
