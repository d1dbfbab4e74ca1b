"""The advised step: within the bias asked for by exact moments, and refused where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.advisor.posterior_step import advise
from thermograd.dynamics import SGD, SGLD, SGWORLD
from thermograd.dynamics.stability import algorithm_of
from thermograd.problems.linear_regression import LinearRegression
from thermograd.theory.posterior import exact_posterior, stationary_distribution


@pytest.mark.parametrize("dynamics", [SGWORLD(), SGLD(), SGWORLD(variant="published")])
def test_the_stiffest_mode_is_as_biased_as_asked(dynamics):
    """1 % by the exact moments of the algorithm on the regression, whose model fits."""
    problem = LinearRegression()
    land = tg.landscape(problem, refine=True, sample_hessians=True)
    found = advise(problem, prior_precision=None, batch_size=10, dynamics=dynamics)
    curvatures, basis = np.linalg.eigh(land.hessian)
    assert found.verdicts[0].evidence["largest_curvature"] == pytest.approx(curvatures[-1], rel=1e-3)
    rate = found.ranking[0].learning_rate
    drawn = stationary_distribution(land, algorithm_of(dynamics), learning_rate=rate, batch_size=10).value
    assert exact_posterior(land).value.covariance == pytest.approx(np.linalg.inv(land.hessian))
    excess = curvatures[-1] * basis[:, -1] @ drawn.covariance @ basis[:, -1] - 1
    assert 0.003 < excess < 0.013
    assert found.ranking[-1].dynamics == SGLD(found.ranking[-1].learning_rate)
    assert len(found.ranking) == (1 if isinstance(dynamics, SGLD) else 2)


def test_epochs_between_draws_and_what_is_said():
    found = advise(LinearRegression(), prior_precision=None, batch_size=10)
    first, other = found.ranking
    assert first.epochs_per_draw == pytest.approx(1 / (20 * first.learning_rate * 20))
    assert other.epochs_per_draw / first.epochs_per_draw == pytest.approx(
        first.learning_rate / other.learning_rate
    )
    assert "Use SGWORLD with learning_rate" in found.recommendation
    assert any("reshuffled DataLoader" in caveat for caveat in found.caveats)
    assert str(first).startswith("SGWORLD, learning_rate")


def test_a_preconditioner_evens_out_the_curvatures():
    problem = LinearRegression()
    land = tg.landscape(problem, refine=True)
    inverse = torch.from_numpy(1 / np.diag(land.hessian))
    plain = advise(problem, prior_precision=None, batch_size=10).verdicts[0].evidence["largest_curvature"]
    scaled = advise(problem, prior_precision=None, batch_size=10, preconditioner={"weights": inverse})
    scale = np.sqrt(inverse.numpy() / np.exp(np.log(inverse.numpy()).mean()))
    expected = np.linalg.eigvalsh(scale[:, None] * land.hessian * scale)[-1]
    assert scaled.verdicts[0].evidence["largest_curvature"] == pytest.approx(expected, rel=1e-3)
    assert expected != pytest.approx(plain, rel=0.01)


def hill():
    return tg.Problem(
        forward=lambda weights, inputs: inputs * weights["w"],
        loss=lambda outputs, _: -(outputs**2),
        train=(torch.ones(8), torch.zeros(8)),
        initial=lambda _: {"w": torch.zeros(())},
    )


def test_where_nothing_can_be_said():
    with pytest.raises(ValueError, match="no minimum is near; train first"):
        advise(hill(), prior_precision=0.0, batch_size=2)
    with pytest.raises(ValueError, match=r"use SGLD\(\) or SGWORLD\(\)"):
        advise(LinearRegression(), prior_precision=None, batch_size=10, dynamics=SGD())
    with pytest.raises(ValueError, match="batch_size <= 100"):
        advise(LinearRegression(), prior_precision=None, batch_size=150)
    with pytest.raises(ValueError, match="pilot is -1"):
        advise(LinearRegression(), prior_precision=None, batch_size=10, pilot=-1)
    with pytest.raises(ValueError, match="start has weights"):
        advise(LinearRegression(), prior_precision=None, batch_size=10, start={"v": torch.ones(3)})
