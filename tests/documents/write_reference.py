"""Writes docs/reference from the code itself, and stubs for type checkers: `make reference`, that is this file run.

The command line from the signatures and docstrings of its verbs, exit codes from the errors, config keys and plug-ins
from the dataclasses. `test_reference.py` fails where a page on disk is not what this writes.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from docstring_parts import parts_of
from package_stubs import PACKAGE, stubs
from python_pages import python_pages

from thermograd import errors
from thermograd.cli.application import VERBS
from thermograd.cli.exit_codes import MEANINGS
from thermograd.discover import available
from thermograd.ensemble.executors.choice import executor_kinds
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.plugin_fields import ROLES, default_of, kinds, times_kinds
from thermograd.store.options import StoreOptions

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
_MADE = "Made from the code by `make reference`.\n"
_REPEATED = {"option"}


def pages() -> dict[str, str]:
    """The text of every page by the name of its file."""
    return {
        "command_line.md": command_line(),
        "exit_codes.md": exit_codes(),
        "config.md": config(),
        "plugins.md": plugins(),
        **python_pages(table, _MADE),
    }


def command_line() -> str:
    parts = [
        "# Command line",
        f"{_MADE}\nResults go to stdout, the last line being the path where there is one; all else to stderr. Everywhere:",
    ]
    parts.append(
        table(
            ("option", "does"),
            [
                ("`--help`", "what the verb does, and its options"),
                ("`--version`", "of thermograd"),
                ("`--quiet`", "results and errors only"),
                ("`--traceback`", "where an error came from, instead of one line"),
            ],
        )
    )
    parts.append(
        "The variable `NO_COLOR` is obeyed. `python -m thermograd` is the same. What a verb ends with: [exit codes](exit_codes.md)."
    )
    for verb, (target, summary) in VERBS.items():
        module, _, name = target.partition(":")
        function = getattr(importlib.import_module(module), name)
        told = parts_of(function)
        parts += [
            f"## thermograd {verb}",
            f"```bash\n{_usage(verb, function)}\n```",
            told.first or summary,
            *told.paragraphs[1:],
        ]
        meanings = told.documented("Args")
        rows = [(f"`{_shown(entry)}`", meanings.get(entry.name, "")) for entry in _parameters(function)]
        parts.append(table(("argument", "meaning"), rows) if rows else "")
    return _joined(parts)


def exit_codes() -> str:
    known = [
        thing
        for thing in vars(errors).values()
        if inspect.isclass(thing)
        and issubclass(thing, errors.ThermogradError)
        and thing is not errors.ThermogradError
    ]
    rows = []
    for code, meaning in MEANINGS.items():
        names = ", ".join(f"`{thing.__name__}`" for thing in known if thing.exit_code == code)
        rows.append((str(code), meaning, names))
    told = [
        (f"`{thing.__name__}`", str(thing.exit_code), _builtins(thing), parts_of(thing).first)
        for thing in known
    ]
    return _joined(
        [
            "# Exit codes and errors",
            _MADE,
            table(("code", "meaning", "errors"), rows),
            "## Errors",
            "All derive from `thermograd.errors.ThermogradError` and carry `exit_code`.",
            table(("error", "code", "is also a", "means"), told),
        ]
    )


def config() -> str:
    told = parts_of(Experiment).documented("Attributes")
    rows = [("`name`", "text", '`""`', "of the run, and of its default directory")]
    rows += [
        (f"`{entry.name}`", _config_type(entry), _default(entry), told.get(entry.name, ""))
        for entry in dataclasses.fields(Experiment)
        if entry.init
    ]
    rows += [
        ("`store`", "table", "", "how files are written"),
        ("`executor`", "table", '`"inline"`', "who trains the blocks"),
    ]
    return _joined(
        [
            "# Config keys",
            f"{_MADE}\n`thermograd list schema` prints the same as JSON Schema for editors. A string is short for a table with only "
            'a `kind`; every key can be changed on the command line, `--dynamics.learning_rate 0.02`; `"none"` unsets what has '
            "another default.",
            table(("key", "type", "default", "meaning"), rows),
            "## Times",
            "What `perturb`, `save_weights` and the `at` of an observable may be.",
            *_kinds({**times_kinds(recording=True), **times_kinds(recording=False)}),
            "## store",
            fields_table(StoreOptions),
            "## executor",
            *_kinds(executor_kinds()),
            "What else may stand in a table with a `kind`: [plug-ins](plugins.md).",
        ]
    )


def plugins() -> str:
    parts = [
        "# Plug-ins",
        f"{_MADE}\nWhat `kind` may be, with the fields of each. In Python `from thermograd.dynamics import SGD`.",
    ]
    for role, package in ROLES.items():
        known = kinds(role)
        others = sorted(set(available(f"thermograd.{package}")) - set(known) - {"problem"})
        parts += [f"## {role}", f"In `thermograd.{package}`.", *_kinds(known)]
        if others:
            parts.append(f"Python only, as they need objects: {', '.join(f'`{kind}`' for kind in others)}.")
    return _joined(parts)


def _kinds(known: Mapping[str, Any]) -> Iterable[str]:
    for kind, plugin in known.items():
        yield f"### {kind}"
        yield f"`{plugin.__name__}`: {parts_of(plugin).first}"
        yield fields_table(plugin)


def fields_table(plugin: type) -> str:
    told = parts_of(plugin).documented("Attributes")
    rows = [
        (f"`{entry.name}`", f"`{entry.type}`", _default(entry), told.get(entry.name, ""))
        for entry in dataclasses.fields(plugin)
        if entry.init
    ]
    return table(("field", "type", "default", "meaning"), rows) if rows else "No fields."


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars inside cells are escaped, for which code has to be written as HTML.

    >>> print(table(("a", "b"), [("x|y", "`str | None`")]))
    | a | b |
    |---|---|
    | x\\|y | <code>str &#124; None</code> |
    """
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    cells = [[_without_bars(" ".join(cell.split())) for cell in line] for line in lines]
    return "\n".join(
        "|" + "|".join(line) + "|" if place == 1 else "| " + " | ".join(line) + " |"
        for place, line in enumerate(cells)
    )


def _without_bars(cell: str) -> str:
    spans = re.compile(r"`([^`]*\|[^`]*)`")
    code = spans.sub(lambda found: f"<code>{html.escape(found[1], quote=False)}</code>", cell)
    parts = re.split(r"(<code>.*?</code>)", code)
    return "".join(part.replace("|", "&#124;" if place % 2 else "\\|") for place, part in enumerate(parts))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _shown(entry: inspect.Parameter) -> str:
    """How an argument is written: capitals where it stands, an option where it is named."""
    name = entry.name.strip("_").replace("_", "-")
    if entry.kind is entry.KEYWORD_ONLY:
        annotation = str(entry.annotation)
        flag = "bool" in annotation
        many = "tuple[str" in annotation
        optional = "consume_multiple=(0, 1)" in annotation
        value = "" if flag else f" [{_value(annotation)}]" if optional else f" {_value(annotation)}"
        return f"--{name}{value}" + (" ..." if many else "")
    if entry.name in _REPEATED:
        return "--OPTION VALUE ..."
    several = entry.kind is entry.VAR_POSITIONAL or "tuple" in str(entry.annotation)
    return name.upper() + (" ..." if several else "")


def _value(annotation: str) -> str:
    choices = re.search(r"Literal\[([^]]*)\]", annotation)
    if choices:
        number = ["NUMBER"] if "float" in annotation else []
        return "|".join(number + [part.strip(" '\"") for part in choices[1].split(",")])
    words = {"Path": "PATH", "int": "N", "float": "NUMBER"}
    return next((word for kind, word in words.items() if kind in annotation), "TEXT")


def _usage(verb: str, function: Callable[..., Any]) -> str:
    parts = [f"thermograd {verb}"]
    for entry in sorted(_parameters(function), key=lambda entry: entry.kind is entry.KEYWORD_ONLY):
        needed = entry.default is entry.empty and entry.kind is not entry.VAR_POSITIONAL
        needed = needed or (entry.kind is entry.VAR_POSITIONAL and entry.name not in _REPEATED)
        parts.append(_shown(entry) if needed else f"[{_shown(entry)}]")
    if verb in {"run", "sample"}:
        parts.append("[--KEY.PATH VALUE ...]")
    return " ".join(parts)


def _config_type(entry: dataclasses.Field[Any]) -> str:
    if entry.name in ROLES:
        return f"[{entry.name}](plugins.md#{entry.name})" + (", a list" if entry.name == "observe" else "")
    if entry.name in {"perturb", "save_weights"}:
        return "[times](#times)"
    words = [part for part in ("int", "float", "str", "bool") if part in str(entry.type)]
    return "`" + "` or `".join(words) + "`"


def _default(entry: dataclasses.Field[Any]) -> str:
    default = default_of(entry)
    if default is dataclasses.MISSING:
        return "must be given"
    return "" if default is None else f"`{default!r}`"


def _builtins(thing: type) -> str:
    own = [
        base
        for base in thing.__mro__[1:]
        if base.__module__ == "builtins" and base not in {Exception, BaseException, object}
    ]
    return f"`{own[0].__name__}`" if own else ""


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


if __name__ == "__main__":
    (FOLDER / "python").mkdir(parents=True, exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
    for file, text in stubs().items():
        (PACKAGE / file).write_text(text, encoding="utf-8")
