"""A reproduction on disk: a page with the table and the figures, and the table for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from thermograd.report.page import FILE, write_page
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
    text = json.dumps(found.content(), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / TABLE, f"{text}\n".encode())
    return write_page(
        folder / FILE,
        title=found.title if found.complete else f"{found.title} (still under way)",
        verdicts=[found.conclusion()],
        table=found.columns(),
        facts=found.facts,
        figures=found.figures,
        commands=commands,
    )
