"""Write the page: of a run, of several runs compared, or of advice on recorded data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from thermograd.advisor.perturbation_evidence import PerturbationEvidence
from thermograd.advisor.perturbation_interval import advise
from thermograd.errors import ConfigError
from thermograd.quantities import Advice, Verdict
from thermograd.report.chapter import Chapter
from thermograd.report.comparison_page import Comparison, comparison, distinct
from thermograd.report.document import Document
from thermograd.report.ensemble import LARGEST_NUMBER, axis_of
from thermograd.report.figure import Figure
from thermograd.report.figures import figures_of
from thermograd.report.run_facts import facts as facts_of
from thermograd.report.run_facts import go_on_command, salvaged, verdicts
from thermograd.report.study import study
from thermograd.store.atomic_file import write_atomically
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.printable import printable
from thermograd.store.reader import open_run
from thermograd.store.run import Run

FILE = "report.html"
STUDY = "perturbation_study.npz"
"""Where a run directory keeps the record of the study made from it."""


def write_page(
    path: str | Path,
    *,
    title: str,
    advice: Advice | None = None,
    record: PerturbationRecord | None = None,
    evidence: PerturbationEvidence | None = None,
    verdicts: Sequence[Verdict] = (),
    table: Mapping[str, Sequence[str]] | None = None,
    table_heading: str = "Row by row",
    facts: Sequence[tuple[str, str]] = (),
    figures: Sequence[Figure] = (),
    config: str = "",
    commands: Sequence[str] = (),
    unit: str = "",
    chapters: Sequence[Chapter] = (),
) -> Path:
    """Write one self-contained HTML file, atomically.

    Args:
        path: the file; its folder must exist.
        title: heading of the page.
        advice: what to do, shown first.
        record: a perturbation study, drawn before `figures`.
        evidence: what advice on recorded runs rests on, drawn before `figures`.
        verdicts: what was decided besides.
        table: column heading -> cells, where the result is a table.
        table_heading: what stands above it.
        facts: (name, value) of what was run.
        figures: drawings, grouped by their stem.
        config: configuration, as a file's text.
        commands: command lines that give this page again.
        unit: unit of the times in the ranking; that of the record or the evidence if "".
        chapters: results with a heading each, below a table of contents.

    Returns:
        The file.

    Raises:
        ConfigError: the folder of the page does not exist.
        MissingExtraError: plotly is not installed.
        OSError: the file cannot be written; an older one is untouched.

    >>> import tempfile
    >>> verdict = Verdict(True, "plateau", "The mean residual time is the same at all intervals.")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(Path(folder) / "page.html", title="One verdict", verdicts=[verdict])
    ...     verdict.text in page.read_text("utf-8")
    True
    """
    drawn = [entry for thing in (record, evidence) if thing is not None for entry in figures_of(thing)]
    found = record.unit if record else evidence.passages.unit if evidence else ""
    document = Document(
        title,
        advice,
        verdicts,
        table or {},
        facts,
        [*drawn, *figures],
        config,
        commands,
        unit or found,
        table_heading,
        chapters,
    )
    file = Path(path)
    if not file.parent.is_dir():
        message = f"the folder {printable(file.parent)} of the page does not exist; make it first, or name another file"
        raise ConfigError(message)
    write_atomically(file, document.html().encode("utf-8"))
    return file


def report_run(
    runs: str | Path | Run | Sequence[str | Path | Run],
    out: str | Path | None = None,
    *,
    salvage: bool = False,
) -> Path:
    """The page of a run; several runs are compared in one.

    Args:
        runs: run directories, or runs; those in memory need `out`.
        out: the file to write; `RUN/report.html` of the first run if None.
        salvage: of damaged directories show what can be trusted, and name what cannot.

    Returns:
        The file.

    Raises:
        ConfigError: no run was given, or one in memory without `out`.
        ForeignDirectoryError: a folder is not a run.
        DamagedRunError: a run cannot be trusted, and `salvage` was not asked for.

    >>> import tempfile
    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> run = tg.run(tg.Experiment(Quadratic(), trajectories=2, epochs=2, engine="eager"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report_run(run, Path(folder) / "report.html")
    ...     page.name, "train_loss" in page.read_text("utf-8")
    ('report.html', True)
    """
    given = [runs] if isinstance(runs, str | Path | Run) else list(runs)
    opened = [entry if isinstance(entry, Run) else open_run(entry, salvage=salvage) for entry in given]
    if not opened:
        message = "no run to report; name at least one run directory"
        raise ConfigError(message)
    file = _file(opened[0], out)
    opened, _ = distinct(opened)
    return _one(file, opened[0]) if len(opened) == 1 else _several(file, opened)


def _one(file: Path, run: Run) -> Path:
    found = verdicts(run)
    nothing = any(verdict.kind == "nothing_committed" for verdict in found)
    shown = run.scalars
    if len(shown) > LARGEST_NUMBER:
        text = f"Only the first {LARGEST_NUMBER} of {len(shown)} recorded scalars are drawn; read the others from the run."
        found.append(Verdict(None, "not_all_drawn", text))
    record = _study(run)
    targets = {shown[0]: record.target} if record and shown else {}
    studied = study(record, axis_of(shown[0]) if shown else "value (as recorded)") if record else ()
    drawn = () if nothing else figures_of(run, targets=targets)
    return write_page(
        file,
        title=run.name or "A run of thermograd",
        advice=advise(record) if record else None,
        verdicts=[*salvaged(run), *found],
        facts=facts_of(run),
        figures=[*studied, *drawn],
        config=_config(run),
        commands=_commands([run], file),
        unit=record.unit if record else "",
    )


def _study(run: Run) -> PerturbationRecord | None:
    """The perturbation study whose record lies in the run's folder."""
    folder = run.path
    file = folder / STUDY if folder else None
    return PerturbationRecord.load(file) if file and file.is_file() else None


def _several(file: Path, runs: list[Run]) -> Path:
    found = comparison(runs)
    return write_page(
        file,
        title=f"{len(runs)} runs compared",
        verdicts=found.verdicts,
        table=found.table,
        table_heading="The runs side by side",
        facts=found.facts,
        figures=found.figures,
        config=_configs(found),
        commands=_commands(runs, file),
    )


def _file(run: Run, out: str | Path | None) -> Path:
    folder = run.path
    if out is not None:
        return Path(out)
    if folder is None:
        message = "this run is in memory, so it has no folder for its report; pass out='report.html'"
        raise ConfigError(message)
    return folder / FILE


def _config(run: Run) -> str:
    folder = run.path
    file = folder / "experiment.toml" if folder else None
    return file.read_text("utf-8", errors="replace") if file and file.is_file() else ""


def _configs(found: Comparison) -> str:
    """That of the first run in full, and in what the others differ."""
    (first, run), *others = found.runs.items()
    config = _config(run)
    parts = [f"# {first}\n{config}" if config else ""]
    parts += [
        f"# {label}: as {first}, but\n{found.differences[label]}"
        for label, _ in others
        if found.differences[label]
    ]
    return "\n\n".join(filter(None, parts))


def _commands(runs: list[Run], file: Path) -> list[str]:
    paths = [run.path for run in runs if run.path]
    lines = [str(line) for run in runs for line in run.manifest.get("commands") or ()]
    if paths and not lines:
        lines = [
            shlex.join(["thermograd", "run", str(path / "experiment.toml"), "--out", "again"])
            for path in paths
        ]
    lines += [command for command in map(go_on_command, runs) if command]
    if paths:
        lines.append(shlex.join(["thermograd", "report", *map(str, paths), "--out", str(file)]))
    return lines
