"""The tutorials that show what they print: every block runs, and prints those words and about those numbers."""

from __future__ import annotations

import re

import pytest
import write_outputs as outputs
from shown_output import OF_A_TUTORIAL, is_shown

from thermograd.ensemble.engines.kernel.compiler import compiler

_REFRESH = "shown and printed differ: make tutorials, then read what the page says about it"


def is_all_shown(shown, printed):
    return is_shown(shown, printed, OF_A_TUTORIAL, whole=True)


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler, and the pages name the kernel")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", outputs.PAGES)
def test_a_page_shows_what_it_prints(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown_at_all = 0
    for piece, shown, printed in outputs.played((outputs.FOLDER / name).read_text("utf-8")):
        assert shown or not printed.strip() or piece.startswith("```bash"), f"{_REFRESH}: {piece}"
        if shown is not None:
            assert is_all_shown(shown, printed), f"{_REFRESH}: {piece}\nprinted:\n{printed}"
            shown_at_all += 1
    assert shown_at_all


def test_the_drawing_is_that_of_the_page():
    text = (outputs.FOLDER / "theory_beside_simulation.md").read_text("utf-8")
    drawing = (outputs.FOLDER / "theory_beside_simulation.svg").read_text("utf-8")
    sentence = re.search(r"<desc>(.*)</desc>", drawing)[1]
    assert f"```text {sentence} ```" in " ".join(text.split()), "the figure is another one: make tutorials"
    assert len(drawing.encode()) < 60_000


def test_other_words_and_other_numbers_are_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "```python\nprint('yes: 1.00 of', 3)\n```\n\n```text\nyes: 1.01 of\n3\n```\n"
    [(_, shown, printed)] = outputs.played(text)
    assert is_all_shown(shown, printed)
    assert is_all_shown("yes: ...", printed)
    assert not is_all_shown("yes: 1.01", printed)
    assert not is_all_shown("1.01 of 3", printed)
    assert not is_all_shown(shown.replace("yes", "no"), printed)
    assert not is_all_shown(shown.replace("1.01", "1.2"), printed)
    assert outputs.page(text) == text.replace("1.01 of\n3", "1.00 of 3")


def test_a_command_that_fails_is_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="estimate"):
        list(outputs.played("```bash\nthermograd estimate nothing\n```\n"))
