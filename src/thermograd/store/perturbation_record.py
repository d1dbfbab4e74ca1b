"""What a perturbation study recorded, in memory and in one npz file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, DamagedDataError, DamagedRunError, NewerFormatError
from thermograd.store.npz_file import read_arrays, write_arrays

Array = npt.NDArray[Any]

_FORMAT, _VERSION = "thermograd perturbation record", 1
_SETTINGS = ("target", "direction", "interval", "horizon", "unit", "seed")


@dataclass(frozen=True, eq=False)
class PerturbationRecord:
    """Unperturbed trajectories up to an interval, and what followed one perturbation of each survivor.

    Attributes:
        unperturbed: `(N, interval)` value after each unit; NaN after arrival, where the run stopped.
        residual: per candidate `(survivors, horizon)`, value after each further unit following the one
            perturbation at `interval`; NaN after arrival. Row j of every candidate began from the same state.
        survivor: `(survivors,)` row in `unperturbed` of each branch.
        target: the value to reach.
        direction: "up" or "down".
        interval: units completed when the survivors were perturbed (the paper's P*).
        horizon: units followed after the perturbation.
        unit: what is counted.
        seed: seed of the study.
        candidates: what each candidate is, in words, by name.
        verified: brute force, per candidate and interval P: `(trajectory, unit)` value after each unit of
            training that was perturbed every P units from fresh starts; NaN after arrival. The name "reset"
            stands for restarts from scratch.
        not_covered: why Eq 9 does not predict a candidate, by name of those it does not.

    Raises:
        ConfigError: a ValueError: shapes that do not go together, or rows that are not there.

    >>> record = PerturbationRecord(
    ...     np.array([[0.5, 0.9], [0.4, 0.6]]), {"kick": np.array([[0.9, np.nan]])}, np.array([1]),
    ...     target=0.9, direction="up", interval=2, horizon=2, candidates={"kick": "Kick()"})
    >>> print(record)
    2 trajectories of 2 epochs, 1 survivor followed for 2 epochs under: kick
    """

    unperturbed: Array
    residual: Mapping[str, Array]
    survivor: npt.NDArray[np.int64]
    target: float
    direction: str
    interval: int
    horizon: int
    unit: str = "epoch"
    seed: int = 0
    candidates: Mapping[str, str] = field(default_factory=dict)
    verified: Mapping[str, Mapping[int, Array]] = field(default_factory=dict)
    not_covered: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unperturbed", np.asarray(self.unperturbed))
        object.__setattr__(self, "survivor", np.asarray(self.survivor, np.int64))
        residual = {name: np.asarray(values) for name, values in self.residual.items()}
        object.__setattr__(self, "residual", residual)
        if self.unperturbed.ndim != 2 or self.unperturbed.shape[1] != self.interval:
            message = (
                f"unperturbed must be (trajectory, {self.interval}), one column per {self.unit} up to the "
                f"interval; got {self.unperturbed.shape}"
            )
            raise ConfigError(message)
        rows = self.survivor
        if rows.ndim != 1 or ((rows < 0) | (rows >= len(self.unperturbed))).any():
            message = f"survivor must list rows of the {len(self.unperturbed)} trajectories, got {rows}"
            raise ConfigError(message)
        for name, values in residual.items():
            if values.shape != (rows.size, self.horizon):
                message = (
                    f"residual[{name!r}] must be (survivors, horizon) = ({rows.size}, {self.horizon}), "
                    f"got {values.shape}"
                )
                raise ConfigError(message)

    def __str__(self) -> str:
        rows, unit = self.survivor.size, self.unit
        return (
            f"{len(self.unperturbed)} trajectories of {self.interval} {unit}s, {rows} "
            f"survivor{'' if rows == 1 else 's'} followed for {self.horizon} {unit}s under: "
            + (", ".join(self.residual) or "nothing")
        )

    def save(self, path: str | Path) -> Path:
        """Write everything to one npz file, atomically.

        Args:
            path: the file to create or replace; its folder must exist.

        Returns:
            The file.

        Raises:
            OSError: the disk is full or read-only; an older file is untouched.
        """
        arrays: dict[str, Array] = {"unperturbed": self.unperturbed, "survivor": self.survivor}
        described: dict[str, Any] = {"format": _FORMAT, "version": _VERSION}
        described |= {name: getattr(self, name) for name in _SETTINGS}
        described |= {"not_covered": dict(self.not_covered)}
        described |= {"candidates": dict(self.candidates), "residual": list(self.residual), "verified": []}
        for place, values in enumerate(self.residual.values()):
            arrays[f"residual_{place}"] = values
        for name, intervals in self.verified.items():
            for interval, values in intervals.items():
                arrays[f"verified_{len(described['verified'])}"] = values
                described["verified"].append([name, int(interval)])
        arrays["description"] = np.array(json.dumps(described))
        return write_arrays(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> PerturbationRecord:
        """Read what `save` wrote. Nothing in the file is executed.

        Args:
            path: the file.

        Returns:
            The record.

        Raises:
            ConfigError: there is no such file, or it is not a perturbation record.
            DamagedRunError: the file is cut short or altered.
            NewerFormatError: it was written by a newer version of thermograd.
        """
        arrays = _arrays(Path(path))
        described = _description(arrays, path)
        try:
            verified: dict[str, dict[int, Array]] = {}
            for place, (name, interval) in enumerate(described["verified"]):
                verified.setdefault(name, {})[interval] = arrays[f"verified_{place}"]
            return cls(
                arrays["unperturbed"],
                {name: arrays[f"residual_{place}"] for place, name in enumerate(described["residual"])},
                arrays["survivor"],
                **{name: described[name] for name in _SETTINGS},
                candidates=described["candidates"],
                verified=verified,
                not_covered=described.get("not_covered", {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"{path} is a perturbation record with a part missing or altered ({error}); save it again"
            )
            raise DamagedRunError(message) from error


def _arrays(path: Path) -> dict[str, Array]:
    try:
        return read_arrays(path, "PerturbationRecord.save")
    except DamagedDataError as error:
        message = (
            f"{path} is cut short or altered and cannot be read ({error.__cause__}); run the study again"
        )
        raise DamagedRunError(message) from error


def _description(arrays: dict[str, Array], path: str | Path) -> dict[str, Any]:
    try:
        described = json.loads(arrays["description"].item())
        if described["format"] != _FORMAT:
            raise KeyError
    except (KeyError, TypeError, ValueError, AttributeError):
        message = f"{path} is not a perturbation record; it holds: {', '.join(sorted(arrays)) or 'nothing'}"
        raise ConfigError(message) from None
    if described["version"] > _VERSION:
        message = f"{path} has format {described['version']}, this version reads up to {_VERSION}: update thermograd"
        raise NewerFormatError(message)
    return dict(described)
