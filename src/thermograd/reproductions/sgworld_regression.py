"""Figure 6 twice: the continuous theory and the algorithms, on the linear regression and on the network with 7 parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.posterior_predictive import posterior_predictive
from thermograd.estimators.posterior import gaussian_kl
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.observables.landscape import landscape
from thermograd.problems.linear_regression import LinearRegression
from thermograd.quantities import Estimate, Landscape
from thermograd.report.figure import Figure
from thermograd.report.predictive_band import PredictiveCurve, predictive_band
from thermograd.report.sampler_divergence import sampler_divergence
from thermograd.report.virial import virial_against_time, virial_by_mode
from thermograd.reproductions.reproduction import Reproduction, Settings, Stages
from thermograd.reproductions.sgworld_chains import (
    BATCH,
    Length,
    chains,
    ratios,
    recorded_regression,
    virial_of_modes,
)
from thermograd.reproductions.sgworld_network import NetworkLength, of_the_network
from thermograd.reproductions.sgworld_rows import divergence_rows, paper_rows
from thermograd.reproductions.sgworld_samplers import NAMES
from thermograd.reproductions.sgworld_theory import Theory, theory_of
from thermograd.theory.posterior import ALGORITHMS, Gaussian

Array = npt.NDArray[Any]

SHOWN = ("sgld", "sgworld_published", "sgworld")
LEVEL = 0.999  # of each of twelve divergences


@dataclass(frozen=True)
class Sizes:
    """How much is simulated.

    Attributes:
        linear: of the linear regression, from its minimum on.
        network: of the network with 7 parameters.
        orders: random orders of the samples in the exact moments.
        points: learning rates of the curves.
        rates: learning rates of the simulations, ascending.
    """

    linear: Length
    network: NetworkLength
    orders: int
    points: int = 28
    rates: tuple[float, ...] = (1e-6, 3e-6)


REDUCED = Sizes(Length(512, 1500, 300), NetworkLength(Length(512, 1200, 60, 8)), orders=4000)
FULL = Sizes(
    Length(4096, 1500, 300), NetworkLength(Length(2048, 3000, 60, 8), algorithms=ALGORITHMS), orders=20000
)


def regression(settings: Settings) -> Stages:
    """Figure 6 of the paper, on its own data.

    Args:
        settings: `full` asks for eight times as many chains; `say` is told what is being done.

    Returns:
        The stages.
    """
    return stages(settings, FULL if settings.full else REDUCED)


def stages(settings: Settings, sizes: Sizes) -> Stages:
    """The same at any size.

    Args:
        settings: as above.
        sizes: how much is simulated.

    Yields:
        Theory; with simulation of the linear regression; with that of the network.
    """
    problem, source = recorded_regression()
    land = landscape(problem, refine=True, sample_hessians=True)
    settings.say("exact moments of six samplers")
    theory = theory_of(land, BATCH, orders=sizes.orders, seed=settings.seed, points=sizes.points)
    so_far = Reproduction(
        "sgworld",
        "regression",
        "Sampling a posterior by SGD: SGLD and SGWORLD",
        rows=paper_rows(theory),
        figures=(sampler_divergence(theory.curves),),
        facts=(
            ("data", source),
            ("curvatures", ", ".join(f"{value:.1f}" for value in np.linalg.eigvalsh(land.hessian))),
        ),
        complete=False,
    )
    yield so_far
    runs = _Runs(problem, land, theory.posterior, sizes)
    for algorithm in ALGORITHMS:
        settings.say(f"simulating {NAMES[algorithm]}")
        runs.simulate(algorithm, settings.seed)
    floor = max(_half(runs.found["sgworld", rate]) for rate in sizes.rates)
    curves = replace(
        theory.curves,
        simulated=[(NAMES[name], rate, value) for (name, rate), value in runs.found.items()],
        floor=floor,
    )
    length = sizes.linear
    so_far = replace(
        so_far,
        rows=(*so_far.rows, *divergence_rows(runs.found, theory, sizes.rates)),
        figures=(sampler_divergence(curves), *runs.figures(theory)),
        facts=(
            *so_far.facts,
            (
                "each simulation",
                f"{length.chains} chains x {length.epochs} epochs from the minimum, the first {length.burn_in} left out",
            ),
        ),
    )
    yield so_far
    settings.say("simulating the network with 7 parameters")
    rows, figures, facts = of_the_network(sizes.network, settings)
    yield replace(
        so_far,
        rows=(*so_far.rows, *rows),
        figures=(*so_far.figures, *figures),
        facts=(*so_far.facts, *facts),
        complete=True,
    )


class _Runs:
    """The simulations of the linear regression, reduced to what is shown as soon as they are made."""

    def __init__(self, problem: LinearRegression, land: Landscape, posterior: Gaussian, sizes: Sizes) -> None:
        self.problem, self.land, self.posterior = problem, land, posterior
        self.length, self.rates = sizes.linear, sizes.rates
        self.found: dict[tuple[str, float], Estimate] = {}
        self.records: dict[str, Array] = {}
        self.modes: dict[str, Estimate] = {}
        self.kept: PosteriorDraws | None = None

    def simulate(self, algorithm: str, seed: int) -> None:
        """All rates; of the samplers in `SHOWN` the virials at the smallest one are kept."""
        whole = replace(self.length, burn_in=0)
        start = np.tile(self.land.position, (self.length.chains, 1))
        for rate in self.rates:
            drawn = chains(self.problem, self.land, algorithm, rate, start, whole, seed)
            late = drawn.select(drawn.epochs > self.length.burn_in)
            points = late.array()
            mean, covariance = self.posterior.mean, self.posterior.covariance
            self.found[algorithm, rate] = gaussian_kl(points, mean, covariance, level=LEVEL)
            if algorithm in SHOWN and rate == self.rates[0]:
                _, modes = np.linalg.eigh(self.land.hessian)
                self.modes[NAMES[algorithm]] = ratios(
                    virial_of_modes(points, self._gradient, self.posterior.mean, modes)
                )
                early = drawn.array()[:, : self.length.burn_in]
                away = early - self.posterior.mean
                self.records[NAMES[algorithm]] = (away * self._gradient(early)).sum(axis=2) / away.shape[2]
                self.kept = late.select(np.arange(0, late.draws, 50)) if algorithm == "sgworld" else self.kept

    def _gradient(self, points: Array) -> Array:
        """∇U, which is linear here."""
        gradient: Array = (points - self.posterior.mean) @ self.land.hessian
        return gradient

    def figures(self, theory: Theory) -> tuple[Figure, ...]:
        """Virial against time and by mode, and what is predicted."""
        curvatures, modes = np.linalg.eigh(self.land.hessian)
        predicted = {
            NAMES[name]: theory.virial(name, self.rates[0], curvatures, modes)
            for name in SHOWN
            if NAMES[name] in self.modes
        }
        what = f"linear regression at η = {self.rates[0]:g}"
        epochs = np.arange(1, self.length.burn_in + 1)
        assert self.kept is not None  # sgworld is among the samplers
        return (
            virial_against_time(self.records, epochs, what=what),
            virial_by_mode(curvatures, self.modes, predicted, what=what),
            predictive_band(_predictive(self.problem, self.kept, self.posterior)),
        )


def _predictive(problem: LinearRegression, draws: PosteriorDraws, posterior: Gaussian) -> PredictiveCurve:
    built = problem.build()
    features, targets = (part.numpy() for part in built.train)
    # x of the data is not kept by the problem where it was generated; the first feature is tanh(1/2 - x).
    x = 0.5 - np.arctanh(features[:, 0])
    grid = np.linspace(x.min() - 1, x.max() + 1, 200)
    inputs = np.stack([np.tanh(0.5 - grid), np.tanh(0.5 + grid), np.ones_like(grid)], axis=1)
    found = posterior_predictive(draws, problem, torch.from_numpy(inputs))
    exact = np.sqrt(np.einsum("ni,ij,nj->n", inputs, posterior.covariance, inputs))
    return PredictiveCurve(grid, found.mean, found.std, problem.noise, (x, targets), exact)


def _half(value: Estimate) -> float:
    return float(value.high - value.low) / 2
