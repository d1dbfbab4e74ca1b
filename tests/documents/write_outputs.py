"""Plays the tutorials and writes what they print under their blocks: `make tutorials`.

A `toml` block that begins with `# NAME` is written to that file, a `bash` block is handed to the command line in this process, line
by line. A `text` block shows what the block before it printed, wrapped; from a line `...` on, lines are left out. What commands
print need not be shown.
`test_outputs.py` fails where the words of a page are not what this writes.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thermograd.cli import main

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = ("would_a_restart_help.md", "watch_decide_perturb_sample.md", "theory_beside_simulation.md")
_PIECE = re.compile(
    r"^```(python|toml|bash)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
_WIDTH = 82
_MORE = "..."


def played(text: str, names: dict[str, Any] | None = None) -> Iterator[tuple[str, str | None, str]]:
    """Every block of a page as it stands there, what is shown under it, and what it printed here.

    Args:
        text: of the page; files are written to the present folder.
        names: what the Python blocks leave behind.
    """
    names = {} if names is None else names
    for piece in _PIECE.finditer(text):
        language, code, shown = piece.groups()
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            _play(language, code, names)
        yield piece[0], shown, out.getvalue()


def _play(language: str, code: str, names: dict[str, Any]) -> None:
    if language == "python":
        exec(compile(code, "page", "exec"), names)
    elif language == "toml":
        Path(code.partition("\n")[0].removeprefix("# ")).write_text(code, "utf-8")
    else:
        for line in code.splitlines():
            program, *words = shlex.split(line, comments=True)
            assert program == "thermograd", line
            assert main([*words, "--quiet"]) == 0, line


def wrapped(printed: str, shown: str | None) -> str:
    """What is to stand under a block: long lines wrapped, and as many lines as now where some are left out."""
    lines = printed.strip("\n").split("\n")
    if shown is not None and shown.endswith(f"\n{_MORE}\n"):
        lines = [*lines[: shown.count("\n") - 1], _MORE]
    return "\n".join(_folded(line) for line in lines) + "\n"


def _folded(line: str) -> str:
    indent = re.match(r" *", line)[0]  # type: ignore[index]  # always matches
    deeper = indent + "  " if len(indent) else ""
    return "\n".join(
        textwrap.wrap(line, _WIDTH, subsequent_indent=deeper, break_long_words=False, break_on_hyphens=False)
    )


def page(text: str) -> str:
    """The page with what its blocks print."""
    for piece, shown, printed in played(text):
        block = piece.partition("\n\n```text\n")[0].rstrip("\n") + "\n"
        told = printed.strip() and (shown is not None or piece.startswith("```python"))
        output = f"\n```text\n{wrapped(printed, shown)}```\n" if told else ""
        text = text.replace(piece, block + output, 1)
    return text


def _write() -> None:
    for name in PAGES:
        file = FOLDER / name
        with tempfile.TemporaryDirectory() as folder:
            before = Path.cwd()
            os.chdir(folder)
            try:
                new = page(file.read_text("utf-8"))
            finally:
                os.chdir(before)
        file.write_text(new, "utf-8")


if __name__ == "__main__":
    _write()
