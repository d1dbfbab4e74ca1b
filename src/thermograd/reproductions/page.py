"""A reproduction on disk, and all of them: a page with tables and figures, and the tables for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from thermograd.quantities import Verdict
from thermograd.report.chapter import Chapter
from thermograd.report.page import FILE, write_page
from thermograd.reproductions.overview import Overview, Part
from thermograd.reproductions.reproduction import Reproduction
from thermograd.store.atomic_file import write_atomically

TABLE = "table.json"


def write_reproduction(found: Reproduction, folder: Path, commands: Sequence[str] = ()) -> Path:
    """Write the page and the table, each atomically: a reader sees the stage before or this one.

    Args:
        found: the reproduction, complete or not.
        folder: where; made if it does not exist.
        commands: command lines that give it again.

    Returns:
        The page, `folder/report.html`; the table is `folder/table.json`.

    Raises:
        MissingExtraError: plotly is not installed.
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(found.content(), folder)
    return write_page(
        folder / FILE,
        title=found.title if found.complete else f"{found.title} (still under way)",
        verdicts=[found.conclusion()],
        table=found.columns(),
        facts=found.facts,
        figures=found.figures,
        commands=commands,
    )


def write_overview(overview: Overview, folder: Path, commands: Sequence[str] = ()) -> Path:
    """Write the page of all reproductions with their tables, atomically; figures are on the page of each.

    Args:
        overview: what was made so far.
        folder: where; the page of each lies in a folder of its own below, `NAME-EXPERIMENT`.
        commands: command lines that give it again.

    Returns:
        The page, `folder/report.html`; the tables are `folder/table.json`.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(overview.content(), folder)
    title = "Published numbers beside ours"
    return write_page(
        folder / FILE,
        title=title if overview.complete else f"{title} (still under way)",
        verdicts=[overview.conclusion()],
        chapters=[_chapter(part) for part in overview.parts],
        commands=commands,
    )


def _chapter(part: Part) -> Chapter:
    found = part.found
    counts = {heading: str(count) if found else "–" for heading, count in part.counts().items()}
    verdicts = [found.conclusion()] if found else []
    if part.missing:
        verdicts.append(Verdict(None, "not_made", f"It could not be made. {part.missing}"))
    elif not found:
        verdicts.append(Verdict(None, "to_come", "Still to come."))
    return Chapter(
        part.folder,
        f"{part.name}: {part.subject}",
        {"reproduction": part.name, "experiment": part.experiment, **counts, "state": part.state},
        verdicts,
        found.columns() if found else {},
        _links(part, found) if found else (),
        part.commands,
    )


def _links(part: Part, found: Reproduction) -> list[tuple[str, str, str]]:
    page = f"{quote(part.folder)}/{FILE}"
    own = (page, found.title, "Its own page, with what was run.")
    return [own, *((f"{page}#{figure.stem}", figure.title, figure.conclusion) for figure in found.figures)]


def _write_table(content: dict[str, Any], folder: Path) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / TABLE, f"{text}\n".encode())
