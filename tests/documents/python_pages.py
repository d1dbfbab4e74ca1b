"""The pages of docs/reference/python: every public name with its signature, what it is, and an example that runs."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from docstring_parts import Parts, parts_of
from python_names import PLUGINS, Entry, Page, constants, entries, imported, is_plugin, members
from python_names import pages as planned

from thermograd.ensemble.plugin_fields import default_of

Table = Callable[[Iterable[str], Iterable[Iterable[str]]], str]

_WIDTH = 92
_EMPHASIS = re.compile(r"((?<![\w)\]*])\*(?=\w)[^*]*[^*\s]\*(?![\w*]))")
_SPAN = re.compile(r"(`+[^`]+`+)")


def python_pages(table: Table, made: str) -> dict[str, str]:
    """Texts by the name of the file below docs/reference.

    Args:
        table: makes a table of Markdown.
        made: the sentence that says how the page came about.
    """
    found = {"python/index.md": _index(table, made)}
    for file, page in planned().items():
        found[f"python/{file}"] = _page(file, page, table, made)
    return found


def _index(table: Table, made: str) -> str:
    doors = [(door, entry) for entry in entries() for door in entry.doors]
    parts = [
        "# Python API",
        f"{made}\nWhat can be imported, one line each. `import thermograd as tg` costs nothing; a name is loaded when it is used. "
        "Examples run as they stand in the file that defines the name, where `np` is numpy.",
        "## On `tg.`",
        table(
            ("name", "is"),
            [
                (f"[`{door}`]({entry.link})", _line(entry))
                for door, entry in sorted(doors, key=lambda pair: pair[0].lower())
            ],
        ),
    ]
    for file, page in planned().items():
        rows = [
            (f"[`{entry.name}`]({entry.link})", f"`{entry.module}`", _line(entry))
            for entry in entries()
            if entry.page == file
        ]
        parts += [f"## [{page.title}]({file})", page.lead, table(("name", "from", "is"), rows)]
    return "\n\n".join(parts) + "\n"


def _page(file: str, page: Page, table: Table, made: str) -> str:
    parts = [f"# {page.title}", made.strip(), page.lead]
    seen: set[str] = set()
    for module in page.sections:
        here = [
            entry for entry in entries() if entry.page == file and entry.module == module and not entry.by
        ]
        if not here:
            continue
        parts.append(f"## {module}")
        if module == "thermograd":
            parts.append("`import thermograd as tg`, and what follows is on `tg.`")
        elif module not in PLUGINS:
            parts += [_prose(text) for text in parts_of(imported(module).__doc__ or "").paragraphs]
            parts += [f"`{name}` = `{value!r}`" for name, value in constants(module).items()]
        seen.add(module)
        for entry in here:
            parts += _entry(entry, seen, table)
    others = [entry for entry in entries() if entry.page == file and entry.by]
    if others:
        parts.append("## What these return")
    for entry in others:
        parts += _entry(entry, seen, table)
    return "\n\n".join(part for part in parts if part) + "\n"


def _entry(entry: Entry, seen: set[str], table: Table) -> list[str]:
    told = parts_of(entry.thing)
    parts = [f"### {entry.title}"]
    where = f"From `{entry.module}`; returned by `{entry.by}`." if entry.by else ""
    if not entry.by and entry.doors and entry.module != "thermograd":
        where = f"Also `{entry.doors[0]}`."
    parts += [_signature(entry, told), where, _line(entry) if is_plugin(entry.thing) else ""]
    parts += [_prose(text) for text in told.paragraphs]
    parts += [_fields(entry.thing, told, table), _arguments(told, table)]
    parts += [_returned(entry.thing, told), _raises(told), _members(entry.thing, table)]
    parts += [_example(example) for example in told.examples]
    parts.append(_source(entry, seen))
    return parts


def _line(entry: Entry) -> str:
    """One sentence: of a plug-in in words, for its own first line is often a formula."""
    thing = sys.modules[entry.thing.__module__].__doc__ if is_plugin(entry.thing) else entry.thing
    return _prose(parts_of(thing or "").first)


def _source(entry: Entry, seen: set[str]) -> str:
    """What the file says in which a name is defined: often the paper, and what all its parts share."""
    module = entry.thing.__module__
    text = parts_of(getattr(sys.modules.get(module), "__doc__", None) or "").paragraphs
    if module in seen or len(text) < 2 or module == "thermograd.quantities":
        return ""
    seen.add(module)
    return "\n\n".join(_prose(part) for part in text[1:])


def _signature(entry: Entry, told: Parts) -> str:
    """As it is called, one argument a line where it is long; a dataclass has a table of fields instead."""
    thing = entry.thing
    if inspect.isclass(thing) and (_fields_of(thing) or not told.documented("Args")):
        return ""
    signature = inspect.signature(thing)
    name = entry.name
    shown = [
        parameter.replace(annotation=_unquoted(parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    returns = "" if inspect.isclass(thing) else f" -> {signature.return_annotation}"
    words = _words(shown)
    text = f"{name}({', '.join(words)}){returns}"
    if len(text) > _WIDTH:
        text = f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){returns}"
    return f"```py\n{text}\n```"


def _words(shown: list[inspect.Parameter], *, types: bool = True) -> list[str]:
    words: list[str] = []
    for place, parameter in enumerate(shown):
        kind, before = parameter.kind, shown[place - 1].kind if place else None
        if kind is parameter.KEYWORD_ONLY and before not in {kind, parameter.VAR_POSITIONAL}:
            words.append("*")
        if before is parameter.POSITIONAL_ONLY and kind is not before:
            words.append("/")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(kind, "")
        typed = f": {parameter.annotation}" if types and parameter.annotation is not parameter.empty else ""
        default = ""
        if parameter.default is not parameter.empty:
            equals = " = " if typed else "="
            default = equals + _value(parameter.default)
        words.append(star + parameter.name + typed + default)
    return words


def _unquoted(annotation: Any) -> Any:
    return (
        annotation
        if isinstance(annotation, str) or annotation is inspect.Parameter.empty
        else str(annotation)
    )


def _value(default: Any) -> str:
    if inspect.isfunction(default) or inspect.isclass(default):
        return str(default.__name__)
    text = (
        f'"{default}"'
        if isinstance(default, str) and default.isprintable() and '"' not in default
        else repr(default)
    )
    return "..." if "<" in text or "slice(" in text or " at 0x" in text or len(text) > 60 else text


def _fields_of(thing: Any) -> list[dataclasses.Field[Any]]:
    return (
        [one for one in dataclasses.fields(thing) if one.name[0] != "_"]
        if dataclasses.is_dataclass(thing)
        else []
    )


def _fields(thing: Any, told: Parts, table: Table) -> str:
    """Fields of a dataclass; of another class what it says it has."""
    meanings = told.documented("Attributes")
    rows = [
        (f"`{one.name}`", f"`{one.type}{_default(one)}`", _prose(meanings.pop(one.name, "")))
        for one in _fields_of(thing)
    ]
    if rows:
        return table(("field", "type and default", "meaning"), rows)
    others = [(f"`{name}`", _prose(text)) for name, text in meanings.items()]
    return table(("attribute", "meaning"), others) if others else ""


def _default(one: dataclasses.Field[Any]) -> str:
    value = default_of(one)
    return "" if value is dataclasses.MISSING or not one.init else f" = {_value(value)}"


def _arguments(told: Parts, table: Table) -> str:
    rows = [(f"`{name}`", _prose(text)) for name, text in told.documented("Args").items()]
    return table(("argument", "meaning"), rows) if rows else ""


def _returned(thing: Any, told: Parts) -> str:
    """Without a section of its own the first sentence says what is returned."""
    if inspect.isclass(thing):
        return ""
    text = told.sections.get("Returns") or told.sections.get("Yields", "")
    annotation = inspect.signature(thing).return_annotation
    return f"**Returns** {_annotated(annotation)}" + (f": {_prose(text)}" if text else ".")


def _annotated(annotation: Any) -> str:
    return " or ".join(_linked(f"`{part}`") for part in str(annotation).split(" | "))


def _raises(told: Parts) -> str:
    lines = [f"- {_linked(f'`{name}`')}: {_prose(text)}" for name, text in told.documented("Raises").items()]
    return "**Raises**\n\n" + "\n".join(lines) if lines else ""


def _members(thing: Any, table: Table) -> str:
    rows = []
    for name, member in members(thing):
        told = parts_of(member)
        function = getattr(member, "__func__", member)
        call = ""
        if callable(function):
            own = [
                one
                for one in inspect.signature(function).parameters.values()
                if one.name not in {"self", "cls"}
            ]
            call = f"({', '.join(_words(own, types=False))})"
        lines = [_prose(" ".join(text.split())) for text in told.paragraphs]
        lines += [f"`{one}`: {_prose(text)}" for one, text in told.documented("Args").items()]
        returned = told.sections.get("Returns", "")
        lines += [f"Returns: {_prose(' '.join(returned.split()))}"] if returned else []
        lines += [
            f"Raises {_linked(f'`{one}`')}: {_prose(text)}" for one, text in told.documented("Raises").items()
        ]
        rows.append((f"`{name}{call}`", "<br>".join(lines)))
    return table(("member", "is"), rows) if rows else ""


def _example(text: str) -> str:
    """As it is tested, or the sentence before it."""
    if not text.startswith(">>>"):
        return _prose(text)
    shown = re.sub(r"\s*# doctest: \+\w+$", "", text, flags=re.MULTILINE)
    return f"```pycon\n{shown}\n```"


def _prose(text: str) -> str:
    """Text of a docstring as Markdown: mathematics is not markup, and names of classes lead to their places."""
    parts = _SPAN.split(text)
    return "".join(_linked(part) if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _escaped(text: str) -> str:
    """Stars that do not stand around words are mathematics.

    >>> _escaped("L(w*) < |w - w*| is *not* 2**3")
    'L(w\\\\*) < |w - w\\\\*| is *not* 2\\\\*\\\\*3'
    """
    text = re.sub(r"<(?=[\w/!])", "&lt;", text).replace("](", "]\\(")
    parts = _EMPHASIS.split(text)
    return "".join(part if place % 2 else part.replace("*", "\\*") for place, part in enumerate(parts))


def _linked(span: str) -> str:
    target = _targets().get(span.strip("`"))
    return f"[{span}]({target})" if target else span


@cache
def _targets() -> Mapping[str, str]:
    """Classes and doors by how a docstring calls them; a function's name is too often that of an argument."""
    found: dict[str, list[str]] = {}
    for entry in entries():
        names = (
            [entry.name] if inspect.isclass(entry.thing) and entry.name != "Figure" else []
        )  # plotly has one
        names += [f"thermograd.{door.removeprefix('tg.')}" for door in entry.doors] + entry.doors
        names.append(f"{entry.module}.{entry.name}")
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(entry.link)
    return {name: links[0] for name, links in found.items() if len(links) == 1}
