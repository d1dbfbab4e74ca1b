"""The pages of docs/reference are what the code says today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("write_reference.py")
_SPEC = importlib.util.spec_from_file_location("write_reference", _SCRIPT)
assert _SPEC is not None
assert _SPEC.loader is not None
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


@pytest.fixture(scope="module")
def pages():
    return reference.pages()


@pytest.mark.parametrize("name", ["command_line.md", "exit_codes.md", "config.md", "plugins.md"])
def test_a_page_is_up_to_date(pages, name):
    found = (reference.FOLDER / name).read_text("utf-8")
    assert found == pages[name], f"docs/reference/{name} is out of date: make reference"


def test_every_page_is_made(pages):
    assert {path.name for path in reference.FOLDER.glob("*.md")} >= set(pages)


def test_nothing_is_left_unsaid(pages):
    """A verb's option, a field or a code without its meaning would be an empty cell at the end of its row."""
    for name, text in pages.items():
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert rows or name == "exit_codes.md"
        silent = [row for row in rows if row.endswith("|  |")]
        assert not silent, (name, silent)


def test_a_changed_page_is_noticed(pages):
    assert pages["config.md"] != pages["config.md"].replace("learning_rate", "rate").replace("seed", "sed")
