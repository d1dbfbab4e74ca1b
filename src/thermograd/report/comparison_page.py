"""Several runs on one page: what they are, in what they differ, and what follows from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from thermograd.quantities import Verdict
from thermograd.report.comparison import against_setting, all_ends, compared
from thermograd.report.differing_fields import Fields, differing_fields, labels, swept, value_text
from thermograd.report.ends_of_runs import EndsOfRuns
from thermograd.report.ensemble import clock, words
from thermograd.report.figure import Figure
from thermograd.report.passages_compared import passages_compared
from thermograd.report.ranking import number_text
from thermograd.report.run_facts import facts, outcome_text, salvaged, verdicts
from thermograd.report.share import share
from thermograd.store.run import Run

_MOST_FIELDS = 6
_MOST_ENDS = 6


class Comparison(NamedTuple):
    """The parts of the page, as `write_page` takes them.

    Attributes:
        runs: label -> run.
        verdicts: what has to be said before any number.
        table: one row a run: the fields that differ, outcomes, and every scalar at the last shared time.
        facts: what all have in common, and what each has of its own.
        figures: first against the setting that was varied, then curves, then first passage.
        differences: by run, what its configuration says otherwise than that of the first, as comments of a file.
    """

    runs: Mapping[str, Run]
    verdicts: tuple[Verdict, ...]
    table: Mapping[str, Sequence[str]]
    facts: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    differences: Mapping[str, str]


def comparison(runs: Sequence[Run]) -> Comparison:
    """What can be said about several runs together.

    Args:
        runs: at least two, none of them twice; they may be of different experiments, lengths and observables.
    """
    fields = differing_fields(runs)
    labelled = dict(zip(labels(runs, fields), runs, strict=True))
    ends = all_ends(labelled)
    scales = dict(zip(labelled, clock(list(runs))[1], strict=True))
    varied = swept(fields)
    figures = [*compared(labelled, ends), *passages_compared(labelled, ends, scales)]
    if varied and len(runs) > 2:
        figures = [*against_setting(varied[0], dict(zip(labelled, varied[1], strict=True)), ends), *figures]
    return Comparison(
        labelled,
        tuple(_verdicts(labelled, fields)),
        _table(labelled, fields, ends),
        tuple(_facts(labelled)),
        tuple(figures),
        _differences(labelled, fields),
    )


def _table(runs: Mapping[str, Run], fields: Fields, ends: Mapping[str, EndsOfRuns]) -> dict[str, list[str]]:
    table = {"run": list(runs), "outcome": [outcome_text(run) for run in runs.values()]}
    for path, column in list(fields.items())[:_MOST_FIELDS]:
        table[path] = [value_text(value) for value in column]
    for name, end in list(ends.items())[:_MOST_ENDS]:
        means = end.means
        table[f"{words(name)} at {end.unit} {end.time:g}"] = [
            number_text(means[label]) if label in means else "–" for label in runs
        ]
    return table


def _differences(runs: Mapping[str, Run], fields: Fields) -> dict[str, str]:
    return {
        label: "\n".join(f"# {path} = {value_text(column[place])}" for path, column in fields.items())
        for place, label in enumerate(runs)
    }


def _facts(runs: Mapping[str, Run]) -> list[tuple[str, str]]:
    """What holds for all once; the rest with the name of its run."""
    said = {label: facts(run) for label, run in runs.items()}
    counts = Counter(entry for lines in said.values() for entry in dict.fromkeys(lines))
    common = [entry for entry in next(iter(said.values())) if counts[entry] == len(runs)]
    own = [
        (f"{label}: {name}", text)
        for label, lines in said.items()
        for name, text in dict.fromkeys(lines)
        if counts[name, text] < len(runs) and name not in {"Trajectories", "Speed", "Identity"}
    ]
    identity = {label: str(run.manifest.get("identity", ""))[:8] for label, run in runs.items()}
    folders = [
        (f"{label}: Folder", f"{run.path} (identity {identity[label]})")
        for label, run in runs.items()
        if run.path
    ]
    return [*common, *own, *folders]


def _verdicts(runs: Mapping[str, Run], fields: Fields) -> list[Verdict]:
    found = []
    finite: list[Verdict] = []
    for label, run in runs.items():
        for verdict in (*salvaged(run), *verdicts(run)):
            if verdict.kind == "stayed_finite" and verdict.holds:
                finite.append(verdict)
            else:
                found.append(
                    Verdict(verdict.holds, verdict.kind, f"{label}: {verdict.text}", verdict.evidence)
                )
    if finite:
        total = sum(verdict.evidence["trajectories"] for verdict in finite)
        where = f"any of the {len(finite)} runs" if len(finite) == len(runs) else f"the other {len(finite)}"
        text = f"No trajectory diverged in {where} (0 of {total}, share {number_text(share(0, total))})."
        found.append(Verdict(True, "stayed_finite", text, {"diverged": 0, "trajectories": total}))
    return [*found, *_same(runs), *_problems(fields), *_observables(runs), *_left_out(fields)]


def _same(runs: Mapping[str, Run]) -> list[Verdict]:
    """Runs of one experiment have the same trajectories: no second look at chance."""
    groups: dict[str, list[str]] = {}
    for label, run in runs.items():
        identity = run.manifest.get("identity")
        if identity:
            groups.setdefault(str(identity), []).append(label)
    return [
        Verdict(
            None,
            "same_experiment",
            f"{' and '.join(names)} are one experiment with one seed, so their trajectories are the same numbers and are "
            "no second piece of evidence. Give another seed for that.",
            {"runs": len(names)},
        )
        for names in groups.values()
        if len(names) > 1
    ]


def _problems(fields: Fields) -> list[Verdict]:
    differing = [path for path in fields if path.split(".")[0] == "problem"]
    if not differing:
        return []
    text = (
        f"The runs are of different problems ({', '.join(differing[:4])}{', ...' if len(differing) > 4 else ''}): the same "
        "name may stand for different quantities."
    )
    return [Verdict(None, "different_problems", text, {"fields": len(differing)})]


def _observables(runs: Mapping[str, Run]) -> list[Verdict]:
    names = dict.fromkeys(name for run in runs.values() for name in run.scalars)
    having = {name: [label for label, run in runs.items() if name in run.scalars] for name in names}
    some = {name: those for name, those in having.items() if len(those) < len(runs)}
    if not some:
        return []
    nothing = len(some) == len(names)
    shown = "; ".join(f"{name} by {_listed(those)}" for name, those in list(some.items())[:8])
    begin = "No scalar was recorded by all runs" if nothing else "Not every run recorded every scalar"
    text = (
        f"{begin}: {shown}{'; ...' if len(some) > 8 else ''}. What one run alone recorded is not drawn here."
    )
    return [Verdict(None, "recorded_by_some", text, {"scalars": len(some)})]


def _left_out(fields: Fields) -> list[Verdict]:
    more = list(fields)[_MOST_FIELDS:]
    if not more:
        return []
    text = f"The experiments differ in {len(fields)} fields; not in the table: {', '.join(more[:20])}{', ...' if len(more) > 20 else ''}."
    return [Verdict(None, "many_differences", text, {"fields": len(fields)})]


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names)) if len(names) <= 4 else f"{len(names)} runs"


def distinct(runs: Sequence[Run]) -> tuple[list[Run], int]:
    """The runs without those that were given twice, and how many that were."""
    kept: dict[Any, Run] = {}
    for run in runs:
        kept.setdefault(run.path.resolve() if run.path else id(run.source), run)
    return list(kept.values()), len(runs) - len(kept)
