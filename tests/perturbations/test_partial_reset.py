import math

import numpy as np
import pytest
import torch
from scipy import stats

from thermograd.perturbations import PartialReset
from thermograd.perturbations.context import PerturbationContext
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.problem import Problem


@pytest.fixture
def problem():
    return FunctionalProblem(
        Problem(
            model=lambda: torch.nn.Sequential(torch.nn.Linear(30, 40), torch.nn.Linear(40, 5)),
            loss=torch.nn.CrossEntropyLoss(reduction="none"),
            train=(torch.randn(4, 30), torch.zeros(4, dtype=torch.int64)),
        ),
        "float64",
        "cpu",
    )


def context(problem, trajectory=0):
    return PerturbationContext(problem, seed=1, trajectory=trajectory, step=10)


def smallest_by_sorting(weights, fraction):
    """The naive rule: a stable sort of all magnitudes."""
    flat = np.concatenate([value.numpy().ravel() for value in weights.values()])
    order = np.argsort(np.abs(flat), kind="stable")
    mask = np.zeros(flat.size, bool)
    mask[order[: math.floor(fraction * flat.size)]] = True
    return mask


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.3, 0.777, 1.0])
def test_one_threshold_over_all_matrices(problem, fraction):
    weights, _ = problem.draw_initial(3)
    weights["0.weight"][:2] = 0.5  # ties
    matrices = {name: value for name, value in weights.items() if value.ndim > 1}
    expected = smallest_by_sorting(matrices, fraction)
    fresh, _ = context(problem).fresh()
    moved, _ = PartialReset(fraction).apply(weights, {}, context(problem))
    changed = np.concatenate([(moved[name] != weights[name]).numpy().ravel() for name in matrices])
    assert np.array_equal(changed, expected)
    for name, value in moved.items():
        kept = value == weights[name]
        assert torch.equal(torch.where(kept, weights[name], fresh[name]), value)
    assert torch.equal(moved["0.bias"], weights["0.bias"])


def test_scope_tensor_and_all_parameters(problem):
    weights, _ = problem.draw_initial(3)
    moved, _ = PartialReset(0.5, scope="tensor", parameters="all").apply(weights, {}, context(problem))
    for name, value in weights.items():
        assert int((moved[name] != value).sum()) == value.numel() // 2


def test_replaced_values_follow_the_modules_own_law(problem):
    """KS at fixed seed against uniform ±1/√fan-in; the reference code's law on a convolution is not it."""
    weights, _ = problem.draw_initial(3)
    drawn = []
    for trajectory in range(20):
        moved, _ = PartialReset(0.3).apply(weights, {}, context(problem, trajectory))
        drawn.append(moved["0.weight"][moved["0.weight"] != weights["0.weight"]])
    values = torch.cat(drawn).numpy() * math.sqrt(30)
    assert stats.kstest(values, "uniform", (-1, 2)).pvalue > 1e-4
    assert stats.kstest(values, "uniform", (-1.1, 2.2)).pvalue < 1e-4


def test_optimizer_state_is_zero_where_replaced_only(problem):
    weights, _ = problem.draw_initial(3)
    state = {
        "optimizer/momentum_buffer/0.weight": torch.ones(40, 30),
        "optimizer/step/0.weight": torch.tensor(5.0),
    }
    moved, rest = PartialReset(0.3).apply(weights, state, context(problem))
    zeroed = rest["optimizer/momentum_buffer/0.weight"] == 0
    assert torch.equal(zeroed, moved["0.weight"] != weights["0.weight"])
    assert rest["optimizer/step/0.weight"].item() == 5


def test_reference_code(problem):
    weights, _ = problem.draw_initial(3)
    weights["norm.weight"] = torch.full((16,), 1e-9, dtype=torch.float64)
    state = {"optimizer/momentum_buffer/0.weight": torch.ones(40, 30)}
    moved, rest = PartialReset(0.3, implementation="reference_code").apply(weights, state, context(problem))
    candidates = [name for name in weights if "weight" in name]
    flat = np.sort(np.concatenate([weights[name].abs().numpy().ravel() for name in candidates]))
    threshold = flat[int(0.3 * flat.size)]
    for name in candidates:
        assert torch.equal(moved[name] != weights[name], weights[name].abs() <= threshold)
    assert moved["norm.weight"].abs().max() <= 0.25
    assert moved["norm.weight"].abs().max() > 0.1
    assert torch.equal(moved["0.bias"], weights["0.bias"])
    assert rest["optimizer/momentum_buffer/0.weight"].min() == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fraction": 1.3}, "fraction is 1.3; it must be a share between 0 and 1"),
        ({"scope": "layer"}, "use 'global' or 'tensor'"),
        ({"parameters": "biases"}, "use 'weights' or 'all'"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        PartialReset(**options)
