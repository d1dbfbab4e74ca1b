"""The problems, batches and learning rates whose noise is compared."""

from __future__ import annotations

from dataclasses import dataclass

from thermograd.advisor.temperature_sweep import SweepPoint
from thermograd.minibatching.persistent import Persistent
from thermograd.problems.gaussian_mixture import GaussianMixture

WAITING, LAGS, HORIZON = 8, 4, 6
"""In units of 1/η: before a temperature is measured, its longest lag, and when replicas of interpolation are compared."""


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Attributes:
        dimension: d of simulations.
        data_seeds: draws of the data under which temperatures are measured.
        windows: of `measure_temperature`, for each draw of the data.
        replicas: trainings with the same start and data.
        paths: of the theory.
        response_paths: likewise.
        seeds: independent solutions of the theory.
        width_seeds: draws of the data under which boundaries are compared.
        width_steps: of these trainings.
    """

    dimension: int = 300
    data_seeds: int = 10
    windows: int = 2
    replicas: int = 4
    paths: int = 10_000
    response_paths: int = 400
    seeds: int = 4
    width_seeds: int = 12
    width_steps: int = 600

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is run, for the page."""
        return (
            ("theory", f"{self.seeds} solutions of {self.paths} paths a setting, two replicas"),
            (
                "simulation",
                f"d = {self.dimension}, {self.data_seeds} draws of the data × {self.replicas} replicas and {self.windows} windows; "
                f"boundaries {self.width_seeds} draws × {self.width_steps} steps",
            ),
        )


@dataclass(frozen=True)
class Setting:
    """How batches are drawn, and how large a step is.

    Attributes:
        learning_rate: η.
        batch_fraction: b.
        persistence: τ in steps; None for plain SGD.
    """

    learning_rate: float = 0.1
    batch_fraction: float = 0.3
    persistence: float | None = None

    @property
    def name(self) -> str:
        """What it is called on the page.

        >>> Setting().name, Setting(0.2, 0.1, 10.0).name
        ('SGD b = 0.3', 'persistent 10 steps b = 0.1, η = 0.2')
        """
        kind = "SGD" if self.persistence is None else f"persistent {self.persistence:g} steps"
        rate = "" if self.learning_rate == Setting().learning_rate else f", η = {self.learning_rate:g}"
        return f"{kind} b = {self.batch_fraction:g}{rate}"

    @property
    def point(self) -> SweepPoint:
        """The same for the theory."""
        selection = "sgd" if self.persistence is None else "persistent"
        return SweepPoint(self.learning_rate, self.batch_fraction, self.persistence, selection)

    @property
    def minibatching(self) -> Persistent:
        """The same for the simulation: independent samples, as in the theory."""
        return Persistent(self.batch_fraction, self.persistence)

    def steps(self, units: float) -> int:
        """So many times 1/η, in steps."""
        return round(units / self.learning_rate)


BY_RATE = tuple(Setting(rate) for rate in (0.05, 0.1, 0.2))
BY_FRACTION = tuple(Setting(batch_fraction=fraction) for fraction in (0.1, 0.3, 0.6))
BY_PERSISTENCE = (Setting(), *(Setting(persistence=steps) for steps in (10.0, 20.0, 30.0)))
SETTINGS = tuple(dict.fromkeys((*BY_FRACTION, *BY_RATE, *BY_PERSISTENCE)))
WIDTHS = (
    Setting(),
    Setting(batch_fraction=0.1),
    Setting(batch_fraction=0.05),
    Setting(persistence=10.0),
    Setting(persistence=30.0),
)
"""Settings under which boundaries are compared, all at one learning rate."""


def under_parametrised(dimension: int, data_seed: int = 0) -> GaussianMixture:
    """More samples than weights, and weight decay: the training error stays positive.

    Args:
        dimension: d.
        data_seed: of the samples.
    """
    return GaussianMixture(dimension, 4.0, 0.5, weight_decay=0.3, loss="logistic", data_seed=data_seed)


def over_parametrised(dimension: int, data_seed: int = 0) -> GaussianMixture:
    """Fewer samples than weights and a margin to be reached: the training error vanishes.

    Args:
        dimension: d.
        data_seed: of the samples.
    """
    return GaussianMixture(
        dimension, 0.5, 0.5, weight_decay=0.0, loss="squared_hinge", margin=1.0, data_seed=data_seed
    )
