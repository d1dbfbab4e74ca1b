"""What was run, and what has to be said about it before any figure."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Any

import numpy as np

from thermograd.quantities import Verdict
from thermograd.report.ranking import number_text
from thermograd.report.share import share as share_of
from thermograd.store.layout import FAILED, PENDING
from thermograd.store.outcome_counts import outcome_counts
from thermograd.store.reader import DirectorySource
from thermograd.store.resume_command import resume_command
from thermograd.store.run import Run

_CHANGED = "bits may differ"
"""How the note of a run begins that went on in another environment."""
_MOST_FAILURES = 10
_MOST_NAMED = 12


def facts(run: Run) -> list[tuple[str, str]]:
    """How it was run: (name, value), as far as it is known."""
    manifest = run.manifest
    counts = ", ".join(f"{count} {name}" for name, count in outcome_counts(run.outcome).items())
    epochs = f" = {run.steps / run.steps_per_epoch:g} epochs" if run.steps_per_epoch > 1 else ""
    found = [
        ("Trajectories", f"{run.trajectories}: {counts}"),
        ("Length", f"{run.steps} optimiser steps{epochs}"),
        ("Engine", run.reason if run.reason.startswith(run.engine) else f"{run.engine}: {run.reason}"),
        ("Seed", str(run.seed)),
        ("State", run.state),
        ("Recorded", _recorded(run)),
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
    repeated = f"{len(run.failures)} of {run.source.header.blocks} blocks failed: "
    found += [
        ("Environment changed" if note.startswith(_CHANGED) else "Note", note)
        for note in run.notes
        if not note.startswith(repeated)
    ]
    return found + [("Failed", text) for text in _failures(run)]


def outcome_text(run: Run) -> str:
    """How many trajectories ended how, those outcomes left out that none has."""
    return ", ".join(f"{count} {name}" for name, count in outcome_counts(run.outcome).items() if count)


def verdicts(run: Run) -> list[Verdict]:
    """Whether there is anything to look at, whether all of it, and whether the trajectories stayed finite."""
    total, outcome = run.trajectories, run.outcome
    found = []
    failed, pending = int((outcome == FAILED).sum()), int((outcome == PENDING).sum())
    if failed:
        blocks = np.unique(np.flatnonzero(outcome == FAILED) // run.source.header.block_size).size
        text = (
            f"{failed} of {total} trajectories are missing because their block failed ({blocks} of "
            f"{run.source.header.blocks} blocks); {_go_on(run)} tries them again."
        )
        found.append(Verdict(False, "failed_blocks", text, {"failed": failed, "blocks": blocks}))
    how = "still going." if run.state == "running" else f"{run.state}; go on with: {_go_on(run)}"
    if outcome.size == failed or run.committed.max(initial=-1) < 0:
        text = f"Nothing is committed yet: no record of the {total} trajectories can be trusted, so nothing is shown. The run is {how}"
        return [*found, Verdict(None, "nothing_committed", text, {"trajectories": total})]
    if pending:
        text = f"{pending} of {total} trajectories have not reached the end; the figures hold what is committed, {_far(run)}. The run is {how}"
        found.append(Verdict(None, "incomplete", text, {"pending": pending}))
    return [*found, _finite(run)]


def salvaged(run: Run) -> list[Verdict]:
    """What could not be trusted and was left out, as far as it has been read; none of a run that is whole."""
    lost = run.source.damage if isinstance(run.source, DirectorySource) else ()
    if not lost:
        return []
    shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    repair = shlex.join(["thermograd", "resume", str(run.path), "--repair"])
    files = "1 file of the run is" if len(lost) == 1 else f"{len(lost)} files of the run are"
    text = f"{files} lost or damaged and left out as if never recorded: {shown}. {repair} recomputes the same bits."
    return [Verdict(False, "salvaged", text, {"files": len(lost)})]


def go_on_command(run: Run) -> str:
    """The command that goes on with a run as it was started, "" if there is nothing to go on with or somebody is at it."""
    if run.path is None or run.complete or run.state == "running":
        return ""
    executor, objects = (
        [str(word) for word in run.manifest.get(key) or ()] for key in ("executor", "python_objects")
    )
    return resume_command(run.path, executor, objects)


def _go_on(run: Run) -> str:
    return go_on_command(run) or "`resume`"


def _far(run: Run) -> str:
    """How far the blocks have come."""
    committed = run.committed
    begun = int((committed >= 0).sum())
    furthest = int(committed.max())
    epochs = f" = epoch {furthest / run.steps_per_epoch:.4g}" if run.steps_per_epoch > 1 else ""
    of_blocks = f" in {begun} of {committed.size} blocks" if committed.size > 1 else ""
    return f"up to step {furthest}{epochs}{of_blocks}"


def _finite(run: Run) -> Verdict:
    """Of the trajectories of which anything is known."""
    committed = np.repeat(run.committed, run.source.header.block_size)[: run.trajectories]
    known = (committed >= 0) & (run.outcome != FAILED)
    diverged, total = int((run.diverged_at[known] >= 0).sum()), int(known.sum())
    pending = int((run.outcome[known] == PENDING).sum())
    evidence = {"diverged": diverged, "trajectories": total}
    so_far = " so far" if pending else ""
    if not total:
        return Verdict(
            None,
            "stayed_finite",
            "Whether trajectories diverge is not known: blocks failed, and no other has begun.",
            evidence,
        )
    shown = f"share {number_text(share_of(diverged, total))}"
    if diverged:
        first = int(run.diverged_at[run.diverged_at >= 0].min())
        text = f"{diverged} of {total} trajectories diverged{so_far} ({shown}), the first at step {first}."
        return Verdict(False, "stayed_finite", text, evidence)
    text = f"No trajectory {'has ' * bool(pending)}diverged{so_far} (0 of {total}, {shown})."
    return Verdict(None if pending else True, "stayed_finite", text, evidence)


def _recorded(run: Run) -> str:
    """Every array; only numbers have a figure of their own."""
    said = []
    for name in run.names[:_MOST_NAMED]:
        spec = run.source.header.array(name)
        shape = f" ({' × '.join(map(str, spec.shape))} each)" if spec.shape else ""
        said.append(f"{name}{shape} at {spec.times.size} time{'s' * (spec.times.size != 1)}")
    more = len(run.names) - len(said)
    return ", ".join(said) + (f" and {more} more" if more else "")


def _failures(run: Run) -> list[str]:
    """Blocks that failed alike in one line."""
    groups: dict[tuple[str, str, int], list[int]] = {}
    for entry in run.failures:
        groups.setdefault((entry.kind, entry.message, entry.attempts), []).append(entry.block)
    lines = []
    for (kind, message, attempts), blocks in list(groups.items())[:_MOST_FAILURES]:
        which = ", ".join(map(str, blocks[:_MOST_FAILURES])) + (
            ", ..." if len(blocks) > _MOST_FAILURES else ""
        )
        counted = f"block {which}" if len(blocks) == 1 else f"{len(blocks)} blocks ({which})"
        lines.append(f"{counted} after {attempts} attempt{'s' * (attempts != 1)}: {kind}: {message}")
    left = len(groups) - len(lines)
    return lines + (
        [f"and {left} other kinds of failure; see failure.json of the blocks"] if left > 0 else []
    )


def _speed(run: Run, events: list[dict[str, Any]]) -> str:
    """Trajectory-steps per second of a run that was started once, never interrupted, and lost no block."""
    if run.failures:
        return ""
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
