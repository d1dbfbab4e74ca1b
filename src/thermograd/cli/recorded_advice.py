"""Advice from recorded logs: read the files, ask, and write the answer where it is wanted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thermograd.advisor.perturbation_evidence import PerturbationEvidence, gather_evidence
from thermograd.advisor.perturbation_interval import advise_on
from thermograd.cli import terminal
from thermograd.cli.recorded_log import LogOptions, check_once, check_outputs
from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.quantities import Advice, Estimate
from thermograd.report.page import write_page
from thermograd.report.study import recorded as figures_of_recorded
from thermograd.store.atomic_file import write_atomically
from thermograd.store.trajectories import Trajectories, joined

_ADVISOR = "perturbation_interval"
_FORM = (
    "write NAME=SOURCE@P, a file, folder or pattern, or NAME=FILE:KEY@P for an array of an npz; P is the interval of "
    "the perturbed runs"
)


def advise_on_logs(
    source: Sequence[str],
    *,
    target: float,
    direction: str,
    candidate: Sequence[str],
    options: LogOptions,
    json: Sequence[Path] | None,
    html: Path | None,
) -> None:
    """What `thermograd advise` does; the arguments are its options, `options` those that say how logs are read.

    Raises:
        ConfigError: a file, candidate, target or option cannot be used.
    """
    files = _files(source)
    check_once(files)
    perturbed_files = [text.partition("=")[2].rpartition("@")[0] for text in candidate]
    check_outputs(
        [*(json or ()), *([] if html is None else [html])], [*files, *filter(None, perturbed_files)]
    )
    parts = [options.read(file) for file in files]
    unperturbed = joined(parts)
    perturbed = _candidates(candidate, options)
    recordings = [recorded for given in perturbed.values() for recorded, _ in given]
    for part in [unperturbed, *recordings]:
        for note in part.notes:
            terminal.say(note)
    evidence = gather_evidence(unperturbed, perturbed, target=target, direction=direction)
    advice = advise_on(evidence)
    written = []
    found = advice_object(advice, evidence)
    if json:
        write_atomically(json[0], f"{terminal.json_text(found)}\n".encode())
        written.append(json[0])
    if html is not None:
        _page(html, files, candidate, unperturbed, advice, evidence)
        written.append(html)
    if json is not None and not json:
        terminal.result_json(found)
        for path in written:
            terminal.say(str(path))
    else:
        terminal.result("\n".join(map(str, [advice, *written])))


def advice_object(advice: Advice, evidence: PerturbationEvidence) -> dict[str, Any]:
    """The advice as the object `--json` writes, where numbers that are not finite become null.

    Speed-ups are None for "nothing", and for an alternative whose predicted mean is a lower bound only.

    Args:
        advice: the advice.
        evidence: what it rests on.

    Returns:
        `ranking`, `unperturbed`, `recommendation` and `verdicts`, of plain Python types only.
    """
    passages = evidence.passages
    return {
        "ranking": [
            {
                "name": entry.name,
                "interval": entry.interval,
                "predicted_mean": _value(entry.predicted_mean),
                "predicted_interval": _ends(entry.predicted_mean),
                "mean_residual_time": _value(entry.mean_residual_time),
                "at_least_speed_up": _value(entry.speed_up and entry.speed_up.at_least),
                "extrapolated_speed_up": _value(entry.speed_up and entry.speed_up.extrapolated),
                "probability_of_being_best": entry.probability_of_being_best,
            }
            for entry in advice.ranking
        ],
        "unperturbed": {
            "trajectories": len(passages),
            "reached": int(passages.reached.sum()),
            "censored_fraction": passages.censored_fraction,
            "restricted_mean": _value(evidence.restricted),
        },
        "recommendation": advice.recommendation,
        "verdicts": [
            {"holds": verdict.holds, "kind": verdict.kind, "text": verdict.text}
            for verdict in advice.verdicts
        ],
    }


def _files(source: Sequence[str]) -> list[str]:
    files = list(source)
    if files and files[-1] == _ADVISOR and not Path(_ADVISOR).exists():
        files.pop()
    if not files:
        message = "no log of unperturbed runs was given: thermograd advise SOURCE --target VALUE"
        raise ConfigError(message)
    last = files[-1]
    if len(files) > 1 and last.isidentifier() and not Path(last).exists():
        message = f"{last!r} is neither a file nor an advisor. {nearest(last, [_ADVISOR])}"
        raise ConfigError(message)
    return files


def _candidates(given: Sequence[str], options: LogOptions) -> dict[str, list[tuple[Trajectories, int]]]:
    """The perturbed runs by name; the same name at several intervals is one candidate."""
    found: dict[str, list[tuple[Trajectories, int]]] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        file, at, interval = rest.rpartition("@")
        if not (name and equals and file and at and interval.isdecimal() and int(interval) > 0):
            message = f"--candidate {text}: {_FORM}"
            raise ConfigError(message)
        if int(interval) in [at for _, at in found.get(name, [])]:
            message = f"--candidate {name} was given twice at {interval}; call the second one something else"
            raise ConfigError(message)
        recorded = options.read(file)
        if file.lower().endswith(".npz") and recorded.names[0].startswith("unperturbed"):
            message = f"--candidate {text} would read the unperturbed runs of {file}; {_FORM}"
            raise ConfigError(message)
        found.setdefault(name, []).append((recorded, int(interval)))
    return found


def _page(
    html: Path,
    files: list[str],
    candidates: Sequence[str],
    unperturbed: Trajectories,
    advice: Advice,
    evidence: PerturbationEvidence,
) -> None:

    passages = evidence.passages
    facts = [
        ("unperturbed runs", ", ".join(files)),
        *(("perturbed runs", text) for text in candidates),
        ("trajectories", str(unperturbed)),
        ("target", f"{evidence.target:g}"),
        ("arrived", str(passages)),
        *(("note", note) for note in unperturbed.notes),
    ]
    write_page(
        html,
        title="Would perturbing help?",
        advice=advice,
        facts=facts,
        figures=figures_of_recorded(evidence, unperturbed),
        commands=[shlex.join(["thermograd", *sys.argv[1:]])],
        unit=passages.unit,
    )


def _ends(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else [float(end) for end in estimate.interval]


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else float(estimate.value)
