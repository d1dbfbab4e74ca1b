"""`PosteriorDraws`: weights drawn from exp(−U/T) by several chains, and what was measured beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.posterior_convergence import convergence
from thermograd.estimators.posterior_files import fields_of_run, read_draws, save_draws
from thermograd.estimators.posterior_html import draws_html
from thermograd.estimators.posterior_join import joined
from thermograd.estimators.posterior_xarray import as_dataset, as_inference_data
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_numbers import whole_numbers
from thermograd.quantities import Verdict
from thermograd.store.run import Run

Array = npt.NDArray[Any]

_MEASUREMENTS = {"potential": 2, "virial": 2, "directional_virial": 3}


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorDraws:
    """Draws of the weights from exp(−U/T), by independent chains.

    U(θ) = (samples)·(mean negative log-likelihood) + ½·prior_precision·|θ − prior_mean|², and T = 1 is the posterior.
    U, the virial and its directional parts are evaluated on all data at every so-many-th draw, the `measured` ones.
    Draws of weight 0, made while a cyclical schedule explored, take no part in convergence or prediction.

    Attributes:
        parameters: arrays by name, each `(chain, draw, *shape)`, in the order of `named_parameters`.
        temperature: T.
        potential: U, `(chain, measured)`; empty if it was not measured.
        virial: (θ−c)·∇U with a fixed point c, `(chain, measured)`; its mean is N T for N parameters. Or empty.
        directional_virial: (u·(θ−c))(u·∇U) for k fixed unit vectors u, `(chain, measured, k)`; mean T each. Or empty.
        measured: which draws were measured, `(measured,)`, increasing; all of them if there are as many as draws.
        weights: `(draw,)`, proportional to the time each draw stands for; only ratios count. Ones if not given.
        epochs: `(draw,)`, the epoch of every draw, increasing; 1, 2, ... if not given.
        noise_share: `(chain,)`, the share of the minibatch noise in what drives a chain, 0 to 1; NaN if not known.
        facts: what else is known of how they were made: `sampler`, `learning_rate`, `batch_size`, `steps_per_epoch`,
            `samples`, `prior_precision`, `seed`, `notes` (sentences). JSON values only.

    Raises:
        ConfigError: a ValueError: shapes that do not fit each other, numbers that are not finite, weights or a
            temperature below 0, facts that are not JSON.

    >>> draws = PosteriorDraws({"weight": np.zeros((2, 5, 3)), "bias": np.ones((2, 5))}, weights=[0, 1, 1, 1, 1])
    >>> draws.chains, draws.draws, draws.array().shape, draws.select(draws.used).draws
    (2, 5, (2, 5, 4), 4)
    """

    parameters: Mapping[str, Array]
    _: KW_ONLY
    temperature: float = 1.0
    potential: Array = None  # type: ignore[assignment]  # filled in when it is made
    virial: Array = None  # type: ignore[assignment]  # filled in when it is made
    directional_virial: Array = None  # type: ignore[assignment]  # filled in when it is made
    measured: Array = None  # type: ignore[assignment]  # filled in when it is made
    weights: Array = None  # type: ignore[assignment]  # filled in when it is made
    epochs: Array = None  # type: ignore[assignment]  # filled in when it is made
    noise_share: Array = None  # type: ignore[assignment]  # filled in when it is made
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._put("parameters", _checked_parameters(self.parameters))
        if not (is_finite_number(self.temperature) and self.temperature >= 0):
            message = f"temperature is {self.temperature}; it must be 0 or larger, 1 for the posterior"
            raise ConfigError(message)
        self._put("measured", _checked_measured(self))
        for name, axes in _MEASUREMENTS.items():
            self._put(name, _checked_measurement(self, name, axes))
        self._put("weights", _checked_weights(self.weights, self.draws))
        self._put("epochs", _checked_epochs(self.epochs, self.draws))
        self._put("noise_share", _checked_share(self.noise_share, self.chains))
        self._put("facts", _checked_facts(self.facts))

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def chains(self) -> int:
        """Number of chains."""
        return int(next(iter(self.parameters.values())).shape[0])

    @property
    def draws(self) -> int:
        """Number of draws of one chain, those of weight 0 among them."""
        return int(next(iter(self.parameters.values())).shape[1])

    @property
    def size(self) -> int:
        """Number of parameters N."""
        return sum(int(np.prod(value.shape[2:])) for value in self.parameters.values())

    @property
    def used(self) -> npt.NDArray[np.bool_]:
        """`(draw,)`: whether a draw has weight; only those take part in convergence and prediction."""
        return np.asarray(self.weights > 0)

    def array(self) -> Array:
        """All draws as points, `(chain, draw, N)` float64, parameters in the order of `parameters`."""
        shape = (self.chains, self.draws)
        parts = [value.reshape(*shape, int(np.prod(value.shape[2:]))) for value in self.parameters.values()]
        points: Array = np.concatenate(parts, axis=-1, dtype=np.float64)
        return points

    @classmethod
    def join(cls, several: Sequence[PosteriorDraws]) -> PosteriorDraws:
        """Chains that were sampled one by one, side by side.

        Args:
            several: draws of the same weights, made at the same epochs and measured at the same draws.

        Raises:
            ConfigError: a ValueError: none, or draws that do not go together.

        >>> several = [PosteriorDraws({"w": np.full((1, 5), seed)}, facts={"seed": seed}) for seed in (0.5, 1.5, 2.5)]
        >>> PosteriorDraws.join(several).chains
        3
        """
        return joined(several)

    def select(self, draws: npt.ArrayLike) -> PosteriorDraws:
        """Some of the draws of every chain, with what was measured at them.

        Args:
            draws: `(draw,)` of bool, as `used` is, or numbers of draws in increasing order.

        Returns:
            Draws of their own, of the same chains.

        Raises:
            ConfigError: another shape, numbers out of range or out of order.
        """
        kept = _chosen(draws, self.draws)
        places = np.full(self.draws, -1)
        places[kept] = np.arange(kept.size)
        among = places[self.measured] >= 0
        parts = {
            name: value[:, among] if value.shape[1] else value
            for name, value in ((name, getattr(self, name)) for name in _MEASUREMENTS)
        }
        return replace(
            self,
            parameters={name: value[:, kept] for name, value in self.parameters.items()},
            measured=places[self.measured][among],
            weights=self.weights[kept],
            epochs=self.epochs[kept],
            **parts,
        )

    def convergence(
        self,
        tolerance: float = 0.05,
        level: float = 0.95,
        quantities: Mapping[str, npt.ArrayLike] | None = None,
    ) -> Verdict:
        """Whether these are draws from exp(−U/T); see `thermograd.estimators.posterior_convergence.convergence`.

        Args:
            tolerance: largest distance of a virial ratio from 1.
            level: two-sided confidence.
            quantities: what is to have mixed instead of the coordinates, name to `(chain, draw, ...)`: predictions, losses.

        Returns:
            A verdict: True only if it is shown to 1 ± tolerance; None if these draws cannot decide.

        Raises:
            ConfigError: a ValueError: a tolerance or a level that is not between 0 and 1, or a quantity of another shape.
        """
        return convergence(self, tolerance, level, quantities)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, atomically; temperature and facts are JSON in its metadata.

        Args:
            path: the file to create or replace.

        Raises:
            OSError: the disk refuses; an old file is untouched.
        """
        save_draws(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PosteriorDraws:
        """Draws from a file that `save` wrote.

        Args:
            path: the file.

        Returns:
            The same draws, to the bit.

        Raises:
            DamagedDataError: a ValueError: cut short, changed, or no safetensors file at all.
            ConfigError: a ValueError: a safetensors file of something else.
            NewerFormatError: written by a newer version.
            FileNotFoundError: there is no such file.
        """
        return cls(**read_draws(path))

    @classmethod
    def from_run(cls, run: Run, burn_in: float) -> PosteriorDraws:
        """Draws from the weights that a run of SGLD or SGWORLD saved at the ends of epochs; one trajectory is a chain.

        Args:
            run: the run, in memory or from its directory.
            burn_in: epochs to leave out; the first draw is that after epoch `burn_in` + 1.

        Returns:
            The draws, without potential and virial. Trajectories that diverged are left out, which a note in `facts` says.

        Raises:
            ConfigError: a ValueError: no weights were saved at the end of an epoch after `burn_in`.
            NothingCommittedError: a ValueError: no trajectory has them all.
        """
        return cls(**fields_of_run(run, burn_in))

    def to_xarray(self) -> Any:
        """The parameters as an `xarray.Dataset` with dimensions `(chain, draw, ...)`.

        Returns:
            The dataset, with the coordinates `epoch` and `weight` of every draw.

        Raises:
            MissingExtraError: the extra `xarray` is not installed.
        """
        return as_dataset(self)

    def to_arviz(self) -> Any:
        """The draws that have weight, with what was measured at them in `sample_stats`, for ArviZ.

        Returns:
            A `DataTree` where arviz-base is installed, otherwise an `InferenceData`.

        Raises:
            MissingExtraError: the extra `arviz` is not installed.
        """
        return as_inference_data(self)

    def __str__(self) -> str:
        sampler = self.facts.get("sampler")
        rate = self.facts.get("learning_rate")
        by = f" by {sampler}" if sampler else ""
        step = f", learning rate {rate:g}" if isinstance(rate, (int, float)) else ""
        span = f", epochs {self.epochs[0]:g} to {self.epochs[-1]:g}" if self.draws else ""
        lines = [
            f"{self.chains} {'chain' if self.chains == 1 else 'chains'} × {self.draws} draws of {self.size} parameters{by}{step}{span}, "
            f"temperature {self.temperature:g}"
        ]
        left = self.draws - int(self.used.sum())
        aside = f"; {left} draws of weight 0 are left out" if left else ""
        kinds = [name for name in _MEASUREMENTS if getattr(self, name).shape[1]]
        lines.append(
            f"measured at {self.measured.size} draws: {', '.join(kinds).replace('_', ' ') or 'nothing'}{aside}"
        )
        lines += [f"note: {note}" for note in self.facts.get("notes", ())]
        return "\n  ".join(lines)

    def __repr__(self) -> str:
        return f"<PosteriorDraws {str(self).splitlines()[0]}>"

    def _repr_html_(self) -> str:
        return draws_html(self)


def _checked_parameters(parameters: Mapping[str, Any]) -> dict[str, Array]:
    check_has("parameters", parameters, "items", "arrays by name, each (chain, draw, *shape)")
    if not parameters:
        message = "parameters is empty; it needs arrays by name, each (chain, draw, *shape)"
        raise ConfigError(message)
    arrays = {}
    for name, value in parameters.items():
        given = value if isinstance(value, np.ndarray) and value.dtype.kind == "f" else None
        arrays[str(name)] = real_numbers(f"parameter {name!r}", value) if given is None else given
    lead = next(iter(arrays.values())).shape[:2]
    for name, array in arrays.items():
        if array.ndim < 2 or array.shape[:2] != lead or not lead[0]:
            message = (
                f"parameter {name!r} has shape {array.shape}; all must begin with the same (chain, draw), at least one "
                f"chain, and the first begins with {lead}"
            )
            raise ConfigError(message)
        finite = np.isfinite(array).reshape(lead[0], -1).all(axis=1)
        if not finite.all():
            message = (
                f"parameter {name!r} is not finite in chains {np.flatnonzero(~finite).tolist()}; leave out those chains, or "
                "the draws since they diverged"
            )
            raise ConfigError(message)
    return arrays


def _checked_measured(draws: PosteriorDraws) -> npt.NDArray[np.int64]:
    given = {name: getattr(draws, name) for name in _MEASUREMENTS}
    arrays = [real_numbers(name, value) for name, value in given.items() if value is not None]
    counts = {value.shape[1] for value in arrays if value.ndim >= 2} - {0}
    numbers: Any = draws.measured
    if numbers is None:
        if not counts:
            return np.zeros(0, np.int64)
        if counts == {draws.draws}:
            return np.arange(draws.draws)
        message = (
            f"there are measurements at {sorted(counts)} draws of {draws.draws}; say in measured which draws"
        )
        raise ConfigError(message)
    measured = np.asarray(numbers)
    if not measured.size:
        return np.zeros(0, np.int64)
    return _chosen(measured, draws.draws, "measured")


def _checked_measurement(draws: PosteriorDraws, name: str, axes: int) -> Array:
    value = getattr(draws, name)
    if value is None or not np.size(value):
        return np.zeros((draws.chains, 0, 0)[:axes])
    array = real_numbers(name, value)
    if array.ndim != axes or array.shape[:2] != (draws.chains, draws.measured.size):
        last = ", direction" if axes == 3 else ""
        message = (
            f"{name} has shape {array.shape}; it must be (chain, measured{last}) with {draws.chains} chains and "
            f"{draws.measured.size} measured draws"
        )
        raise ConfigError(message)
    if not np.isfinite(array).all():
        message = f"{name} is not finite everywhere; leave out the draws since the chain diverged"
        raise ConfigError(message)
    return array


def _checked_weights(weights: Any, draws: int) -> Array:
    array = np.ones(draws) if weights is None else real_numbers("weights", weights)
    if array.shape != (draws,) or not np.isfinite(array).all() or (array < 0).any():
        message = f"weights has shape {array.shape}; it must be ({draws},), finite and never below 0"
        raise ConfigError(message)
    return array


def _checked_epochs(epochs: Any, draws: int) -> Array:
    array = np.arange(1, draws + 1) if epochs is None else _as_numbers("epochs", epochs)
    if array.shape != (draws,) or not (np.diff(array) > 0).all():
        message = f"epochs has shape {array.shape}; it must be ({draws},) and increasing"
        raise ConfigError(message)
    return array


def _checked_share(share: Any, chains: int) -> Array:
    given = np.full(chains, np.nan) if share is None else real_numbers("noise_share", share)
    if given.shape not in {(), (chains,)} or (given < 0).any() or (given > 1).any():
        message = (
            f"noise_share is {given}; it must be one number per chain ({chains}), 0 to 1, NaN if not known"
        )
        raise ConfigError(message)
    return np.broadcast_to(given, (chains,)).copy()


def _checked_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(dict(facts))
    except (TypeError, ValueError) as error:
        message = f"facts must hold JSON values only (texts, numbers, lists, None): {error}"
        raise ConfigError(message) from error
    return dict(facts)


def _as_numbers(name: str, draws: npt.ArrayLike) -> Array:
    """Numbers or a mask, of a list or a tuple too."""
    numbers = real_numbers(name, draws)
    given = np.asarray(draws)
    return given if given.dtype.kind in "biu" else numbers


def _chosen(draws: npt.ArrayLike, count: int, name: str = "draws") -> npt.NDArray[np.int64]:
    """Numbers of draws from a mask or from numbers."""
    given = draws if isinstance(draws, np.ndarray) and draws.dtype.kind in "biu" else _as_numbers(name, draws)
    if given.dtype == bool and given.shape == (count,):
        return np.flatnonzero(given)
    numbers = whole_numbers(name, given)
    fits = given.dtype.kind in "iu" and given.ndim == 1 and (np.diff(numbers) > 0).all()
    if given.size and not (fits and 0 <= numbers[0] and numbers[-1] < count):
        message = (
            f"{name} is {given.tolist()}; it must be ({count},) of bool, or increasing numbers below {count}"
        )
        raise ConfigError(message)
    return numbers
