"""`thermograd list`: plug-ins, runs in a folder, estimates, predictions, reproductions, the config schema."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE
from thermograd.discover import available, nearest
from thermograd.errors import ConfigError

_WHAT = ("plugins", "runs", "estimates", "predictions", "reproductions", "schema")
_ROLES = ("problems", "minibatching", "dynamics", "perturbations", "observables")


def list_(
    what: str = "plugins",
    which: str | None = None,
    /,
    *,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """List plug-ins, the runs in a folder, estimates, predictions, reproductions, or the JSON Schema of a config.

    Args:
        what: plugins, runs, estimates (what `thermograd estimate` can be asked for), predictions (the same for
            `thermograd predict`), reproductions (the same for `thermograd reproduce`) or schema (for editors).
        which: of runs the folder to look in, `runs` if it is not given: what became of them, and of those not finished
            how far they are and who works on them; of plugins, estimates and predictions one name, of which all is
            told.
        json: print one JSON object.

    Returns:
        Exit code.

    Raises:
        ConfigError: there is no such list.
    """
    if which is not None and what not in {"plugins", "runs", "estimates", "predictions"}:
        message = f"thermograd list {what} takes nothing more, got {which!r}"
        raise ConfigError(message)
    if what == "plugins":
        return _plugins(as_json=json) if which is None else _plugin(which, as_json=json)
    if what == "runs":
        from thermograd.cli.listed_runs import list_runs  # here, so that --help needs no numpy

        list_runs(Path(which or "runs"), as_json=json)
        return DONE
    if what in {"estimates", "predictions"}:
        from thermograd.cli.listed_recipes import list_recipes  # here, so that --help needs no numpy

        list_recipes(what, which, as_json=json)
        return DONE
    if what == "reproductions":
        return _reproductions(as_json=json)
    if what == "schema":
        from thermograd.ensemble.config import Config  # here, so that --help needs no pydantic

        terminal.result_json(Config.json_schema())
        return DONE
    message = f"there is no list {what!r}. {nearest(what, _WHAT)}"
    raise ConfigError(message)


def _found() -> dict[str, dict[str, type]]:
    """Every plug-in by role and kind."""
    from thermograd.ensemble.executors.choice import executor_kinds  # here, so that --help needs no torch

    found = {
        role: {kind: thing for kind, thing in available(f"thermograd.{role}").items() if kind != "problem"}
        for role in _ROLES
    }
    return found | {"executors": executor_kinds()}


def _plugin(kind: str, *, as_json: bool) -> int:
    """All that is known of one kind: what it is, and its options."""
    from thermograd.ensemble.plugin_fields import default_of  # here, so that --help needs no torch

    found = _found()
    things = {role: kinds[kind] for role, kinds in found.items() if kind in kinds}
    if not things:
        message = f"there is no plug-in {kind!r}. {nearest(kind, [name for kinds in found.values() for name in kinds])}"
        raise ConfigError(message)
    told = {role: _description(thing) for role, thing in things.items()}
    if as_json:
        terminal.result_json({"kind": kind, **told})
        return DONE
    for role, thing in things.items():
        fields = (
            [entry for entry in dataclasses.fields(thing) if entry.init]
            if dataclasses.is_dataclass(thing)
            else []
        )
        terminal.result(f"{kind} ({role})\n\n{told[role]}")
        if fields:
            defaults = ", ".join(f"{entry.name} = {default_of(entry)!r}" for entry in fields)
            terminal.result(f"\nDefaults: {defaults}")
    return DONE


def _description(plugin: type) -> str:
    """Its docstring, without what is for those who call it from Python."""
    text = (inspect.getdoc(plugin) or "").partition("\nRaises:")[0].partition("\n>>> ")[0]
    return text.replace("\nAttributes:\n", "\nOptions:\n").strip()


def _plugins(*, as_json: bool) -> int:
    found = {
        role: {kind: (inspect.getdoc(thing) or "").partition("\n")[0] for kind, thing in kinds.items()}
        for role, kinds in _found().items()
    }
    if as_json:
        terminal.result_json(found)
        return DONE
    for role, kinds in found.items():
        terminal.result(role)
        for kind, summary in kinds.items():
            terminal.result(f"  {kind:28} {summary}")
    return DONE


def _reproductions(*, as_json: bool) -> int:
    from thermograd.reproductions.catalogue import available as reproductions
    from thermograd.reproductions.catalogue import subject  # here, so that --help needs no torch

    found = {
        name: {
            experiment: {
                "summary": entry.summary,
                "options": sorted(entry.options),
                "settable": sorted(entry.settable),
            }
            for experiment, entry in experiments.items()
        }
        for name, experiments in reproductions().items()
    }
    if as_json:
        terminal.result_json(found)
        return DONE
    for name, experiments in found.items():
        terminal.result(name)
        terminal.result(f"  {subject(name)}")
        for experiment, entry in experiments.items():
            options = "".join(f" [--{option}]" for option in entry["options"])
            change = " [--set]" if entry["settable"] else ""
            terminal.result(f"  {experiment:20} {entry['summary']}{options}{change}")
        settable = sorted({setting for entry in experiments.values() for setting in entry["settable"]})
        if settable:
            terminal.result(f"  {'':20} --set NAME=VALUE, NAME one of {', '.join(settable)}")
    return DONE
