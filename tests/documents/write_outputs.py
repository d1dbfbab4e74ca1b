"""Plays the tutorials and writes what they print under their blocks, and under those of other pages that show nothing yet: `make tutorials`.

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from thermograd.cli import main

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = ("would_a_restart_help.md", "watch_decide_perturb_sample.md", "theory_beside_simulation.md")
_PIECE = re.compile(
    r"^```(python|toml|bash)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
_PYTHON = re.compile(r"^```python\n(.*?)^```\n(\s*^```text\n)?", re.DOTALL | re.MULTILINE)
_WIDTH = 82
_WIDE = 100
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


def _folded(line: str, width: int = _WIDTH) -> str:
    indent = re.match(r" *", line)[0]  # type: ignore[index]  # always matches
    deeper = indent + "  " if len(indent) else ""
    return "\n".join(
        textwrap.wrap(line, width, subsequent_indent=deeper, break_long_words=False, break_on_hyphens=False)
    )


def page(text: str) -> str:
    """The page with what its blocks print."""
    for piece, shown, printed in played(text):
        block = piece.partition("\n\n```text\n")[0].rstrip("\n") + "\n"
        told = printed.strip() and (shown is not None or piece.startswith("```python"))
        output = f"\n```text\n{wrapped(printed, shown)}```\n" if told else ""
        text = text.replace(piece, block + output, 1)
    return text


def filled(text: str) -> str:
    """The page where every Python block that prints shows it; what is shown already stays, `...` and all.

    >>> print(filled("```python\\nprint(1 + 1)\\n```\\n").replace("`", "'"))
    '''python
    print(1 + 1)
    '''
    <BLANKLINE>
    '''text
    2
    '''
    <BLANKLINE>
    """
    names: dict[str, Any] = {}
    parts = []
    for block in _PYTHON.finditer(text):
        code, shown = block.groups()
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            _play("python", code, names)
        printed = out.getvalue().strip("\n")
        lines = "\n".join(_folded(line, _WIDE) for line in printed.split("\n"))
        told = printed.strip() and not shown
        parts.append((block.end(), f"\n```text\n{lines}\n```\n" if told else ""))
    for end, output in reversed(parts):
        text = text[:end] + output + text[end:]
    return text


def _write(file: Path, anew: Callable[[str], str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        try:
            new = anew(file.read_text("utf-8"))
        finally:
            os.chdir(before)
    file.write_text(new, "utf-8")


def _unshown() -> Iterator[Path]:
    """The other pages with a block that prints and shows nothing."""
    for file in sorted(FOLDER.parent.rglob("*.md")):
        if file.parent not in (FOLDER, FOLDER.parent / "reference" / "python"):
            blocks = _PYTHON.findall(file.read_text("utf-8"))
            if any("print(" in code and not shown for code, shown in blocks):
                yield file


if __name__ == "__main__":
    for name in PAGES:
        _write(FOLDER / name, page)
    for file in _unshown():
        _write(file, filled)
