"""What was run, and what has to be said about it before any figure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from thermograd.quantities import Verdict
from thermograd.report.ranking import number_text
from thermograd.report.share import share as share_of
from thermograd.store.failures import Failure
from thermograd.store.layout import DIVERGED, FAILED, FINISHED, PENDING
from thermograd.store.run import Run

_OUTCOMES = (("finished", FINISHED), ("diverged", DIVERGED), ("failed", FAILED), ("pending", PENDING))


def facts(run: Run) -> list[tuple[str, str]]:
    """How it was run: (name, value), as far as it is known."""
    manifest = run.manifest
    outcome = run.outcome
    counts = ", ".join(f"{int((outcome == code).sum())} {label}" for label, code in _OUTCOMES)
    epochs = f" = {run.steps / run.steps_per_epoch:g} epochs" if run.steps_per_epoch > 1 else ""
    found = [
        ("Trajectories", f"{run.trajectories}: {counts}"),
        ("Length", f"{run.steps} optimiser steps{epochs}"),
        ("Engine", run.reason if run.reason.startswith(run.engine) else f"{run.engine}: {run.reason}"),
        ("Seed", str(run.seed)),
        ("State", run.state),
    ]
    named = (
        ("Weights", "dtype"),
        ("Version", "thermograd_version"),
        ("Identity", "identity"),
    )
    found += [(label, str(manifest[key])) for label, key in named if manifest.get(key)]
    speed = _speed(run, run.events())
    if speed:
        found.append(("Speed", speed))
    environment = manifest.get("environment") or {}
    if environment:
        found.append(("Environment", ", ".join(f"{key} {value}" for key, value in environment.items())))
    started = int(manifest.get("generation") or 0)
    if started > 1:
        found.append(("Started", f"{started} times"))
    found += [("Note", note) for note in run.notes]
    return found + [("Failed", _failure(entry)) for entry in run.failures]


def outcome_text(run: Run) -> str:
    """How many trajectories ended how, those outcomes left out that none has."""
    counts = {label: int((run.outcome == code).sum()) for label, code in _OUTCOMES}
    return ", ".join(f"{count} {label}" for label, count in counts.items() if count)


def verdicts(run: Run) -> list[Verdict]:
    """Whether there is anything to look at, whether all of it, and whether the trajectories stayed finite."""
    total, outcome = run.trajectories, run.outcome
    if not run.committed.size or run.committed.max() < 0:
        text = f"Nothing is committed yet: no record of the {total} trajectories can be trusted, so nothing is shown."
        return [Verdict(None, "nothing_committed", text, {"trajectories": total})]
    found = []
    failed, pending = int((outcome == FAILED).sum()), int((outcome == PENDING).sum())
    if failed:
        text = f"{failed} of {total} trajectories are missing because their block failed; `resume` tries them again."
        found.append(Verdict(False, "failed_blocks", text, {"failed": failed}))
    if pending:
        text = (
            f"{pending} of {total} trajectories have not reached the end; the figures hold what is committed."
        )
        found.append(Verdict(None, "incomplete", text, {"pending": pending}))
    return [*found, _finite(run)]


def _finite(run: Run) -> Verdict:
    diverged = int((run.diverged_at >= 0).sum())
    share = share_of(diverged, run.trajectories)
    evidence = {"diverged": diverged, "trajectories": run.trajectories}
    shown = f"share {number_text(share)}"
    if diverged:
        first = int(run.diverged_at[run.diverged_at >= 0].min())
        text = f"{diverged} of {run.trajectories} trajectories diverged ({shown}), the first at step {first}."
        return Verdict(False, "stayed_finite", text, evidence)
    return Verdict(
        True, "stayed_finite", f"No trajectory diverged (0 of {run.trajectories}, {shown}).", evidence
    )


def _failure(failure: Failure) -> str:
    return f"block {failure.block} after {failure.attempts} attempts: {failure.kind}: {failure.message}"


def _speed(run: Run, events: list[dict[str, Any]]) -> str:
    """Trajectory-steps per second of a run that was started once and never interrupted."""
    moments = {"started": [], "resumed": [], "finished": []}  # type: dict[str, list[str]]
    for event in events:
        if event["event"] in moments:
            moments[event["event"]].append(str(event.get("time", "")))
    if len(moments["started"]) != 1 or moments["resumed"] or len(moments["finished"]) != 1:
        return ""
    try:
        first, last = (datetime.fromisoformat(moments[name][0]) for name in ("started", "finished"))
    except ValueError:
        return ""
    seconds = (last - first).total_seconds()
    done = np.where(run.diverged_at >= 0, run.diverged_at, run.steps).sum()
    return (
        f"{number_text(done / seconds)} trajectory-steps per second, measured once over {seconds:.3g} s"
        if seconds > 0
        else ""
    )
