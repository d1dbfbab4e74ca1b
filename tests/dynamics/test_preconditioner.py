"""A preconditioner read from tensors or from Adam."""

import math

import pytest
import torch

from thermograd.dynamics.preconditioner import frozen_preconditioner


def test_it_has_a_geometric_mean_of_one():
    given = {"a": torch.tensor([1.0, 8.0]), "b": torch.tensor(3.0)}
    found = frozen_preconditioner(given, {"a": (2,), "b": ()})
    logs = [float(entry) for value in found.values() for entry in value.log().reshape(-1)]
    assert sum(logs) == pytest.approx(0, abs=1e-12)
    assert float(found["a"][1] / found["a"][0]) == pytest.approx(8)


def test_adam_gives_one_over_the_root_mean_square():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 1.0], dtype=torch.float64))
    optimizer = torch.optim.Adam([parameter], lr=0.0, betas=(0.9, 0.99), eps=1e-3)
    for slope in ([1.0, 0.1], [2.0, 0.2], [0.5, 0.4]):
        parameter.grad = torch.tensor(slope, dtype=torch.float64)
        optimizer.step()
    squares = [[s**2 for s in column] for column in ((1.0, 2.0, 0.5), (0.1, 0.2, 0.4))]
    expected = []
    for column in squares:
        mean = 0.0
        for square in column:
            mean = 0.99 * mean + 0.01 * square
        expected.append(1 / (math.sqrt(mean / (1 - 0.99**3)) + 1e-3))
    found = frozen_preconditioner(optimizer, {"w": (2,)})["w"]
    assert float(found[0] / found[1]) == pytest.approx(expected[0] / expected[1])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"w": torch.tensor([1.0, 0.0])}, "not positive"),
        ({"v": torch.ones(2)}, "names and shapes"),
        ({"w": torch.ones(3)}, "names and shapes"),
        (3.0, "torch optimizer of Adam's"),
        (torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]), "has not made a step"),
        (torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1), "not of Adam's family"),
    ],
)
def test_what_is_no_preconditioner(given, match):
    with pytest.raises(ValueError, match=match):
        frozen_preconditioner(given, {"w": (2,)})
