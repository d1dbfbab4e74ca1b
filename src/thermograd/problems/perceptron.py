"""A fully connected network, its initial weights and how many there are of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from torch import nn

INITIAL = ("pytorch", "glorot")


def perceptron(
    widths: Sequence[int], activation: Callable[[], nn.Module] = nn.Tanh, initial: str = "glorot"
) -> nn.Sequential:
    """Linear layers with an activation between them, none behind the last.

    "glorot": weights uniform in ±√(6/(fan-in + fan-out)), biases 0 (Glorot, Bengio, AISTATS 2010, Eq 16). "pytorch":
    weights and biases uniform in ±1/√fan-in.

    Args:
        widths: of inputs, hidden layers and outputs.
        activation: makes an activation.
        initial: one of `INITIAL`.

    >>> network = perceptron((2, 5, 4))
    >>> [type(layer).__name__ for layer in network], bool(network[0].bias.any())
    (['Linear', 'Tanh', 'Linear'], False)
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        linear = nn.Linear(fan_in, fan_out)
        if initial == "glorot":
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def parameter_count(widths: Sequence[int]) -> int:
    """Weights and biases of a fully connected network: Σ (fan-in + 1) fan-out over its layers.

    Args:
        widths: of inputs, hidden layers and outputs.

    >>> parameter_count((1, 2, 1)), parameter_count((784, 5, 10))
    (7, 3985)
    """
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))


def checked_hidden(hidden: Sequence[int]) -> tuple[int, ...]:
    """Widths of hidden layers as a tuple.

    Raises:
        ValueError: no such list, or one is not a whole number from 1.

    >>> checked_hidden([8, 4])
    (8, 4)
    """
    given: object = hidden
    if isinstance(given, str) or not isinstance(given, Iterable):
        message = f"hidden is {hidden!r}; give layer widths in a tuple, (16,) for a single hidden layer"
        raise ValueError(message)
    widths = tuple(given)
    if any(
        isinstance(width, bool) or not isinstance(width, int | np.integer) or width < 1 for width in widths
    ):
        message = f"hidden is {widths!r}; layer widths are whole numbers, 1 or larger"
        raise ValueError(message)
    return tuple(int(width) for width in widths)


def check_initial(initial: str) -> None:
    """Refuse a law of initial weights that is not there.

    Raises:
        ValueError: it is not.
    """
    if initial not in INITIAL:
        message = f"initial is {initial!r}; use 'pytorch' or 'glorot'"
        raise ValueError(message)
