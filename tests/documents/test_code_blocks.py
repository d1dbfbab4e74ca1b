"""Every Python block of the README and the docs runs; every verb they name exists."""

import re
from pathlib import Path

import pytest

from thermograd.cli.application import VERBS
from thermograd.ensemble.config import parse_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = re.compile(r"^```bash\n(.*?)^```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
EXECUTOR = re.compile(r"^```toml\n(\[executor\]\n.*?)^```", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def executors(page):
    return EXECUTOR.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_code_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), namespace)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", [page for page in PAGES if executors(page)], ids=lambda page: page.name)
def test_executor_tables_are_valid(page):
    for block in executors(page):
        parse_config(f"problem = 'quadratic'\nsteps = 1\n{block}", page.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_verbs_exist(page):
    text = page.read_text(encoding="utf-8")
    shown = "\n".join(part for pair in COMMANDS.findall(text) for part in pair)
    named = set(re.findall(r"^thermograd ([a-z]+)\b", shown, re.MULTILINE))
    assert named <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_checks_can_fail(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nassert False\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        exec(blocks(page)[0], {})
