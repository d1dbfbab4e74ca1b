"""Spectra along training against dense Hessians of stored weights, on every engine, exact and estimated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables.hessian_spectrum import HessianSpectrum
from thermograd.problems.problem import Problem


def make_problem(hidden=4, features=5, *, extra=(), regulariser=0.01, dtype="float64"):
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(60, features, generator=generator), torch.randint(3, (60,), generator=generator)

    def model():
        return nn.Sequential(
            nn.Linear(features, hidden), nn.Tanh(), *[part() for part in extra], nn.Linear(hidden, 3)
        )

    return Problem(
        model=model,
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x, y),
        regulariser=regulariser,
        dtype=dtype,
    )


def run(problem, observe, **changes):
    arguments = {
        "problem": problem,
        "dynamics": SGD(0.3),
        "minibatching": WithoutReplacement(batch_size=20),
        "trajectories": 3,
        "steps": 12,
        "observe": observe,
        "save_weights": Every(6),
        "engine": "eager",
        "seed": 2,
    }
    return tg.run(tg.Experiment(**arguments | changes))


def dense(problem, run, time, trajectory):
    """Through plain double backward, row by row."""
    weights = {
        name: torch.from_numpy(value[trajectory]).double().requires_grad_()
        for name, value in run.weights(time).items()
    }
    model, (x, y) = problem.model().double().eval(), problem.train
    outputs = torch.func.functional_call(model, weights, (x.double(),))
    loss = problem.loss(outputs, y).mean()
    loss = loss + problem.regulariser * sum(value.square().sum() for value in weights.values())
    leaves = list(weights.values())
    slope = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, leaves, create_graph=True)])
    rows = [
        torch.cat([part.reshape(-1) for part in torch.autograd.grad(one, leaves, retain_graph=True)])
        for one in slope
    ]
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("engine", ["eager", "kernel"])
def test_all_eigenvalues_of_a_small_network(engine):
    problem = make_problem()
    options = {"at": At((0, 6, 12))}
    try:
        found = run(
            problem, [HessianSpectrum(**options), HessianSpectrum(k=2, name="ends", **options)], engine=engine
        )
    except tg_errors() as absent:
        pytest.skip(str(absent))
    for row, time in enumerate((0, 6, 12)):
        for trajectory in range(3):
            exact = np.linalg.eigvalsh(dense(problem, found, time, trajectory))
            values = found["hessian_spectrum/eigenvalues"][trajectory, row]
            np.testing.assert_allclose(values, exact, atol=1e-10)
            assert found["hessian_spectrum/trace"][trajectory, row] == pytest.approx(exact.sum())
            share = (exact < -1e-4 * np.abs(exact).max()).mean()
            assert found["hessian_spectrum/negative_fraction"][trajectory, row] == pytest.approx(share)
            np.testing.assert_allclose(found["ends/largest"][trajectory, row], exact[::-1][:2], atol=1e-10)
            np.testing.assert_allclose(found["ends/smallest"][trajectory, row], exact[:2], atol=1e-10)
    assert found["hessian_spectrum/eigenvalues"].shape == (3, 3, 39)


def tg_errors():
    from thermograd.errors import EngineUnavailableError

    return EngineUnavailableError


def test_a_larger_network_is_estimated():
    problem = make_problem(hidden=60, features=6)
    found = run(problem, [HessianSpectrum(at=At((0, 12)), probes=3)], trajectories=2, save_weights=Every(12))
    for row, time in enumerate((0, 12)):
        for trajectory in range(2):
            exact = np.linalg.eigvalsh(dense(problem, found, time, trajectory))
            at = trajectory, row
            np.testing.assert_allclose(found["hessian_spectrum/largest"][at], exact[::-1][:5], rtol=1e-3)
            np.testing.assert_allclose(found["hessian_spectrum/smallest"][at], exact[:5], atol=1e-3)
            error = found["hessian_spectrum/trace_error"][at]
            assert 0 < error < 0.2 * exact.sum()
            assert abs(found["hessian_spectrum/trace"][at] - exact.sum()) < 2 * error
            share = (exact < -1e-4 * exact.max()).mean()
            unsure = found["hessian_spectrum/negative_fraction_error"][at]
            assert abs(found["hessian_spectrum/negative_fraction"][at] - share) < min(0.1, 2 * unsure)
            assert found["hessian_spectrum/residual"][at] <= 1e-4


def test_networks_whose_forward_pass_is_random_or_keeps_averages():
    """One trajectory after another; dropout off, running averages of the trajectory itself."""
    problem = make_problem(extra=(lambda: nn.BatchNorm1d(4), lambda: nn.Dropout(0.2)), dtype="float32")
    for k in (None, 2):
        found = run(problem, [HessianSpectrum(at=At((12,)), k=k)])
        trace = found["hessian_spectrum/trace"]
        assert trace.shape == (3, 1)
        assert np.isfinite(trace).all()
        assert len(set(trace[:, 0])) == 3


@pytest.mark.parametrize("hidden", [4, 60])
def test_a_trajectory_that_diverges_is_nan_and_stops_nobody(hidden):
    problem = make_problem(hidden=hidden, features=6)
    found = run(problem, [HessianSpectrum(at=At((0, 3, 12)), probes=2)], dynamics=SGD(1e200), trajectories=2)
    trace = found["hessian_spectrum/trace"]
    assert np.isfinite(trace[:, 0]).all()
    assert np.isnan(trace[:, 2]).all()


def test_weights_that_are_infinite_give_nan():
    for hidden in (4, 60):
        problem = tg.Experiment(make_problem(hidden=hidden), trajectories=1, steps=1).functional
        weights = {
            name: torch.full(shape, torch.inf, dtype=problem.dtype) for name, shape in problem.shapes.items()
        }
        found = HessianSpectrum(probes=2).measure(weights, problem, None)
        assert torch.isnan(found["trace"])


def test_bad_fields():
    with pytest.raises(ValueError, match="k is 0"):
        HessianSpectrum(k=0)
    with pytest.raises(ValueError, match="probes is 1"):
        HessianSpectrum(probes=1)
    with pytest.raises(ValueError, match="k is 20 from each end; there are 39"):
        run(make_problem(), [HessianSpectrum(k=20)])
