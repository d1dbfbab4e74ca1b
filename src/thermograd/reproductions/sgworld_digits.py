"""SGLD against SGWORLD at equal gradients: a softmax regression on digits with wrong labels, convex, 650 weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.posterior import sample_posterior
from thermograd.ensemble.posterior_predictive import posterior_predictive
from thermograd.estimators.posterior import (
    Calibration,
    calibration,
    effective_sample_size,
    rhat,
    virial_ratio,
)
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.observables.landscape import gradients, landscape
from thermograd.problems.digits import Digits
from thermograd.quantities import Estimate, Landscape
from thermograd.report.reliability import reliability
from thermograd.report.virial import virial_by_mode
from thermograd.reproductions.reproduction import Reproduction, Settings, Stages
from thermograd.reproductions.sgworld_chains import LEVEL, ratios, virial_of_modes
from thermograd.reproductions.sgworld_digits_rows import calibration_rows, mixing_rows, virial_rows
from thermograd.reproductions.sgworld_samplers import NAMES, sampler
from thermograd.theory.posterior import step_size, variance_excess

Array = npt.NDArray[Any]

PRIOR = 10.0
FLIPPED = 0.3
CORRECTION = 5.0
"""Gradients of batches that the correction of an epoch costs at most."""
STIFF = 8
SLOW = "SGLD, small steps"


@dataclass(frozen=True)
class Sizes:
    """What is trained on, and how long.

    Attributes:
        samples: M.
        batch_size: m.
        chains: of each sampler.
        epochs: of SGWORLD; the others have as many gradients.
        burn_in: epochs left out.
        thin: epochs from draw to draw.
    """

    samples: int = 1200
    batch_size: int = 20
    chains: int = 8
    epochs: int = 4000
    burn_in: int = 500
    thin: int = 10


FULL = Sizes(chains=32, epochs=16000)


@dataclass(frozen=True, eq=False)
class _Setting:
    """The problem with its minimum.

    Attributes:
        sizes: of the experiment.
        problem: whose loss times M is U.
        land: of it.
        rate: η at which nηh is 1 in the stiffest mode.
        curvatures: of U in the modes that are looked at, ascending.
        modes: their directions, columns.
        inputs: to predict.
        labels: what happened.
    """

    sizes: Sizes
    problem: Digits
    land: Landscape
    rate: float
    curvatures: Array
    modes: Array
    inputs: torch.Tensor
    labels: Array

    @property
    def steps(self) -> int:
        """Steps of an epoch, n."""
        return -(-self.sizes.samples // self.sizes.batch_size)

    def gradient(self, points: Array) -> Array:
        """∇U."""
        found: Array = self.sizes.samples * gradients(self.problem, points=points)
        return found


@dataclass(eq=False)
class _Found:
    """What is kept of every sampler, by its name."""

    modes: dict[str, Estimate] = field(default_factory=dict)
    stiff: dict[str, Estimate] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    probabilities: dict[str, Array] = field(default_factory=dict)
    mixing: dict[str, tuple[float, float]] = field(default_factory=dict)


def digits(settings: Settings) -> Stages:
    """Four samplers at equal gradients.

    Args:
        settings: `full` asks for 16 times as many draws; `say` is told what is being done.

    Returns:
        The stages.
    """
    return stages(settings, FULL if settings.full else Sizes())


def stages(settings: Settings, sizes: Sizes) -> Stages:
    """The same at any size.

    Args:
        settings: as above.
        sizes: how much is simulated.

    Yields:
        What is there after each sampler from the second on.
    """
    setting = _setting(sizes)
    stiffest = float(setting.curvatures[-1])
    bias = float(
        variance_excess("sgworld", stiffest, learning_rate=setting.rate, steps_per_epoch=setting.steps)
    )
    slow = step_size("sgld", stiffest, steps_per_epoch=setting.steps, bias=bias)
    runs = [
        (NAMES["sgld"], "sgld", setting.rate),
        (NAMES["sgworld"], "sgworld", setting.rate),
        (NAMES["sgld_without_replacement"], "sgld_without_replacement", setting.rate),
        (SLOW, "sgld", slow),
    ]
    facts = (
        ("problem", f"softmax regression, {sizes.samples} digits, {100 * FLIPPED:.0f} % of the labels redrawn"),
        ("prior", f"precision {PRIOR:g} for each of {len(setting.land.position)} weights"),
        ("learning rate η of U", f"{setting.rate:.3g}, nηh = 1 in the stiffest mode, batches of {sizes.batch_size}"),
        (SLOW, f"η / {setting.rate / slow:.3g}, where SGLD's leading bias is that of SGWORLD at η, {100 * bias:.1f} %"),
        ("each sampler", f"{sizes.chains} chains, gradients of {sizes.epochs} epochs of SGWORLD with its correction"),
    )  # fmt: skip
    found = _Found()
    for place, (name, algorithm, rate) in enumerate(runs):
        settings.say(f"simulating {name}")
        _simulate(found, setting, name, algorithm, rate, settings.seed)
        if place:
            yield _told(found, setting, facts, complete=place == len(runs) - 1)


def _setting(sizes: Sizes) -> _Setting:
    problem = Digits(
        hidden=(),
        train_samples=sizes.samples,
        flipped=FLIPPED,
        regulariser=PRIOR / (2 * sizes.samples),
    )
    land = landscape(problem, refine=True)
    curvatures, modes = np.linalg.eigh(sizes.samples * land.hessian)
    looked_at = len(curvatures) - 1 - np.array([60, 35, 20, 12, 7, 6, 5, 4, 3, 2, 1, 0])
    steps = -(-sizes.samples // sizes.batch_size)
    test = problem.build().test
    assert test is not None  # digits have test images
    inputs, labels = test
    noise = np.random.default_rng(2)
    redrawn = noise.random(len(labels)) < FLIPPED
    happened = np.where(redrawn, noise.integers(0, 10, len(labels)), labels.numpy())
    return _Setting(
        sizes,
        problem,
        land,
        float(1 / (steps * curvatures[-1])),
        curvatures[looked_at],
        modes[:, looked_at],
        inputs,
        happened,
    )


def _draws(setting: _Setting, algorithm: str, rate: float, seed: int) -> PosteriorDraws:
    """Of one sampler, with as many gradients as SGWORLD has."""
    sizes = setting.sizes
    dynamics, batches = sampler(algorithm, rate, sizes.batch_size)
    more = 1.0 if algorithm == "sgworld" else 1 + CORRECTION / setting.steps
    start = {
        name: torch.from_numpy(value) for name, value in setting.land.unflatten(setting.land.position).items()
    }
    return sample_posterior(
        replace(setting.problem, regulariser=0.0),
        dynamics=dynamics,
        minibatching=batches,
        prior_precision=PRIOR,
        batch_size=sizes.batch_size,
        chains=sizes.chains,
        epochs=round(more * sizes.epochs),
        burn_in=sizes.burn_in,
        thin=sizes.thin,
        virial_every=0,
        start=start,
        seed=seed,
    )


def _simulate(found: _Found, setting: _Setting, name: str, algorithm: str, rate: float, seed: int) -> None:
    drawn = _draws(setting, algorithm, rate, seed)
    virial = virial_of_modes(drawn.array(), setting.gradient, setting.land.position, setting.modes)
    found.modes[name] = ratios(virial)
    found.stiff[name] = virial_ratio(virial[..., -STIFF:].mean(axis=2), 1, level=LEVEL)
    predictive = posterior_predictive(drawn, setting.problem, setting.inputs, output="softmax")
    found.probabilities[name] = predictive.by_chain
    found.calibrations[name] = calibration(predictive.mean, setting.labels)
    few = _predictions(drawn, setting)
    found.mixing[name] = float(np.max(rhat(few))), float(np.min(effective_sample_size(few).bulk))


def _predictions(drawn: PosteriorDraws, setting: _Setting) -> Array:
    """Probability of what happened at 20 test inputs, `(chain, draw, 20)`."""
    weights = {name: torch.from_numpy(np.asarray(value)) for name, value in drawn.parameters.items()}
    matrix, bias = weights["0.weight"], weights["0.bias"]
    outputs = torch.einsum("cdoi,bi->cdbo", matrix, setting.inputs[:20]) + bias[:, :, None]
    chosen = torch.from_numpy(setting.labels[:20])[None, None, :, None].expand(*outputs.shape[:2], -1, 1)
    probability: Array = outputs.softmax(-1).gather(-1, chosen)[..., 0].numpy()
    return probability


def _told(
    found: _Found, setting: _Setting, facts: tuple[tuple[str, str], ...], *, complete: bool
) -> Reproduction:
    shown = {name: value for name, value in found.modes.items() if name != SLOW}
    return Reproduction(
        "sgworld",
        "digits",
        "SGLD and SGWORLD on digits with wrong labels, at equal gradients",
        rows=(
            *virial_rows(found.stiff),
            *calibration_rows(found.calibrations, found.probabilities, setting.labels),
            *mixing_rows(found.mixing, SLOW),
        ),
        figures=(
            virial_by_mode(
                setting.curvatures, shown, what=f"softmax regression on digits at η = {setting.rate:.3g}"
            ),
            reliability(
                {name: value for name, value in found.calibrations.items() if name != SLOW},
                what=f"{len(setting.labels)} test digits",
            ),
        ),
        facts=facts,
        complete=complete,
    )
