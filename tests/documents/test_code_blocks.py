"""Every block of the README and the docs is checked: Python runs and prints what is shown, commands parse, TOML is valid."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from cyclopts.exceptions import MissingArgumentError
from shown_output import OF_A_PAGE, is_shown
from smaller_sizes import SIZES, smaller
from write_outputs import PAGES as TUTORIALS

from thermograd.cli.application import VERBS, application
from thermograd.cli.run import split_words
from thermograd.ensemble.config import parse_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The command line of docs/reference is made from the code and shows patterns, not commands.
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
FENCE = re.compile(r"^ *(?:```|~~~)([^\n]*)\n(.*?)^ *(?:```|~~~) *$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")


def fences(page):
    """`(kind, text)` of every block, however it is indented."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def of_kind(page, kind):
    return [text for found, text in fences(page) if found == kind]


def runs(text):
    """Python blocks, each with the output that is shown directly after it, if any."""
    return re.findall(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```$)?", text, re.DOTALL | re.MULTILINE)


def pages_with(kind, pages=PAGES):
    return [page for page in pages if of_kind(page, kind)]


def run_blocks(page, text, capsys, *, compare):
    namespace, everything = {}, ""
    for block, shown in runs(text):
        exec(compile(block, str(page), "exec"), namespace)
        printed = capsys.readouterr().out
        everything += printed
        assert shown or not printed.strip(), (
            f"{page.name} prints and does not show: make tutorials\n{printed}"
        )
        if compare:
            assert is_shown(shown, printed, OF_A_PAGE), f"{page.name} shows\n{shown}\nand prints\n{printed}"
    assert everything


@pytest.mark.parametrize(
    "page",
    [page for page in pages_with("python") if page.name not in TUTORIALS],  # which test_outputs.py plays
    ids=lambda page: page.name,
)
def test_code_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = smaller(page.name, page.read_text(encoding="utf-8"))
    run_blocks(page, text, capsys, compare=page.name not in SIZES)


@pytest.mark.slow  # above at smaller sizes, which print other numbers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if page.name in SIZES], ids=lambda page: page.name)
def test_code_prints_what_is_shown_at_its_own_sizes(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_blocks(page, page.read_text(encoding="utf-8"), capsys, compare=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_checked(page):
    """Python, commands and TOML stand at the margin; what is `text` shows output.

    The pages of the Python API show signatures and the examples of docstrings, which run where they come from.
    """
    made = {"py", "pycon"} if page.parent.name == "python" else set()
    assert {kind for kind, _ in fences(page)} <= {"python", "bash", "toml", "text"} | made
    indented = re.findall(r"^ +(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert indented == []


def other_code(page):
    """Python for other libraries, which stands as `text` since it cannot run here."""
    return [text for text in of_kind(page, "text") if text.startswith(("from ", "import "))]


@pytest.mark.parametrize("page", [page for page in PAGES if other_code(page)], ids=lambda page: page.name)
def test_code_for_other_libraries_is_python_and_names_modules_of_ours(page):
    for text in other_code(page):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("thermograd"):
                assert importlib.util.find_spec(node.module)


@pytest.mark.parametrize("page", pages_with("toml"), ids=lambda page: page.name)
def test_tables_are_valid(page):
    for block in of_kind(page, "toml"):
        found = tomllib.loads(block)
        if set(found) == {"executor"}:
            parse_config(f"problem = 'quadratic'\nsteps = 1\n{block}", page.name)


def commands(page):
    """Words of every line of a block that calls thermograd, and of every such name in the text."""
    lines = "\n".join(of_kind(page, "bash")).replace("\\\n", " ").splitlines()
    plain = FENCE.sub("", page.read_text(encoding="utf-8"))
    for whole, found in ((True, lines), (False, SPAN.findall(plain))):
        for line in found:
            if line.startswith("thermograd "):
                yield whole, shlex.split(line.split(" #")[0])[1:]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_commands_parse(page):
    """Verbs, options and types; a command that is named in a sentence may leave its arguments out."""
    app = application()
    for whole, words in commands(page):
        assert words[0] in VERBS, words
        try:
            _, bound, *_ = app.parse_args(words, exit_on_error=False, print_error=False)
            if words[0] in {"run", "sample"}:  # they take any --KEY of a config
                split_words(bound.args)
        except MissingArgumentError:
            assert not whole, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))  # in code, `models[0](inputs)` is no link
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
        assert (page.parent / target).exists(), target


def test_the_checks_can_fail(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nassert False\n```\n```text\n2.0 of 3\n```\n", encoding="utf-8")
    ((block, shown),) = runs(page.read_text(encoding="utf-8"))
    with pytest.raises(AssertionError):
        exec(block, {})
    assert is_shown(shown, "it is 2.2 of 3 here", OF_A_PAGE)
    assert is_shown("it ... of 3", "it is 2.2 of 3 here", OF_A_PAGE)
    assert not is_shown(shown, "it is 2.2 of 5 here", OF_A_PAGE)
    assert not is_shown(shown, "it is 2.2 or 3 here", OF_A_PAGE)
    page.write_text("  ```py\n1\n  ```\n", encoding="utf-8")
    assert fences(page)[0][0] == "py"
    page.write_text("```bash\nthermograd run a.toml --outt x  # comment\n```\n", encoding="utf-8")
    with pytest.raises(Exception, match="outt"):
        test_commands_parse(page)
