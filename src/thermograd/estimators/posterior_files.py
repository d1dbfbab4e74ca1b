"""Posterior draws in a file, and from the saved weights of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError, NothingCommittedError
from thermograd.numerics.argument_kind import check_path
from thermograd.store.printable import printable
from thermograd.store.run import Run
from thermograd.store.tensor_file import read_tensor_file, write_tensor_file

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

Array = npt.NDArray[Any]

_FORMAT, _VERSION = "thermograd posterior draws", 1
_PARAMETER = "parameters/"
_FIELDS = ("potential", "virial", "directional_virial", "measured", "weights", "epochs", "noise_share")


def save_draws(draws: PosteriorDraws, path: str | os.PathLike[str]) -> None:
    """Write draws to a safetensors file, atomically; temperature and facts are JSON in its metadata.

    Args:
        draws: the draws.
        path: the file to create or replace.

    Raises:
        OSError: the disk refuses; an old file is untouched.
    """
    check_path("path", path)
    arrays = {_PARAMETER + name: value for name, value in draws.parameters.items()}
    arrays |= {name: np.asarray(getattr(draws, name)) for name in _FIELDS}
    about = {"temperature": draws.temperature, "facts": dict(draws.facts)}
    write_tensor_file(
        Path(path), arrays, {"format": _FORMAT, "version": str(_VERSION), "draws": json.dumps(about)}
    )


def read_draws(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields of draws from a file.

    Args:
        path: a file of `save_draws`.

    Returns:
        Fields by name.

    Raises:
        DamagedDataError: a ValueError: cut short, changed, or no safetensors file at all.
        ConfigError: a ValueError: a safetensors file of something else.
        NewerFormatError: written by a newer version.
        FileNotFoundError: there is no such file.
    """
    check_path("path", path)
    arrays, texts = read_tensor_file(Path(path))
    if texts.get("format") != _FORMAT:
        message = f"{printable(path)} holds {_shown(arrays)}, not posterior draws; it is not a file of PosteriorDraws.save"
        raise ConfigError(message)
    version = texts.get("version", "")
    if version.isdecimal() and int(version) > _VERSION:
        message = f"{printable(path)} is of version {version}, this thermograd reads {_VERSION}: pip install -U thermograd"
        raise NewerFormatError(message)
    try:
        about = json.loads(texts["draws"])
        fields = {name: arrays[name] for name in _FIELDS}
        fields |= {"temperature": about["temperature"], "facts": about["facts"]}
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedDataError(printable(path), f"{printable(error)} is missing") from error
    parameters = {
        name.removeprefix(_PARAMETER): value for name, value in arrays.items() if name.startswith(_PARAMETER)
    }
    return fields | {"parameters": parameters}


def fields_of_run(run: Run, burn_in: float) -> dict[str, Any]:
    """The fields of draws from the saved weights of a run.

    Args:
        run: a run of SGLD or SGWORLD that saved its weights.
        burn_in: epochs to leave out.

    Returns:
        Fields by name.

    Raises:
        ConfigError: no weights at the end of an epoch after `burn_in`.
        NothingCommittedError: no trajectory has them all.
    """
    steps, notes = _steps_of_draws(run, burn_in)
    times = run.weight_times()
    first = int(np.searchsorted(times, steps[0]))
    rows = np.searchsorted(times, steps) - first
    parameters = {name: value[:, rows] for name, value in run.saved_weights(slice(first, None)).items()}
    whole = np.ones(run.trajectories, bool)
    for value in parameters.values():
        whole &= np.isfinite(value).reshape(run.trajectories, -1).all(axis=1)
    if not whole.any():
        message = f"no trajectory has all its weights from step {steps[0]} to {steps[-1]}: let the run finish, or raise burn_in"
        raise NothingCommittedError(message)
    if not whole.all():
        notes.append(f"{int((~whole).sum())} trajectories that diverged or are not finished are left out.")
    known = _known_of(run)
    return {
        "parameters": {name: value[whole] for name, value in parameters.items()},
        "epochs": steps / run.steps_per_epoch,
        "temperature": known.pop("temperature", 1.0),
        "facts": known | {"steps_per_epoch": run.steps_per_epoch, "seed": run.seed, "notes": notes},
    }


def _steps_of_draws(run: Run, burn_in: float) -> tuple[Array, list[str]]:
    """Draws are made at the ends of epochs: between them weights of reshuffled batches are a bridge."""
    saved = run.weight_times()
    late = saved[saved > burn_in * run.steps_per_epoch]
    steps: Array = late[late % run.steps_per_epoch == 0]
    if not steps.size:
        last = (
            f"last saved at epoch {saved[-1] / run.steps_per_epoch:g}" if saved.size else "none saved at all"
        )
        message = (
            f"the run has no weights at the end of an epoch after burn_in = {burn_in:g} epochs ({last}); save them with "
            "save_weights, every whole number of epochs"
        )
        raise ConfigError(message)
    notes = ["Neither potential nor virial were measured: a run saves weights only."]
    if late.size > steps.size:
        notes.append(f"{late.size - steps.size} saved weights inside an epoch are left out.")
    return steps, notes


def _known_of(run: Run) -> dict[str, Any]:
    """Sampler and rates as the manifest of a run directory has them; nothing of a run in memory."""
    experiment = run.manifest.get("experiment", {})
    dynamics, minibatching = (experiment.get(part, {}) for part in ("dynamics", "minibatching"))
    kind = dynamics.get("kind")
    found = {"sampler": kind.upper()} if isinstance(kind, str) else {}
    for part, name in ((dynamics, "learning_rate"), (dynamics, "variant"), (minibatching, "batch_size")):
        if isinstance(part.get(name), (int, float, str)):
            found[name] = part[name]
    if isinstance(dynamics.get("temperature"), (int, float)):
        found["temperature"] = dynamics["temperature"]
    return found


def _shown(arrays: dict[str, Array]) -> str:
    names = [printable(name) for name in arrays][:3]
    return f"the arrays {', '.join(names)} ..." if names else "no arrays"
