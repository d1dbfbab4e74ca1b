"""The pages of docs/reference are what the code says today."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import inspect
import re
from pathlib import Path

import pytest
import python_names
import write_reference as reference

import thermograd
from thermograd import errors, protocols
from thermograd.discover import available

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages():
    return reference.pages()


@pytest.fixture(scope="module")
def python_pages(pages):
    return {name.removeprefix("python/"): text for name, text in pages.items() if name.startswith("python/")}


@pytest.mark.parametrize("name", ["command_line.md", "exit_codes.md", "config.md", "plugins.md"])
def test_a_page_is_up_to_date(pages, name):
    found = (reference.FOLDER / name).read_text("utf-8")
    assert found == pages[name], f"docs/reference/{name} is out of date: make reference"


def test_the_pages_of_the_python_api_are_up_to_date(python_pages):
    found = {path.name: path.read_text("utf-8") for path in (reference.FOLDER / "python").glob("*.md")}
    old = {name for name in found.keys() | python_pages.keys() if found.get(name) != python_pages.get(name)}
    assert not old, f"docs/reference/python: {sorted(old)} are out of date: make reference"


def test_every_page_is_made(pages):
    found = {str(path.relative_to(reference.FOLDER)) for path in reference.FOLDER.rglob("*.md")}
    assert found == set(pages)


def test_nothing_is_left_unsaid(pages):
    """A verb's option, a field or a code without its meaning would be an empty cell at the end of its row."""
    for name, text in pages.items():
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert rows or name in {"exit_codes.md", "python/index.md"}
        silent = [row for row in rows if row.endswith("|  |")]
        assert not silent, (name, silent)


def test_a_changed_page_is_noticed(pages):
    assert pages["config.md"] != pages["config.md"].replace("learning_rate", "rate").replace("seed", "sed")


def titles(text):
    return re.findall(r"^### (.*)$", text, re.MULTILINE)


def names_on(pages):
    return {title.partition(" ")[0] for text in pages.values() for title in titles(text)}


def exported():
    """Plug-ins, what files of analysis and advice say they export, errors, interfaces."""
    for package in python_names.PLUGINS:
        yield from (plugin.__name__ for plugin in available(package).values())
    for package in ("thermograd.estimators", "thermograd.theory", "thermograd.advisor"):
        for stem in python_names.exporting(package):
            module = importlib.import_module(f"{package}.{stem}")
            yield from (name for name in module.__all__ if callable(getattr(module, name)))
    yield from (
        name for name, thing in vars(errors).items() if inspect.isclass(thing) and name.endswith("Error")
    )
    yield from (
        name
        for name, thing in vars(protocols).items()
        if getattr(thing, "_is_protocol", False) and name != "Protocol"
    )


def imported_by_readers():
    """What the README, the pages and the examples import from us, modules and the command line aside."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts = [
        block
        for page in pages
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    texts += [path.read_text("utf-8") for path in (ROOT / "examples").rglob("*.py")]
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("thermograd"):
            package = importlib.util.find_spec(node.module).submodule_search_locations
            for name in {one.name for one in node.names} - {"main"}:
                if not package or importlib.util.find_spec(f"{node.module}.{name}") is None:
                    yield name


def test_every_public_name_of_python_is_on_a_page(python_pages):
    found = names_on(python_pages)
    wanted = {*exported(), *imported_by_readers()}
    assert len(wanted) > 150
    assert wanted <= found, sorted(wanted - found)
    doors = {f"`tg.{name}`" for name in thermograd.__all__} - {"`tg.__version__`"}
    assert doors == set(re.findall(r"^\| \[(`tg\.\w+`)\]", python_pages["index.md"], re.MULTILINE))
    assert "survival_function" not in names_on(
        {"a.md": python_pages["estimators_first_passage.md"].replace("### survival_function", "###")}
    )


def test_every_name_has_an_anchor_of_its_own(python_pages):
    """That links lead to anchors is tested of all pages together."""
    for name, text in python_pages.items():
        lower = [title.lower() for title in titles(text)]
        assert len(set(lower)) == len(lower), name


def without_directives(example):
    return re.sub(r"\s*# doctest: .*", "", example.source).strip(), example.want


def test_every_example_shown_runs_in_its_docstring(python_pages):
    """The doctests of `src` run on their own; none that is left out there is shown."""
    parser = doctest.DocTestParser()
    tested, shown = set(), set()
    for entry in python_names.entries():
        assert entry.thing.__module__.startswith("thermograd.")
        for example in parser.get_examples(inspect.getdoc(entry.thing) or ""):
            assert doctest.SKIP not in example.options, entry.name
            tested.add(without_directives(example))
    for text in python_pages.values():
        for block in re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            shown |= {without_directives(example) for example in parser.get_examples(block)}
    assert len(shown) > 300
    assert shown == tested


def test_the_pages_of_the_python_api_stay_readable(python_pages):
    assert sum(len(text.encode()) for text in python_pages.values()) < 500_000
    longest = max(
        len(line)
        for text in python_pages.values()
        for block in re.findall(r"^```py\n(.*?)^```$", text, re.M | re.S)
        for line in block.splitlines()
    )
    assert longest <= 120
