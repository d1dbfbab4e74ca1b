from __future__ import annotations

import json

import pytest

from thermograd.quantities import Verdict
from thermograd.report.figure import Figure
from thermograd.report.look import layout, line
from thermograd.reproductions.catalogue import available, subject
from thermograd.reproductions.overview import Overview, Part
from thermograd.reproductions.page import write_overview
from thermograd.reproductions.reproduction import PROMISE, Reproduction, Row


def table_of(*holds, complete=True, **more):
    rows = tuple(Row("mean", "2", "3", Verdict(answer, "kind", "Because.")) for answer in holds)
    return Reproduction("paper", "part", "A paper", rows, complete=complete, **more)


def overview_of(*parts):
    return Overview(tuple(Part(f"p{place}", "part", "A paper", **part) for place, part in enumerate(parts)))


@pytest.mark.parametrize(
    ("parts", "holds", "said", "complete", "flawless"),
    [
        ([{"found": table_of(True, None)}], True, "1 rows agree or hold, 1 cannot be decided, 0 differ", True, True),
        ([{"found": table_of(True)}, {"found": table_of(False)}], False, "1 differ or fail.", True, False),
        ([{"found": table_of(True)}, {"missing": "No data."}], None, "1 could not be made.", True, False),
        ([{"found": table_of(True)}, {}], None, "1 still to come.", False, True),
        ([{"found": table_of(True, complete=False)}], None, "1 still to come.", False, True),
        ([{"found": table_of(None)}], None, "1 cannot be decided", True, True),
        ([], None, "0 reproductions", True, True),
    ],
)  # fmt: skip
def test_one_sentence_over_all(parts, holds, said, complete, flawless):
    overview = overview_of(*parts)
    assert overview.conclusion().holds is holds
    assert said in overview.conclusion().text
    assert overview.complete is complete
    assert overview.flawless is flawless


def test_states_are_named_and_updates_leave_the_others():
    before = overview_of({}, {})
    after = before.updated(1, found=table_of(True, complete=False))
    assert [part.state for part in before.parts] == ["to come", "to come"]
    assert [part.state for part in after.parts] == ["to come", "still under way"]
    failed = after.updated(1, missing="The disk is full.")
    assert failed.parts[1].state == "not made: The disk is full."
    assert failed.complete is False
    assert failed.updated(0, found=table_of(True)).complete


def test_the_page_leads_to_every_figure_and_keeps_the_words_of_promises(tmp_path):
    curve = line([1, 2], [3, 4], "curve")
    figure = Figure("aging", "one", "A <title>", "It rises.", (curve,), layout("x", "y"), {"x": [1]})
    made = table_of(True, figures=(figure,))
    promise = table_of(False, wording=PROMISE)
    overview = overview_of({"found": made}, {"found": promise}, {"missing": "No <data>."})
    page = write_overview(overview, tmp_path / "a" / "b", ["thermograd reproduce all"])
    text = page.read_text("utf-8")
    assert '<a href="p0-part/report.html#aging">A &lt;title&gt;</a>. It rises.' in text
    assert 'data-heading="must hold">2' in text
    assert 'data-heading="verdict">fails: Because.' in text
    assert "It could not be made. No &lt;data&gt;." in text
    assert len(text) < 50_000  # no figures, so no plotly
    assert json.loads((page.parent / "table.json").read_text("utf-8")) == overview.content()
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "table.json"]


def test_every_reproduction_says_what_it_is_about():
    for name in available():
        assert len(subject(name)) > 30
        assert not subject(name).endswith(".")
