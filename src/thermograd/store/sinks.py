"""Where logged numbers go: one function for the loggers people use, none of which is imported."""

from __future__ import annotations

import inspect
import math
import numbers
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from thermograd.errors import ConfigError
from thermograd.store.file_sinks import CsvFile, JsonLinesFile, Value
from thermograd.store.printable import excerpt

FAILURES_ALLOWED = 3

_FILES: dict[str, Callable[[Path], JsonLinesFile | CsvFile]] = {".jsonl": JsonLinesFile, ".csv": CsvFile}
_KNOWN = (
    "an object with log(dict, step=) (a W&B or Trackio run), with add_scalar(tag, value, step) (a TensorBoard "
    "SummaryWriter) or with log_metrics(dict, step=) (mlflow, a Lightning logger), a path *.jsonl or *.csv, or "
    "a function of (dict, step)"
)


class Sink:
    """Takes `(values, step)`, and never raises: after 3 failures it warns once and stays silent.

    Args:
        name: of the target, for the warning.
        write: what takes the values.

    Attributes:
        failures: how many times it failed so far.

    >>> seen = []
    >>> sink = Sink("a list", lambda values, step: seen.append((step, values)))
    >>> sink({"loss": 0.5}, 10)
    >>> seen, sink.failures
    ([(10, {'loss': 0.5})], 0)
    """

    def __init__(self, name: str, write: Callable[[dict[str, Value], int], object]) -> None:
        self._name, self._write = name, write
        self.failures = 0

    def __call__(self, values: Mapping[str, Any], step: int) -> None:
        """Log values of one step; numbers of numpy or torch become plain ones.

        Args:
            values: floats, whole numbers, None where there is no value, text.
            step: optimiser steps completed.
        """
        if self.failures >= FAILURES_ALLOWED or not values:
            return
        try:
            self._write({name: _plain(value) for name, value in values.items()}, int(step))
        except Exception as error:
            self.failures += 1
            if self.failures == FAILURES_ALLOWED:
                message = (
                    f"logging to {self._name} failed {self.failures} times and is given up, training goes on; "
                    f"the last time at step {step}: {type(error).__name__}: {excerpt(error)}"
                )
                warnings.warn(message, stacklevel=2)


def sink_of(target: Any) -> Sink:
    """What logs to a target, the first of these that it is.

    | target | gets |
    |---|---|
    | path `*.jsonl` | one object a line; None and what is not finite as null |
    | path `*.csv` | one row; None as an empty cell |
    | `.log(dict, step=)`: a W&B or Trackio run, or their modules | all but None |
    | `.add_scalar(tag, value, step)`: TensorBoard's `SummaryWriter` | finite numbers |
    | `.log_metrics(dict, step=)`: the module `mlflow`, a Lightning logger | finite numbers |
    | a function of `(dict, step)` | everything |

    W&B ignores a step below the last one it saw: give your own `run.log` calls `step=` in optimiser steps too.
    A file that exists is continued: see `LineFile`. One file takes one log.

    Args:
        target: one of them.

    Returns:
        A function of `(values, step)` that never raises.

    Raises:
        ConfigError: it is none of them, or the path cannot be written to.

    >>> sink = sink_of(print)
    >>> sink({"ratio": 0.98, "temperature": None}, 50)
    {'ratio': 0.98, 'temperature': None} 50
    """
    if isinstance(target, str | os.PathLike):
        return _file_sink(Path(target))
    name = _name(target)
    if not isinstance(target, type):
        # looked up at each call: wandb.log is another function once a run has begun
        if _takes(getattr(target, "log", None), {}, step=0):
            return Sink(name, lambda values, step: target.log(_given(values), step=step))
        if _takes(getattr(target, "add_scalar", None), "", 0.0, 0):
            return Sink(name, lambda values, step: _add_scalars(target, values, step))
        if _takes(getattr(target, "log_metrics", None), {}, step=0):
            return Sink(name, lambda values, step: target.log_metrics(_scalars(values), step=step))
        if callable(target) and _takes(target, {}, 0):
            return Sink(name, lambda values, step: target(values, step))
    hint = " (wandb.run is None before wandb.init())" if target is None else ""
    hint = " (a class; give an object made from it)" if isinstance(target, type) else hint
    message = f"cannot log to {name}{hint}: a sink is {_KNOWN}"
    raise ConfigError(message)


def _file_sink(path: Path) -> Sink:
    kind = _FILES.get(path.suffix.lower())
    if kind is None:
        message = f"cannot log to the path {excerpt(path)}: its name must end in {' or '.join(_FILES)}"
        raise ConfigError(message)
    return Sink(str(path), kind(path))


def _takes(function: Any, *arguments: object, **named: object) -> bool:
    """Whether a function may be called so; logging.Logger.log or LightningModule.log may not."""
    if not callable(function):
        return False
    try:
        # wrappers say what they wrap, but not that it is bound
        inspect.signature(function, follow_wrapped=False).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # built in, without a signature
        return True
    return True


def _name(target: Any) -> str:
    if target is None:
        return "None"
    name = getattr(target, "__qualname__", None) or getattr(target, "__name__", None)
    return excerpt(name if isinstance(name, str) else f"an object of type {type(target).__qualname__}")


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _given(values: dict[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _scalars(values: dict[str, Value]) -> dict[str, float]:
    return {
        name: value
        for name, value in values.items()
        if value is not None and not isinstance(value, str) and math.isfinite(value)
    }


def _add_scalars(writer: Any, values: dict[str, Value], step: int) -> None:
    for name, value in _scalars(values).items():
        writer.add_scalar(name, value, step)
