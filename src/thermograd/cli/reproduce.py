"""`thermograd reproduce`: a paper's numbers beside ours."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections import deque
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE, INCOMPLETE
from thermograd.cli.output_folder import check_output_folder
from thermograd.errors import ConfigError, ThermogradError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from thermograd.reproductions.overview import Overview
    from thermograd.reproductions.reproduction import Reproduction

_WIDTHS = (0.24, 0.12, 0.24, 0.40)
_NARROWEST = 100


def reproduce(
    name: str,
    /,
    *,
    experiment: str | None = None,
    live: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    full: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)] = (),
    out: Path | None = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Put a paper's numbers beside ours: paper | ours | verdict, as a table and as a page with the figures.

    The page, DIR/report.html, and the table for programs, DIR/table.json, are written stage by stage. The last
    line on stdout is the page. Recorded runs are read from the folder that THERMOGRAD_DATA names.
    `thermograd list reproductions` shows what there is. `thermograd reproduce all` ends in one page with every table,
    which leads to the page of each and says what could not be made, and why.

    Args:
        name: which reproduction, first_passage for one; all: every one with its first experiment, and a page of all.
        experiment: which of its experiments; the first one if it is not given.
        live: train here, instead of reading recorded runs.
        full: at the paper's size; out of reach of a few cores.
        set_: NAME=VALUE, to train with another value, as batch_size=20 or learning_rates=0.4,0.1; repeat for more.
            `thermograd list reproductions` shows what can be set.
        out: folder of the page; reproduced/NAME-EXPERIMENT if it is not given, and what was set. For all: reproduced, with the page of each
            in a folder NAME-EXPERIMENT below it.
        json: print the table as one JSON object instead.

    Returns:
        The exit code: 1 if a row is outside its interval, or one of all could not be made.

    Raises:
        ConfigError: no such reproduction or experiment, it does not know an option, or nothing can be written where the
            page should go.
    """
    changed = _changes(set_)
    check_output_folder(out or Path("reproduced"))
    if name == "all":
        if changed:
            message = "--set is for one reproduction, not for all of them"
            raise ConfigError(message)
        return _all(experiment, live=live, full=full, out=out or Path("reproduced"), as_json=json)
    made = _stages(name, experiment, live=live, full=full, out=out, changes=changed)
    found, page = deque(made, maxlen=1).pop()
    if json:
        terminal.result_json(found.content())
        terminal.say(str(page))
    else:
        _show(found)
        if not full:
            _say_what_decides(found, name, experiment)
        terminal.result(str(page))
    return INCOMPLETE if found.contradicted else DONE


def _say_what_decides(found: Reproduction, name: str, experiment: str | None) -> None:
    """How to go on where the size at which it was made decides no row at all."""
    from thermograd.reproductions.catalogue import available  # here, so that --help needs no torch

    experiments = available()[name]
    entry = experiments[experiment or next(iter(experiments))]
    if "full" in entry.options and found.rows and all(row.verdict.holds is None for row in found.rows):
        others = ", or a longer training by --set epochs=..." if "epochs" in entry.settable else ""
        terminal.say(
            f"no row can be decided at this size: --full is the paper's, hours to days of a few cores{others}"
        )


def _changes(given: tuple[str, ...]) -> dict[str, str]:
    """Name to value of what was set."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not (name and equals and value):
            message = f"--set {text}: write NAME=VALUE, as batch_size=20"
            raise ConfigError(message)
        if name in found:
            message = f"--set {name} was given twice: {found[name]} and {value}"
            raise ConfigError(message)
        found[name] = value
    return found


def _all(experiment: str | None, *, live: bool, full: bool, out: Path, as_json: bool) -> int:
    """Every reproduction, one after another; what one cannot do without is said, and the others go on."""
    from thermograd.reproductions.page import write_overview  # here, so that --help needs no torch

    if experiment is not None or live:
        message = (
            "--experiment and --live are for one reproduction; of all of them the first experiment is made"
        )
        raise ConfigError(message)
    commands = [_command("all", None, live=False, full=full, out=out)]
    overview = _to_come(out, full=full)
    page = write_overview(overview, out, commands)
    terminal.say(f"{page} grows with every reproduction")
    for place, part in enumerate(overview.parts):
        made = _stages(part.name, part.experiment, live=False, full=part.full, out=out / part.folder)
        try:
            for found, _ in made:
                overview = overview.updated(place, found=found)
                write_overview(overview, out, commands)
        except ThermogradError as error:
            terminal.complain(f"{part.name}: {error}")
            overview = overview.updated(place, missing=str(error))
            write_overview(overview, out, commands)
        else:
            if not as_json:
                _show(found)
            terminal.say(str(out / part.folder / page.name))
    if as_json:
        terminal.result_json(overview.content())
        terminal.say(str(page))
    else:
        terminal.result(overview.conclusion().text)
        terminal.result(str(page))
    return DONE if overview.flawless else INCOMPLETE


def _to_come(out: Path, *, full: bool) -> Overview:
    """The first experiment of every reproduction, none of them made."""
    from thermograd.reproductions.catalogue import available, subject  # here, so that --help needs no torch
    from thermograd.reproductions.overview import Overview, Part

    parts = []
    for name, experiments in available().items():
        (first, entry), *others = experiments.items()
        wanted = full and "full" in entry.options
        if full and not wanted:
            terminal.say(f"{name} has no other size: --full changes nothing there")
        command = _command(name, first, live=False, full=wanted, out=out / f"{name}-{first}")
        more = [
            f"# {kept.summary}\nthermograd reproduce {name} --experiment {other}" for other, kept in others
        ]
        parts.append(Part(name, first, subject(name), full=wanted, commands=(command, *more)))
    return Overview(tuple(parts))


def _stages(
    name: str,
    experiment: str | None,
    *,
    live: bool,
    full: bool,
    out: Path | None,
    changes: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[Reproduction, Path]]:
    """A reproduction and its page, which is written stage by stage."""
    from thermograd.reproductions.catalogue import stages  # here, so that --help needs no torch
    from thermograd.reproductions.page import write_reproduction
    from thermograd.reproductions.reproduction import Settings

    settings = Settings(live=live, full=full, changes=changes, say=terminal.say)
    set_to = ["=".join(change) for change in changes.items()]
    for found in stages(name, experiment, settings):
        folder = out or Path("reproduced") / "-".join((found.name, found.experiment, *set_to))
        command = _command(name, experiment, live=live, full=full, out=folder, set_to=set_to)
        yield found, write_reproduction(found, folder, [command])


def _command(
    name: str, experiment: str | None, *, live: bool, full: bool, out: Path, set_to: Sequence[str] = ()
) -> str:
    words = ["thermograd", "reproduce", name]
    words += ["--experiment", experiment] if experiment else []
    words += [f"--{option}" for option, given in (("live", live), ("full", full)) if given]
    words += [word for change in set_to for word in ("--set", change)]
    return shlex.join([*words, "--out", str(out)])


def _show(found: Reproduction) -> None:
    terminal.result(table_text(found, max(_NARROWEST, shutil.get_terminal_size((140, 24)).columns)))
    terminal.result(found.conclusion().text)


def table_text(found: Reproduction, width: int) -> str:
    """The table for a terminal: four columns, cells wrapped, a line between rows.

    Args:
        found: the reproduction.
        width: of the terminal, in characters.

    Returns:
        Several lines.
    """
    widths = [int(share * (width - 9)) for share in _WIDTHS]
    rule = "-+-".join("-" * column for column in widths)
    lines = []
    for cells in [tuple(found.columns()), *(row.cells(found.wording) for row in found.rows)]:
        wrapped = [textwrap.wrap(cell, column) or [""] for cell, column in zip(cells, widths, strict=True)]
        for place in range(max(map(len, wrapped))):
            parts = [part[place] if place < len(part) else "" for part in wrapped]
            padded = [part.ljust(column) for part, column in zip(parts, widths, strict=True)]
            lines.append(" | ".join(padded).rstrip())
        lines.append(rule)
    return "\n".join(lines)
