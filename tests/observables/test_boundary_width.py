import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import BoundaryWidth


def data(classes):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    numbers = torch.randint(classes, (50,), generator=generator)
    return inputs, numbers


def width(problem, **options):
    arguments = {
        "minibatching": WithReplacement(5),
        "trajectories": 3,
        "steps": 4,
        "observe": [BoundaryWidth(at=Every(2))],
    }
    run = tg.run(tg.Experiment(problem, **arguments | options))
    return run["boundary_width"], run.weights()


def linear(weights, inputs):
    return inputs @ weights["w"] / np.sqrt(6)


def test_a_linear_model_is_exact():
    """⟨y w·x/√d⟩/√(|w|²/d)."""
    inputs, numbers = data(2)
    labels = 2.0 * numbers - 1
    problem = tg.Problem(
        forward=linear,
        initial=lambda generator: {"w": torch.randn(6, generator=generator)},
        loss=lambda outputs, targets: nn.functional.softplus(-outputs * targets),
        train=(inputs, labels),
    )
    found, weights = width(problem)
    w = weights["w"]
    expected = (labels.numpy()[:, None] * (inputs.numpy() @ w.T / np.sqrt(6))).mean(0) / np.sqrt(
        (w**2).sum(1) / 6
    )
    assert np.allclose(found[:, -1], expected, rtol=1e-12)


@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_classes_of_a_linear_model(engine):
    """[(W x + b)_y − (W x + b)_k]/|W_y − W_k|, k the best other class."""
    inputs, numbers = data(4)
    problem = tg.Problem(
        model=lambda: nn.Linear(6, 4), loss=nn.CrossEntropyLoss(reduction="none"), train=(inputs, numbers)
    )
    found, weights = width(problem, engine=engine)
    for row in range(3):
        matrix, shift = (weights[name][row] for name in ("weight", "bias"))
        logits, total = inputs.numpy() @ matrix.T + shift, 0
        for scores, true in zip(logits, numbers.tolist(), strict=True):
            other = max((k for k in range(4) if k != true), key=lambda k, s=scores: s[k])
            total += (scores[true] - scores[other]) / np.linalg.norm(matrix[true] - matrix[other])
        assert found[row, -1] == pytest.approx(total / 50, rel=1e-10)


def network(dropout):
    inputs, numbers = data(2)
    return tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1)),
        loss=lambda outputs, targets: nn.functional.softplus(-outputs[:, 0] * targets),
        train=(inputs, 2.0 * numbers - 1),
    )


@pytest.mark.parametrize(("dropout", "mode"), [(0.0, "vmap"), (0.3, "loop")])
def test_gradients_of_a_network_by_hand(dropout, mode):
    """With one output; dropout is off in a record."""
    problem = network(dropout)
    assert tg.plan(tg.Experiment(problem, steps=1, engine="eager")).mode == mode
    found, weights = width(problem, engine="eager")
    inputs, labels = problem.train
    for row in range(3):
        w, b, v, c = (weights[name][row] for name in ("0.weight", "0.bias", "3.weight", "3.bias"))
        hidden = np.tanh(inputs.numpy() @ w.T + b)
        slope = ((1 - hidden**2) * v) @ w
        expected = labels.numpy() * (hidden @ v.T + c)[:, 0] / np.linalg.norm(slope, axis=1)
        assert found[row, -1] == pytest.approx(expected.mean(), rel=1e-10)


def test_images_have_one_distance_each():
    inputs, numbers = data(3)
    flat = tg.Problem(
        model=lambda: nn.Linear(6, 3), loss=nn.CrossEntropyLoss(reduction="none"), train=(inputs, numbers)
    )
    images = tg.Problem(
        model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(inputs.reshape(50, 1, 2, 3), numbers),
    )
    start = {"weight": torch.randn(3, 6), "bias": torch.zeros(3)}
    one, _ = width(flat, start=start, observe=[BoundaryWidth(at=At((0,)))])
    other, _ = width(
        images,
        start={f"1.{name}": value for name, value in start.items()},
        observe=[BoundaryWidth(at=At((0,)))],
    )
    assert np.allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ((torch.randn(5, 6), torch.rand(5)), "needs targets ±1, or class numbers"),
        ((torch.randn(5, 6), torch.tensor([0, 1, 0, 1, 0])), r"needs one output .* got outputs \(5, 1\)"),
        ((torch.randint(3, (5, 6)), torch.ones(5)), "inputs that can be moved; the training inputs are"),
    ],
)
def test_what_has_no_margin(train, says):
    problem = tg.Problem(
        forward=lambda weights, inputs: inputs.to(weights["w"].dtype) @ weights["w"][:, None],
        initial=lambda _: {"w": torch.ones(6)},
        loss=lambda outputs, targets: (outputs[:, 0] - targets) ** 2,
        train=train,
    )
    with pytest.raises(ValueError, match=says):
        width(problem, minibatching=WithReplacement(2))
