"""The summed relation: exact identity with the drift, and the theory of a quadratic."""

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD, Adam
from thermograd.estimators.fluctuation_dissipation import ratio
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Epochs, Every
from thermograd.observables import DissipationAndFluctuation
from thermograd.observables.fluctuation_dissipation import capture, dissipation_and_fluctuation
from thermograd.problems import Digits, Quadratic
from thermograd.theory.fluctuation_dissipation import quadratic

NAME = "dissipation_and_fluctuation"


def flat(weights):
    return np.concatenate([value.reshape(len(value), -1) for value in weights.values()], axis=1)


def factor(dynamics):
    return (1 + dynamics.momentum) / (2 * (1 - dynamics.dampening) * dynamics.learning_rate)


@pytest.mark.parametrize("centre", ["start", "zero"])
@pytest.mark.parametrize(("momentum", "dampening"), [(0, 0), (0.9, 0), (0.9, 0.5), (0.5, 0.9)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
def test_identity_on_digits(momentum, dampening, dtype, tolerance, centre):
    """Over the steps after the first, which a fresh buffer does not dampen."""
    pytest.importorskip("sklearn")
    dynamics = SGD(0.05, momentum=momentum, dampening=dampening)
    last = 60
    run = tg.run(
        tg.Experiment(
            Digits(hidden=(8,), regulariser=0.005),
            WithoutReplacement(40),
            dynamics,
            observe=[DissipationAndFluctuation(centre=centre, at=At((1, last)))],
            trajectories=2,
            steps=last,
            save_weights=At((0, 1, last - 1, last)),
            dtype=dtype,
        )
    )
    left, squares = (
        np.diff(run[f"{NAME}/{field}"])[:, 0] for field in ("dissipation", "squared_displacement")
    )
    right = factor(dynamics) * squares
    place = {step: flat(run.weights(step)).astype(float) for step in (0, 1, last - 1, last)}
    middle = place[0] if centre == "start" else 0.0

    def drifted(step, earlier):
        away = place[step] - middle
        velocity = (place[step] - place[earlier]) / dynamics.learning_rate
        distance = (1 - momentum) * (away**2).sum(1) / (2 * dynamics.learning_rate)
        return (distance + momentum * (away * velocity).sum(1)) / (1 - dampening)

    drift = drifted(last, last - 1) - drifted(1, 0)
    # About the origin the drift is up to 20 times the fluctuation, and float32 rounds each of its terms.
    scale = right if centre == "start" else np.maximum(right, np.abs(drift))
    assert (np.abs(left - right + drift) < tolerance * scale).all()
    assert (np.abs(drift) > 0.1 * right).all()


@pytest.mark.parametrize(("momentum", "dampening"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.5)])
def test_theory_of_a_quadratic(momentum, dampening):
    """Stationary means of both sides, about the minimum and to 4 standard errors of the trajectories."""
    curvatures, samples, batch, rate = (1.0, 0.3), 20, 5, 0.1
    problem = Quadratic(curvatures, samples=samples)
    data = problem.build().train[0]
    variance = data.numpy().var(axis=0, ddof=1) * (1 / batch - 1 / samples) * np.square(curvatures)
    expected = quadratic(curvatures, variance, rate, momentum, dampening)
    dynamics = SGD(rate, momentum=momentum, dampening=dampening)
    run = tg.run(
        tg.Experiment(
            problem,
            WithReplacement(batch),
            dynamics,
            observe=[DissipationAndFluctuation(at=Every(400))],
            trajectories=200,
            steps=1200,
            start={"position": data.mean(0)},
        )
    )
    # From the minimum, the first third is relaxation: 400 steps are 12 times the slowest, 33 steps.
    left, squares = (
        np.diff(run[f"{NAME}/{field}"])[:, 1:].sum(axis=1) / 800
        for field in ("dissipation", "squared_displacement")
    )
    right = factor(dynamics) * squares
    for found, name in ((left, "dissipation"), (right, "fluctuation")):
        error = found.std(ddof=1) / np.sqrt(len(found))
        assert abs(found.mean() - expected[name].value) < 4 * error
        assert error < 0.02 * expected[name].value


def test_equals_the_functions_on_a_live_optimizer():
    """The same training by `torch.optim.SGD` and `experiment.indices`."""
    experiment = tg.Experiment(
        Quadratic((1.0, 0.3, 0.1), samples=20),
        WithoutReplacement(5),
        SGD(0.1, momentum=0.9, dampening=0.2),
        observe=[DissipationAndFluctuation(at=Every(10))],
        trajectories=3,
        steps=30,
    )
    run = tg.run(experiment)
    problem, (inputs, targets) = experiment.functional, experiment.functional.train
    for trajectory in range(3):
        start = torch.from_numpy(experiment.initial_weights([trajectory])["position"][0])
        weights = torch.nn.Parameter(start.clone())
        optimizer = torch.optim.SGD([weights], lr=0.1, momentum=0.9, dampening=0.2)
        sums = torch.zeros(2, dtype=torch.float64)
        for step in range(30):
            rows = experiment.indices(trajectory, step)
            optimizer.zero_grad()
            problem.mean_loss({"position": weights}, (inputs[rows], targets[rows])).backward()
            capture(optimizer)
            optimizer.step()
            sums += torch.stack(dissipation_and_fluctuation(optimizer, [start]))
        left, squares = (
            run[f"{NAME}/{field}"][trajectory, -1] for field in ("dissipation", "squared_displacement")
        )
        assert [left, factor(experiment.dynamics) * squares] == pytest.approx(sums.tolist(), rel=1e-10)


def test_windows_go_into_the_estimator_of_the_ratio():
    dynamics = SGD(0.1)
    data = Quadratic((1.0, 0.5), samples=20)
    run = tg.run(
        tg.Experiment(
            data,
            WithoutReplacement(5),
            dynamics,
            observe=[DissipationAndFluctuation()],
            trajectories=16,
            epochs=100,
            start={"position": data.build().train[0].mean(0)},
        )
    )
    left, squares = (np.diff(run[f"{NAME}/{field}"]) for field in ("dissipation", "squared_displacement"))
    found = ratio(left, factor(dynamics) * squares)
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.1


def test_counts_and_displacements_over_stretches():
    """With 3 steps between points: the mean square displacement at lag 3, from the saved weights."""
    run = tg.run(
        tg.Experiment(
            Quadratic(samples=20),
            WithoutReplacement(5),
            Adam(0.1),
            observe=[DissipationAndFluctuation(every=Every(3))],
            trajectories=3,
            epochs=3,
            save_weights=Every(1),
        )
    )
    place = [run.weights(step)["position"] for step in range(13)]
    squares = [((place[t + 3] - place[t]) ** 2).sum(axis=1) for t in (0, 3, 6, 9)]
    assert run[f"{NAME}/count"].tolist() == [[0, 1, 2, 4]] * 3
    assert np.allclose(run[f"{NAME}/squared_displacement"][:, -1], np.sum(squares, axis=0), rtol=1e-12)


def test_a_float32_run_is_summed_in_float64():
    run = tg.run(
        tg.Experiment(
            Quadratic(),
            observe=[DissipationAndFluctuation(at=Epochs(1))],
            dtype="float32",
            steps=3,
            trajectories=1,
        )
    )
    assert run[f"{NAME}/dissipation"].dtype == np.float64


def test_bad_centre():
    with pytest.raises(ValueError, match="use 'start' or 'zero'"):
        DissipationAndFluctuation(centre="anchor")
