"""What a run directory knows of its dynamics, as defaults for options of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thermograd.store.manifest import Manifest, read_manifest

_SAMPLERS = frozenset({"sgld", "sgworld"})
_FIELDS = ("learning_rate", "momentum", "dampening", "noise_scale", "temperature", "batch_size", "distinct")


def known_of_run(run: Path, prediction: str) -> dict[str, Any]:
    """Values for options, by their names.

    What a learning rate multiplies depends on the dynamics, so it is given only to the theory of its own kind: of SGD; of
    SGLD and SGWORLD, whose loss is a potential; of the earthquake.

    Args:
        run: the run directory.
        prediction: `stem.function`.

    Returns:
        Plain values; which of them are options is not looked at here.

    Raises:
        ForeignDirectoryError: it is no run directory.
        DamagedRunError: its manifest cannot be read.
    """
    manifest = read_manifest(run)
    problem, batches, dynamics = (_table(manifest, name) for name in ("problem", "minibatching", "dynamics"))
    known: dict[str, Any] = {"steps": manifest.steps, "steps_per_epoch": manifest.steps_per_epoch}
    if prediction.startswith("mean_field."):
        known |= {name: value for name, value in problem.items() if name != "kind"}
    known |= {name: batches[name] for name in _FIELDS if name in batches}
    known["minibatching"] = batches.get("kind")
    if dynamics.get("kind") in _dynamics(prediction):
        known |= {name: dynamics[name] for name in _FIELDS if name in dynamics}
        known["algorithm"] = dynamics["kind"]
    return {name: value for name, value in known.items() if isinstance(value, int | float | str)}


def _dynamics(prediction: str) -> frozenset[str]:
    """The dynamics that a theory is about."""
    stem, _, function = prediction.partition(".")
    if stem == "posterior":
        return _SAMPLERS
    if function == "earthquake":
        return frozenset({"earthquake"})
    return frozenset({"sgd", "sgld"}) if stem == "mean_field" else frozenset({"sgd"})


def _table(manifest: Manifest, name: str) -> Mapping[str, Any]:
    value = manifest.experiment.get(name)
    return value if isinstance(value, Mapping) else {}
