"""Sizes and habits that are kept: what grows past its budget is noticed here, and what is beyond it says why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import thermograd

SOURCE = Path(thermograd.__file__).parent
FILE, DOOR, FUNCTION = 400, 60, 60

EXCEPTIONS = {
    "__init__.py: 105 lines": "the list of lazy doors, and once more for type checkers",
}
"""What is beyond a budget, and why. One that is no longer met is taken out."""

_IGNORED = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?P<rest>.*)")
_WITH_CODE_AND_REASON = re.compile(r"(?::\s*[A-Z]+\d+|\[[a-z-]+(?:,\s*[a-z-]+)*\])\s+#\s*\S")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def findings(file: str, text: str) -> Iterator[str]:
    """What of a file is beyond its budget, one sentence each.

    Args:
        file: its path in the package.
        text: what it holds.
    """
    lines = text.splitlines()
    door = Path(file).name == "__init__.py"
    if len(lines) > (DOOR if door else FILE):
        yield f"{file}: {len(lines)} lines"
    for number, line in enumerate(lines, start=1):
        ignored = _IGNORED.search(line)
        if ignored and not _WITH_CODE_AND_REASON.match(ignored["rest"]):
            yield f"{file}: line {number} ignores a rule without its code or the reason"
    free = Path(file).parts[0] == "cli"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            if (length := length_without_docstring(node)) > FUNCTION:
                yield f"{file}: {node.name} has {length} lines"
            if not free and not door:
                yield from (f"{file}: {node.name} imports {name}" for name in own_imports(node))
        if (
            not free
            and isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ):
            yield f"{file}: line {node.lineno} prints"


def length_without_docstring(function: Function) -> int:
    """Lines from `def` to the end."""
    length = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        length -= (first.end_lineno or 0) - first.lineno + 1
    return length


def own_imports(function: Function) -> Iterator[str]:
    """Modules of the package that a function imports."""
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else ["thermograd"]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "thermograd")


def test_the_package_keeps_its_budgets():
    found = {
        finding
        for file in sorted(SOURCE.rglob("*.py"))
        for finding in findings(file.relative_to(SOURCE).as_posix(), file.read_text(encoding="utf-8"))
    }
    beyond = found - set(EXCEPTIONS)
    assert not beyond, "move an idea to a file of its own, or say why not in EXCEPTIONS:\n" + "\n".join(
        sorted(beyond)
    )
    assert not set(EXCEPTIONS) - found, "no longer needed, take out of EXCEPTIONS"


@pytest.mark.parametrize(
    ("file", "text", "finding"),
    [
        ("numerics/long.py", "x = 1\n" * 401, "numerics/long.py: 401 lines"),
        ("numerics/__init__.py", "x = 1\n" * 61, "numerics/__init__.py: 61 lines"),
        ("cli/long.py", "def f():\n" + "    x = 1\n" * 60, "cli/long.py: f has 61 lines"),
        (
            "store/a.py",
            "def f():\n    if 1:\n        import thermograd.errors\n",
            "store/a.py: f imports thermograd.errors",
        ),
        (
            "store/a.py",
            "class A:\n    def f(self):\n        from ..errors import X\n",
            "store/a.py: f imports thermograd",
        ),
        ("store/a.py", "\nprint(1)\n", "store/a.py: line 2 prints"),
        (
            "store/a.py",
            "x = 1  # noqa: E501\n",
            "store/a.py: line 1 ignores a rule without its code or the reason",
        ),
        (
            "store/a.py",
            "x = 1  # type: ignore  # why\n",
            "store/a.py: line 1 ignores a rule without its code or the reason",
        ),
    ],
)
def test_what_is_beyond_a_budget_is_found(file, text, finding):
    assert list(findings(file, text)) == [finding]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("numerics/long.py", "x = 1\n" * 400),
        ("numerics/a.py", 'def f():\n    """One.\n' + "\n    Two.\n" * 60 + '    """\n' + "    x = 1\n" * 59),
        ("cli/a.py", "def f():\n    import thermograd.errors\n    print(1)\n"),
        ("store/a.py", "def f():\n    import zarr\n"),
        ("store/a.py", "x = 1  # type: ignore[arg-type]  # two tails\n"),
        ("store/a.py", "x = 1  # noqa: E501  # a table\n"),
        (
            "perturbations/__init__.py",
            "def __getattr__(name):\n    from thermograd.errors import X\n    return X\n",
        ),
    ],
)
def test_what_is_within_them_is_not(file, text):
    assert not list(findings(file, text))
