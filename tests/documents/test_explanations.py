"""The explanation pages name functions, tests, pages and symbols that exist, and say what they promise to say."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import unicodedata
from functools import cache
from pathlib import Path

import pytest

import thermograd

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = Path(thermograd.__file__).parent
EXPLANATIONS = sorted((DOCS / "explanation").glob("*.md"))
SECTIONS = [
    "What the paper claims",
    "Equation, function, test",
    "What we found wrong or unclear",
    "When it does not hold, and what the code says",
]
LABELS = ("**Published**", "**Right**", "**Evidence**", "**Code**")
TEST = re.compile(r"`((?:[a-z_]+/)+test_\w+\.py)(?:::(\w+))?`")
CODE = re.compile(r"`([^`\n]+)`")
# Greek letters, which are never anything but a symbol, with what may stand over them or after them.
GREEK = re.compile(r"[\u0391-\u03a9\u03b1-\u03c9\u2202\u2207][\u0302\u0304\u0303]?")
OTHER = re.compile(r"[A-Za-zτθ][\u0302\u0304\u0303]")

by_name = pytest.mark.parametrize("page", EXPLANATIONS, ids=lambda page: page.stem)


def read(page):
    return unicodedata.normalize("NFD", page.read_text(encoding="utf-8"))


def parts(text, level):
    """Title -> text of the sections of one level, code blocks left out."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.split(rf"^{'#' * level} (.+)$", plain, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def tables(text):
    """Rows of every table, without its first two lines."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [row for place, row in enumerate(rows) if not is_rule(row) and not is_rule(rows[place + 1 :])]


def is_rule(rows):
    """Whether this row, or the next one, is the line of dashes."""
    row = rows[0] if rows and isinstance(rows[0], list) else rows
    return bool(row) and all(re.fullmatch(r":?-+:?", cell) for cell in row if isinstance(cell, str))


def attribute(owner, name):
    fields = owner.__dataclass_fields__ if dataclasses.is_dataclass(owner) else {}
    if name in fields or name in getattr(owner, "__annotations__", {}):
        return fields.get(name, name)
    return getattr(owner, name)


def resolve(name):
    """What a name of the documents stands for: `tg.watch`, or a path below `thermograd`."""
    path = name.removeprefix("tg.").split("(")[0].split(".")
    for end in range(len(path), -1, -1):
        module = ".".join(["thermograd", *path[:end]])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and module.startswith(error.name):
                continue
            raise
        for one in path[end:]:
            found = attribute(found, one)
        return found
    raise AssertionError(name)


@cache
def functions_in(path):
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def missing_tests(text):
    return [
        f"{path}::{name}"
        for path, name in TEST.findall(text)
        if not (ROOT / "tests" / path).is_file() or (name and name not in functions_in(path))
    ]


def slug(title):
    """The anchor of a heading, as the generator of the site makes it."""
    plain = unicodedata.normalize("NFKD", title.replace("`", "")).encode("ascii", "ignore").decode()
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


@by_name
def test_every_page_has_its_four_parts(page):
    titles = list(parts(read(page), 2))
    assert [title for title in titles if title in SECTIONS] == SECTIONS


@by_name
def test_claims_are_five_sentences(page):
    claims = re.findall(r"^\d\. (.+(?:\n {3}.+)*)", parts(read(page), 2)[SECTIONS[0]], re.MULTILINE)
    assert len(claims) == 5
    for claim in claims:
        assert claim.endswith(".")


@by_name
def test_functions_of_the_table_can_be_imported_and_are_tested(page):
    rows = tables(parts(read(page), 2)[SECTIONS[1]])
    assert len(rows) >= 5
    for _, formula, functions, checked in rows:
        assert formula
        for name in CODE.findall(functions):
            resolve(name)
        assert TEST.search(checked), checked
        assert TEST.sub("", checked).replace("<br>", "").strip(), f"against what? {checked}"


@by_name
def test_named_tests_exist(page):
    assert not missing_tests(read(page))


@by_name
def test_every_finding_says_what_was_published_what_is_right_and_what_shows_it(page):
    findings = parts(parts(read(page), 2)[SECTIONS[2]], 3)
    assert len(findings) >= 3
    for title, text in findings.items():
        assert [label for label in LABELS if label not in text] == [], title
        evidence = text.split(LABELS[2])[1].split(LABELS[3])[0]
        assert TEST.search(evidence) or "`thermograd reproduce" in evidence, title
        assert re.search(r"\d", re.sub(r"`[^`]*`", "", evidence)), f"{title}: evidence without a number"


@by_name
def test_every_limit_says_what_the_code_says(page):
    rows = tables(parts(read(page), 2)[SECTIONS[3]])
    assert len(rows) >= 4
    for _, says, checked in rows:
        assert CODE.search(says), says
        assert TEST.search(checked), checked


def test_verdicts_that_are_named_are_those_of_the_code():
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    kinds = {kind for page in EXPLANATIONS for kind in re.findall(r"`Verdict` `(\w+)`", read(page))}
    assert len(kinds) > 20
    assert {kind for kind in kinds if f'"{kind}"' not in source} == set()


def where_it_occurs(page):
    return [(row[0], name) for row in tables(read(page)) for name in CODE.findall(row[-1])]


@pytest.mark.parametrize("page", ["glossary.md", "symbols.md"])
def test_dictionaries_name_what_exists(page):
    rows = tables(read(DOCS / page))
    assert len(rows) > 50
    for row in rows:
        assert len(row) == len(rows[0]), row
    for _, name in where_it_occurs(DOCS / page):
        resolve(name)


def symbols_in(text):
    return set(GREEK.findall(text)) | set(OTHER.findall(text))


def docstrings():
    """Of everything public: `(module, text)`."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                if not getattr(node, "name", "").startswith("_"):
                    yield path.relative_to(SOURCE), ast.get_docstring(node) or ""


def test_every_symbol_is_in_the_dictionary():
    known = symbols_in(" ".join(row[0] for row in tables(read(DOCS / "symbols.md"))))
    for page in EXPLANATIONS:
        assert symbols_in(read(page)) <= known, page.name
    for module, text in docstrings():
        assert symbols_in(unicodedata.normalize("NFD", text)) <= known, module


def nav(text):
    return re.findall(r"^\s+- [^:\n]+: (\S+\.md)$", text, re.MULTILINE)


def test_the_navigation_holds_every_page_and_nothing_else():
    listed = nav((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert len(set(listed)) == len(listed)
    assert set(listed) == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name
)
def test_anchors_of_links_exist(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", read(page)):
        text = read(page.parent / target if target else page)
        titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.M), re.M)
        assert anchor in {slug(title) for title in titles}, f"{target}#{anchor}"


def test_the_checks_can_fail():
    assert missing_tests("`theory/test_earthquake.py::test_of_nothing`") == [
        "theory/test_earthquake.py::test_of_nothing"
    ]
    assert missing_tests("`theory/test_earth.py`") == ["theory/test_earth.py::"]
    assert not missing_tests("`theory/test_earthquake.py::test_closed_form_of_both_times`")
    for name in (
        "theory.stationary_state.predictions",
        "tg.look",
        "theory.linear_process.StationaryState.mood",
    ):
        with pytest.raises(AttributeError):
            resolve(name)
    assert resolve("tg.watch(optimizer)") is thermograd.watch
    assert tables("| a | b |\n|---|---|\n| 1 | 2 |\n\n| c |\n|---|\n| 3 |\n") == [["1", "2"], ["3"]]
    assert symbols_in("θ and D\u0302 of Δ") == {"θ", "D\u0302", "Δ"}
    assert slug("The `state`: what, and why?") == "the-state-what-and-why"
