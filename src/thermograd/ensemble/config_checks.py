"""What the fields of a config contradict in one another or in what an experiment can be, all of it at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from thermograd.ensemble.config_errors import Problem
from thermograd.ensemble.config_models import built_entry
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.plugin_fields import ROLES, default_of, field_types
from thermograd.store.byte_size import byte_size
from thermograd.store.stored_array import MOST_FILES

TIMES = ("perturb", "save_weights")
_MOST_TRAJECTORIES = 2**32


def cross_checks(
    content: Mapping[str, Any], reported: set[str], imported: tuple[tuple[str, str, Any], ...] = ()
) -> list[Problem]:
    """What the experiment itself would refuse, field by field, so that all of it is reported together.

    Args:
        content: the tables of a config, each with its kind.
        reported: dotted paths that have been complained about already.
        imported: further plug-ins as (field of the experiment, `module:name`, object).

    Returns:
        (dotted path, message) of every contradiction.

    >>> cross_checks({"steps": 3, "epochs": 1}, set())
    [('steps', 'give exactly one of steps and epochs; both are given')]
    """
    found: list[Problem] = []
    if ("steps" in content) == ("epochs" in content):
        got = "both are given" if "steps" in content else "neither is given"
        found.append(("steps", f"give exactly one of steps and epochs; {got}"))
    if ("perturb" in content) != ("perturbation" in content):
        missing = "perturb (when)" if "perturbation" in content else "perturbation (what)"
        found.append((missing.split()[0], f"perturb and perturbation go together: {missing} is missing"))
    found += _same_names(content.get("observe"), imported)
    for name in field_types(Experiment):
        if name in {*ROLES, *TIMES} or name not in content or name in reported:
            continue
        fields: dict[str, Any] = {"problem": None, "steps": 1, name: content[name]}
        if name == "epochs":
            del fields["steps"]
        try:
            Experiment(**fields)
        except (ValueError, TypeError) as error:
            size = _size(content) if name == "trajectories" else ""
            found.append((name, f"{error}{size}"))
    return found


def _same_names(observe: Any, imported: tuple[tuple[str, str, Any], ...]) -> Iterator[Problem]:
    """Observables that would be one record; those that are refused for themselves are left out."""
    if not isinstance(observe, list) or len(observe) < 2:
        return
    first: dict[Any, int] = {}
    for place, table in enumerate(observe):
        built = built_entry("observe", table, imported) if isinstance(table, Mapping) else None
        name = getattr(built, "name", None)
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield (
                f"observe.{place}.name",
                f"observe.{first[name]} has the name {name!r} too; give one of them another name",
            )


def _size(content: Mapping[str, Any]) -> str:
    """How much too many trajectories would be at the very least: one number each, one checkpoint a block."""
    trajectories, block_size = (content.get(name, _default(name)) for name in ("trajectories", "block_size"))
    if any(not isinstance(value, int) or value < 1 for value in (trajectories, block_size)):
        return ""
    if trajectories < _MOST_TRAJECTORIES:
        return ""
    return (
        f". One recorded number of each would take {byte_size(8 * trajectories)}, of which "
        f"{byte_size(shutil.disk_usage(Path.cwd()).free)} are free here, and its blocks "
        f"at least {-(-trajectories // block_size)} files, of which {MOST_FILES} are allowed"
    )


def _default(name: str) -> Any:
    return default_of(Experiment.__dataclass_fields__[name])
