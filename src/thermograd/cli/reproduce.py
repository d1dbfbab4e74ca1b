"""`thermograd reproduce`: a paper's numbers beside ours."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE, INCOMPLETE
from thermograd.errors import ConfigError, ThermogradError

if TYPE_CHECKING:
    from thermograd.reproductions.reproduction import Reproduction

_WIDTHS = (0.24, 0.12, 0.24, 0.40)
_NARROWEST = 100


def reproduce(
    name: str,
    /,
    *,
    experiment: str | None = None,
    live: Annotated[bool, Parameter(negative=())] = False,
    full: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Put a paper's numbers beside ours: paper | ours | verdict, as a table and as a page with the figures.

    The page, DIR/report.html, and the table for programs, DIR/table.json, are written stage by stage. The last
    line on stdout is the page. Recorded runs are read from the folder that THERMOGRAD_DATA names.
    `thermograd list reproductions` shows what there is.

    Args:
        name: which reproduction, first_passage for one; all: every one, each with its first experiment.
        experiment: which of its experiments; the first one if it is not given.
        live: train here, instead of reading recorded runs.
        full: at the paper's size; out of reach of a few cores.
        out: folder of the page, of all of them the folder of these; reproduced/NAME-EXPERIMENT if it is not given.
        json: print the table as one JSON object instead.

    Returns:
        The exit code: 1 if a row is outside its interval, or one of all could not be made.

    Raises:
        ConfigError: no such reproduction or experiment, or it does not know an option.
    """
    if name == "all":
        return _all(experiment, live=live, full=full, out=out or Path("reproduced"), as_json=json)
    found, page = _made(name, experiment, live=live, full=full, out=out)
    if json:
        terminal.result_json(found.content())
        terminal.say(str(page))
    else:
        _show(found)
        terminal.result(str(page))
    return INCOMPLETE if found.contradicted else DONE


def _all(experiment: str | None, *, live: bool, full: bool, out: Path, as_json: bool) -> int:
    """Every reproduction, one after another; what one cannot do without is said, and the others go on."""
    from thermograd.reproductions.catalogue import available  # here, so that --help needs no torch

    if experiment is not None or live:
        message = (
            "--experiment and --live are for one reproduction; of all of them the first experiment is made"
        )
        raise ConfigError(message)
    made, missing = [], False
    for name, experiments in available().items():
        first, entry = next(iter(experiments.items()))
        if full and "full" not in entry.options:
            terminal.say(f"{name} has no other size: --full changes nothing there")
        wanted = full and "full" in entry.options
        try:
            found, page = _made(name, first, live=False, full=wanted, out=out / f"{name}-{first}")
        except ThermogradError as error:
            terminal.complain(f"{name}: {error}")
            missing = True
            continue
        made.append(found)
        if not as_json:
            _show(found)
        terminal.say(str(page))
    if as_json:
        terminal.result_json({"reproductions": [found.content() for found in made]})
        terminal.say(str(out))
    else:
        terminal.result(str(out))
    return INCOMPLETE if missing or any(found.contradicted for found in made) else DONE


def _made(
    name: str, experiment: str | None, *, live: bool, full: bool, out: Path | None
) -> tuple[Reproduction, Path]:
    """A reproduction and its page, which is written stage by stage."""
    from thermograd.reproductions.catalogue import stages  # here, so that --help needs no torch
    from thermograd.reproductions.page import write_reproduction
    from thermograd.reproductions.reproduction import Settings

    command = ["thermograd", "reproduce", name]
    command += ["--experiment", experiment] if experiment else []
    command += [f"--{option}" for option, given in (("live", live), ("full", full)) if given]
    found, page = None, None
    for found in stages(name, experiment, Settings(live=live, full=full, say=terminal.say)):
        folder = out or Path("reproduced") / f"{found.name}-{found.experiment}"
        page = write_reproduction(found, folder, [shlex.join([*command, "--out", str(folder)])])
    assert found is not None  # a reproduction has at least one stage
    assert page is not None
    return found, page


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
