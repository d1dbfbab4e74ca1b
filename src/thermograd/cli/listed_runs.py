"""The runs in a folder: what became of them, how far the others are, and whether somebody works on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thermograd.cli import terminal
from thermograd.errors import ConfigError, ThermogradError
from thermograd.store import lock
from thermograd.store.layout import DIVERGED, FAILED, FINISHED
from thermograd.store.manifest import FILE, Manifest, read_manifest
from thermograd.store.printable import printable
from thermograd.store.reader import open_run
from thermograd.store.resume_command import resume_command

_WORKING = ("created", "running")


def list_runs(folder: Path, *, as_json: bool) -> None:
    """Print them. Of a run that is not finished also how far it is, as far as that is committed.

    Args:
        folder: that holds run directories, or is one.
        as_json: print one JSON object.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        message = f"{folder} is not a folder; give the folder that holds the run directories"
        raise ConfigError(message)
    inside = {file.parent for file in folder.glob(f"*/{FILE}")}
    found = [_entry(path) for path in sorted(inside | ({folder} if (folder / FILE).exists() else set()))]
    if as_json:
        terminal.result_json({"runs": found})
        return
    for entry in found:
        if entry["state"] == "unreadable":
            terminal.complain(entry["error"])
        else:
            terminal.result(_line(entry))
    if not found:
        terminal.say(f"no runs in {folder}")


def _entry(path: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(path)
    except ThermogradError as error:
        return {"run": str(path), "state": "unreadable", "error": str(error)}
    holder = lock.read_holder(path) if manifest.state in _WORKING and lock.running(path) else None
    entry = {
        "run": str(path),
        "state": "interrupted" if manifest.state in _WORKING and holder is None else manifest.state,
        "name": manifest.name,
        "trajectories": manifest.trajectories,
        "steps": manifest.steps,
        "seed": manifest.seed,
        "identity": manifest.identity,
        "process": None if holder is None else holder.pid,
        "host": None if holder is None else printable(holder.host),
    }
    if manifest.state == "finished":
        return entry
    resume = None if holder is not None else resume_command(path, manifest.executor)
    return entry | {"resume": resume} | _progress(path, manifest)


def _progress(path: Path, manifest: Manifest) -> dict[str, Any]:
    """What is committed; `error` where that cannot be read."""
    try:
        run = open_run(path)
        committed, outcome = run.committed, run.outcome
    except ThermogradError as error:
        return {"error": str(error)}
    seen = np.repeat(np.clip(committed, 0, None), manifest.block_size)[: manifest.trajectories]
    total = manifest.trajectories * manifest.steps
    return {
        "trajectories_done": int(np.isin(outcome, (FINISHED, DIVERGED)).sum()),
        "trajectories_failed": int((outcome == FAILED).sum()),
        "steps_committed": float(seen.sum()) / total if total else 1.0,
    }


def _line(entry: dict[str, Any]) -> str:
    """One run.

    >>> run = {"run": "runs/a", "state": "running", "name": "kick", "trajectories": 64, "steps": 400}
    >>> far = {"trajectories_done": 16, "trajectories_failed": 0, "steps_committed": 0.316, "process": 71, "host": "n1"}
    >>> _line(run | far)
    'runs/a  running  kick: 64 × 400, 16 of 64 trajectories done, 31 % of the steps, process 71 on n1 works on it'
    """
    size = f"{entry['trajectories']} × {entry['steps']}"
    parts = [f"{entry['run']}  {entry['state']}  {printable(entry['name'])}: {size}"]
    if "steps_committed" in entry:
        parts.append(f"{entry['trajectories_done']} of {entry['trajectories']} trajectories done")
        parts += [f"{entry['trajectories_failed']} failed"] if entry["trajectories_failed"] else []
        parts.append(f"{int(100 * entry['steps_committed'])} % of the steps")
    elif "error" in entry:
        parts.append(f"how far is not known ({entry['error']})")
    if entry["state"] in _WORKING:
        parts.append(f"process {entry['process']} on {entry['host']} works on it")
    elif entry["state"] != "finished":
        parts.append(f"nobody works on it: {entry['resume']}")
    return ", ".join(parts)
