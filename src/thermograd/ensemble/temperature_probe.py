"""`measure_temperature`: how hot the training of a model is, from its wandering and its response to a small field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from thermograd.ensemble.coupled_copies import Forward, Given, batch_norms, changed_buffers, detached
from thermograd.ensemble.phased_minibatching import PhasedMinibatching
from thermograd.ensemble.temperature_reading import TemperatureReading
from thermograd.ensemble.temperature_windows import Recorded, TemperatureWindows, WindowPlan
from thermograd.errors import ConfigError
from thermograd.estimators.common_drift import common_drift
from thermograd.estimators.effective_temperature import EffectiveTemperature, estimate
from thermograd.minibatching.persistent import Persistent
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.problem import Problem

if TYPE_CHECKING:
    from thermograd.protocols import Minibatching

Array = npt.NDArray[Any]

_DTYPES = {"float64": torch.float64, "float32": torch.float32}
_SHARED = 1e-3
_LINEAR = 0.05
_INDEPENDENT = 1e-9
_TOLERANCE = 0.1
_PLAIN_SGD = (
    "only plain SGD is measured: momentum and Adam change how far a field moves the weights, and the ratio is no "
    "temperature then. Give the learning rate of plain SGD as a number"
)


def measure_temperature(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    *,
    learning_rate: float,
    minibatching: Minibatching,
    weight_decay: float = 0.0,
    temperature: float = 0.0,
    burn_in: int = 0,
    windows: int = 10,
    lags: int = 300,
    field: float | None = None,
    groups: str | Mapping[str, list[str]] | None = None,
    dtype: str = "float64",
    seed: int = 0,
) -> TemperatureReading:
    """The effective temperature of plain SGD on a model: displacement against response, see `EffectiveTemperature`.

    Each window is `burn_in` steps of a copy of the model with noise of its own, then about 2 `lags` steps (more where an
    epoch is longer than a third of them) in which the displacement D is recorded, averaged over origins. D of the first third
    of the origins is compared with that of the last, and where all windows move the same way is looked for, so that a model
    that still moves on is refused. During the first `lags` of these steps two more copies train beside it with the same batches, dropout masks and injected noise, and with ε σ taken
    from and added to the gradient, σ random signs: χ(j) = σ·(w⁺ − w⁻)/(2εN), with relative standard error about
    √(2/(N·windows)). χ(1) is the learning rate exactly. Under reshuffling window i starts at phase
    ⌊i·(steps per epoch)/windows⌋, since the state then depends on the place in the epoch.

    The model, its buffers and mode, and the global random state are left as they are. Batch normalisation in training
    mode uses the statistics of each batch, and no running ones.

    Args:
        model: in the mode it is to be trained in, at weights near those where the temperature is wanted.
        loss: `(outputs, targets) -> (m,)`, one number per sample; temperatures are in units of its mean.
        data: `(inputs, targets)`, samples on axis 0.
        learning_rate: η of plain SGD.
        minibatching: which samples each update uses; the temperature depends on it.
        weight_decay: as in `torch.optim.SGD`.
        temperature: T of white noise injected besides, √(2Tη) per step: the self-test.
        burn_in: steps before a window; a relaxation time or more makes windows independent and stationary.
        windows: independent pieces of the intervals; 4 or more for a test of stationarity.
        lags: longest lag in steps, 3 times the memory of the batches or more.
        field: ε; None for 0.05 times the noise of the gradient of a batch, per parameter.
        groups: None; "layer", one for each module that owns parameters; or names of parameters by group.
        dtype: "float64" or "float32".
        seed: of all random numbers.

    Returns:
        The reading; windows that diverged are left out and counted in the verdict.

    Raises:
        ConfigError: a ValueError: arguments that cannot be used, an optimizer in place of a learning rate, a model without
            trainable parameters, or copies that do not share their randomness.
        ValueError: a loss that is not one number per sample, or data that do not fit.
        DivergedError: fewer than two windows stayed finite.
        MemoryLimitError: the positions of one window do not fit in memory.

    >>> from thermograd.minibatching import WithReplacement
    >>> x = torch.eye(2).repeat(8, 1)
    >>> reading = measure_temperature(nn.Linear(2, 1, bias=False), lambda out, y: (out[:, 0] - y) ** 2, (x, torch.ones(16)),
    ...     learning_rate=0.5, minibatching=WithReplacement(None), temperature=0.01, burn_in=20, windows=40, lags=4)
    >>> reading.fit.low < 0.01 < reading.fit.high, round(reading.response_check, 9)
    (True, 1.0)
    """
    _check_numbers(learning_rate, weight_decay, temperature, field)
    _check_minibatching(minibatching)
    for name, value, least in (("burn_in", burn_in, 0), ("windows", windows, 1), ("lags", lags, 2)):
        check_whole_number(name, value, least, error=ConfigError)
    if dtype not in _DTYPES:
        message = f"dtype is {dtype!r}; use 'float64' or 'float32'"
        raise ConfigError(message)
    problem = _problem(model, loss, data, float(weight_decay), dtype)
    samples = len(problem.train[0])
    fraction = None if temperature else _batch_fraction(minibatching, samples)
    epoch = _epoch(minibatching, samples)
    if epoch > 1:
        phases = tuple(window * epoch // windows for window in range(windows))
        minibatching = PhasedMinibatching(minibatching, phases)
    asked = TemperatureWindows(
        problem=problem,
        minibatching=minibatching,
        learning_rate=float(learning_rate),
        temperature=float(temperature),
        plan=WindowPlan.of(burn_in=burn_in, windows=windows, lags=lags, epoch=epoch),
        field=None if field is None else float(field),
        dtype=dtype,
        seed=seed,
    )
    members = _groups(groups, asked.shapes, type(model).__name__)
    recorded = asked.record()
    memory = epoch if epoch > 1 else float(getattr(minibatching, "correlation_time", 0))
    read = _Reader(recorded, asked.shapes, memory, seed)
    whole, check, linearity = _whole(read, float(learning_rate), field is not None)
    parts = {name: read.temperature(names) for name, names in members.items()}
    lost = [name for name, part in parts.items() if part is None]
    scale_free = bool(batch_norms(model)) and weight_decay == 0
    return TemperatureReading(
        whole=with_note(whole, *_notes(recorded, linearity, lost, scale_free)),
        response_check=check,
        linearity=linearity,
        groups={name: part for name, part in parts.items() if part is not None},
        steps_used=recorded.steps,
        field=recorded.field,
        learning_rate=float(learning_rate),
        batch_fraction=fraction,
        samples=samples,
    )


@dataclass(frozen=True, eq=False)
class _Reader:
    """Temperatures of sets of parameter tensors, from what windows have shown."""

    recorded: Recorded
    shapes: dict[str, tuple[int, ...]]
    noise_memory: float
    seed: int
    sizes: Array = field(init=False)

    def __post_init__(self) -> None:
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        object.__setattr__(self, "sizes", np.array(sizes, float))

    def response(self, names: list[str]) -> Array:
        """χ of these tensors together, `(window, lag)`."""
        rows = self._rows(names)
        found: Array = self.recorded.response[:, rows].sum(axis=1) / self.sizes[rows].sum()
        return found

    def weaker(self) -> Array:
        """χ of the whole model in a tenth of the field, first window, `(lag,)`."""
        found: Array = self.recorded.weaker.sum(axis=0) / self.sizes.sum()
        return found

    def temperature(self, names: list[str]) -> EffectiveTemperature | None:
        """Of these tensors together, up to the lag where the mean response is lost in its noise; None if that is at once."""
        rows = self._rows(names)
        shares = self.sizes[rows] / self.sizes[rows].sum()
        recorded = self.recorded
        whole, earlier, later = (
            np.einsum("wpl,p->wl", record[:, rows], shares)
            for record in (recorded.displacement, recorded.earlier, recorded.later)
        )
        lags = recorded.response.shape[2]
        mean_square = 2 * float(whole[:, lags - 1].mean())
        common = common_drift(recorded.moved[:, :, rows] @ shares, mean_square, lags, _TOLERANCE)
        shifted = self.response(names)
        lost = np.flatnonzero(shifted.mean(axis=0) <= 0)
        count = int(lost[0]) if lost.size else shifted.shape[1]
        if count < 2:
            return None
        found = estimate(
            whole[:, : count + 1],
            shifted[:, :count],
            earlier=earlier[:, : count + 1],
            later=later[:, : count + 1],
            common=common,
            noise_memory=self.noise_memory,
            tolerance=_TOLERANCE,
            seed=self.seed,
        )
        if not lost.size:
            return found
        return with_note(
            found, f"The response is lost in its noise at lag {count + 1}; longer lags are left out."
        )

    def _rows(self, names: list[str]) -> Array:
        known = list(self.shapes)
        return np.array([known.index(name) for name in names])


def with_note(found: EffectiveTemperature, *notes: str) -> EffectiveTemperature:
    """The same with sentences added to the verdict.

    Args:
        found: what was measured.
        *notes: sentences.
    """
    text = " ".join([found.verdict.text, *notes])
    return replace(found, verdict=replace(found.verdict, text=text))


def _whole(
    read: _Reader, learning_rate: float, given_field: bool
) -> tuple[EffectiveTemperature, float, float]:
    """Of all weights; the check of the response, and its linearity."""
    everything = list(read.shapes)
    shifted = read.response(everything)
    check = float(shifted[:, 0].mean()) / learning_rate
    if not abs(check - 1) <= _SHARED:
        message = (
            f"the copies do not share their randomness: the response after one step is {check:.6g} learning rates, and must be "
            "1. Draw random numbers in the forward pass with torch alone, without a generator of your own"
        )
        if given_field:
            message += (
                f"; or field={read.recorded.field:g} is lost in the rounding of the weights: leave it out"
            )
        raise ConfigError(message)
    linearity = float(np.abs(shifted[0] - read.weaker()).max() / np.abs(shifted.mean(axis=0)).max())
    whole = read.temperature(everything)
    if whole is None:
        message = "the mean response at lag 2 is not positive: it is lost in its noise. Use more windows, or a smaller learning rate"
        raise ConfigError(message)
    return whole, check, linearity


def _notes(recorded: Recorded, linearity: float, lost: list[str], scale_free: bool) -> list[str]:
    """What to keep in mind, one sentence each."""
    notes, left = [], len(recorded.response)
    if recorded.dropped:
        notes.append(f"{recorded.dropped} of {recorded.dropped + left} windows diverged and are left out.")
    if linearity > _LINEAR:
        notes.append(
            f"The response is not linear: {linearity:.0%} apart in a tenth of the field; give a smaller field than {recorded.field:.3g}."
        )
    if scale_free:
        notes.append(
            "Batch normalisation without weight decay: the loss does not feel the norm of the weights, which grows; nothing is "
            "stationary."
        )
    if lost:
        notes.append(f"The response of {', '.join(lost)} is lost in its noise.")
    return notes


def _problem(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    weight_decay: float,
    dtype: str,
) -> Problem:
    """The model as functions of its trainable weights, apart from the user's."""
    given: object = model
    if not isinstance(given, nn.Module):
        message = f"model is {given!r}; give a torch.nn.Module"
        raise ConfigError(message)
    module = detached(model, _DTYPES[dtype])
    weights = {
        name: value.detach().clone() for name, value in module.named_parameters() if value.requires_grad
    }
    if not weights:
        message = "the model has no trainable parameters; set requires_grad on those to be trained"
        raise ConfigError(message)
    problem = Problem(
        forward=Forward(module),
        initial=Given(weights),
        loss=detached(loss, _DTYPES[dtype]) if isinstance(loss, nn.Module) else loss,
        train=data,
        regulariser=weight_decay / 2,
        name=type(model).__name__,
    )
    inputs = problem.train[0][:2]
    changed = changed_buffers(module, inputs.to(_DTYPES[dtype]) if inputs.is_floating_point() else inputs)
    if changed:
        message = (
            f"the forward pass changes the buffers {', '.join(changed)}, which copies cannot share; call model.eval() on "
            "the part that does, or leave it out"
        )
        raise ConfigError(message)
    return problem


def _epoch(minibatching: Minibatching, samples: int) -> int:
    """Steps after which reshuffled batches repeat their phase, else 1."""
    return minibatching.steps_per_epoch(samples) if getattr(minibatching, "reshuffles_epochs", False) else 1


def _batch_fraction(minibatching: Any, samples: int) -> float | None:
    """Share of the samples in a batch, of batches that are independent and hold distinct samples."""
    if isinstance(minibatching, Persistent) and abs(minibatching.correlation) < _INDEPENDENT:
        return minibatching.size(samples) / samples if minibatching.fixed_size else minibatching.fraction
    if isinstance(minibatching, WithReplacement) and minibatching.distinct and minibatching.batch_size:
        return minibatching.batch_size / samples
    return None


def _groups(
    groups: str | Mapping[str, list[str]] | None, shapes: Mapping[str, Any], model: str
) -> dict[str, list[str]]:
    """Names of parameters by group."""
    if groups is None:
        return {}
    if not isinstance(groups, Mapping):
        if groups != "layer":
            message = f"groups is {groups!r}; use 'layer', or names of parameters by group"
            raise ConfigError(message)
        found: dict[str, list[str]] = {}
        for name in shapes:
            found.setdefault(name.rpartition(".")[0] or model, []).append(name)
        return found
    members: dict[str, list[str]] = {}
    given: Any
    for group, given in groups.items():
        names = [given] if isinstance(given, str) else list(given)
        unknown = [name for name in names if name not in shapes]
        if unknown or not names:
            what = f"names {', '.join(map(str, unknown))}" if unknown else "names no parameters"
            message = f"group {group!r} {what}; the trainable parameters are {', '.join(shapes)}"
            raise ConfigError(message)
        members[group] = names
    return members


def _check_numbers(learning_rate: Any, weight_decay: Any, temperature: Any, field: Any) -> None:
    if not isinstance(learning_rate, Real):
        message = f"learning_rate is {type(learning_rate).__name__}; {_PLAIN_SGD}"
        raise ConfigError(message)
    for name, value, zero in (
        ("learning_rate", learning_rate, False),
        ("weight_decay", weight_decay, True),
        ("temperature", temperature, True),
        ("field", field, False),
    ):
        if name == "field" and value is None:
            continue
        check_finite_number(name, value, zero=zero, error=ConfigError)


def _check_minibatching(minibatching: Any) -> None:
    if isinstance(minibatching, type) or not callable(getattr(minibatching, "draw", None)):
        kind = minibatching if isinstance(minibatching, type | int) else type(minibatching).__name__
        message = (
            f"minibatching is {kind}; say how batches are drawn: WithoutReplacement(100) for DataLoader(batch_size=100, "
            "shuffle=True), WithReplacement(100) or Persistent(fraction=0.1, fixed_size=True), of thermograd.minibatching"
        )
        raise ConfigError(message)
