"""The network with seven parameters at its minimum: the paper's data where they are, else data by the same rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.observables.landscape import landscape
from thermograd.problems.data_folder import present_files
from thermograd.problems.nonlinear_regression import NonlinearRegression
from thermograd.quantities import Landscape

Array = npt.NDArray[Any]

FILES = ("x_train.txt", "y_train.txt", "wmin.txt")


@dataclass(frozen=True, eq=False)
class Network:
    """What is trained, and its landscape.

    Attributes:
        problem: with its data.
        land: at the minimum.
        curvatures: h, ascending, `(N,)`.
        modes: directions of the Hessian as columns, `(N, N)`.
        source: of the data, in words.
    """

    problem: NonlinearRegression
    land: Landscape
    curvatures: Array
    modes: Array
    source: str


def recorded_network() -> Network:
    """The network at the minimum nearest to the recorded one, or to the start of the problem."""
    files = present_files("nonlinear_regression", (FILES,))
    if files:
        x, y, start = (np.loadtxt(file) for file in files)
        problem = NonlinearRegression(x=tuple(x), y=tuple(y))
        parameters = torch.from_numpy(start)
        source = "the paper's own, from THERMOGRAD_DATA"
    else:
        problem, parameters = NonlinearRegression(), None
        source = "drawn here by the paper's rule; THERMOGRAD_DATA names no folder nonlinear_regression"
    land = landscape(problem, parameters=parameters, refine=True, sample_hessians=True, third_derivative=True)
    curvatures, modes = np.linalg.eigh(land.hessian)
    return Network(problem, land, curvatures, modes, source)
