"""What type checkers read of packages that load their names lazily: one `__init__.pyi` each, made from their files.

At run time `lazy_exports` finds a class by the name of its file; no type checker can. A name that is in no file of its
name stands in the call of `lazy_exports`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import thermograd
from thermograd.discover import snake_case

PACKAGE = Path(thermograd.__file__).parent
_MADE = "# Made by `make reference` from the files of this folder.\n"


def stubs() -> dict[str, str]:
    """The text of every stub by its path in the package."""
    made = {}
    for door in sorted(PACKAGE.rglob("__init__.py")):
        call = _lazy_exports(door)
        if call is not None:
            names = sorted({(stem, name) for name, stem in (*_classes(door.parent), *_elsewhere(call))})
            lines = [f"from .{stem} import {name} as {name}\n" for stem, name in names]
            made[door.with_suffix(".pyi").relative_to(PACKAGE).as_posix()] = _MADE + "".join(lines)
    return made


def _lazy_exports(door: Path) -> ast.Call | None:
    for node in ast.walk(ast.parse(door.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_exports":
            return node
    return None


def _classes(folder: Path) -> Iterator[tuple[str, str]]:
    """Classes in the file of their name, and the stem of the file."""
    for file in folder.glob("*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and snake_case(node.name) == file.stem:
                yield node.name, file.stem


def _elsewhere(call: ast.Call) -> Iterator[tuple[str, str]]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, ast.literal_eval(keyword.value)
