from __future__ import annotations

import json

import numpy as np
import pytest

from thermograd.quantities import Estimate, Prediction, Verdict
from thermograd.report.figure import Figure
from thermograd.report.look import layout, line
from thermograd.reproductions.page import TABLE, write_reproduction
from thermograd.reproductions.reproduction import PROMISE, Reproduction, Row


def row(holds, ours=None):
    value = Estimate(2.0, (1.0, 3.0), note="a note") if ours is None else ours
    return Row("mean epochs", "~2", value, Verdict(holds, "kind", "Because."))


def table_of(*holds, complete=True):
    curve = line([1, 2], [3, 4], "curve")
    figure = Figure("first_passage", "one", "Title", "Conclusion.", (curve,), layout("x", "y"), {"x": [1]})
    rows = tuple(map(row, holds))
    return Reproduction("paper", "part", "A paper", rows, (figure,), (("What", "<b>this</b>"),), complete)


def test_a_row_says_value_interval_note_and_verdict():
    assert row(True).cells() == ("mean epochs", "~2", "2 (1–3); a note", "agrees: Because.")
    assert row(False).cells()[3] == "differs: Because."
    assert row(False).cells(PROMISE)[3] == "fails: Because."
    assert row(None, "–").cells()[2:] == ("–", "open: Because.")
    unknown = row(None, Estimate(float("nan"), (float("nan"), float("nan"))))
    assert unknown.cells()[2] == "–"


@pytest.mark.parametrize(
    ("holds", "complete", "answer"),
    [((True, None), True, True), ((True, False), True, False), ((None,), True, None), ((True,), False, None)],
)
def test_one_contradicted_row_contradicts_the_whole(holds, complete, answer):
    found = table_of(*holds, complete=complete)
    assert found.conclusion().holds is answer
    assert len(found.contradicted) == holds.count(False)


def test_what_is_not_finite_is_null_for_programs():
    content = table_of(True).content()
    assert content["rows"][0]["ours"] == {
        "text": "2 (1–3); a note",
        "value": 2.0,
        "interval": [1.0, 3.0],
        "level": 0.95,
    }
    endless = row(True, Estimate(float("inf"), (3.0, float("inf")))).content()
    assert endless["ours"]["value"] is None
    assert endless["ours"]["interval"] == [3.0, None]
    json.dumps(content, allow_nan=False)


def test_page_and_table_are_written_and_replaced(tmp_path):
    pytest.importorskip("plotly")
    folder = tmp_path / "a" / "b"
    write_reproduction(table_of(True, complete=False), folder, ["thermograd reproduce paper"])
    assert "still under way" in (folder / "report.html").read_text("utf-8")
    page = write_reproduction(table_of(True, False), folder, ["thermograd reproduce paper"])
    text = page.read_text("utf-8")
    assert "still under way" not in text
    assert "1 of 2 rows agree, 0 cannot be decided, 1 differ" in text
    assert "&lt;b&gt;this&lt;/b&gt;" in text
    assert 'data-heading="verdict">differs: Because.' in text
    assert json.loads((folder / TABLE).read_text("utf-8"))["contradicted"] == 1
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", TABLE]


def test_renewals_and_equation_5_agree_or_not():
    from thermograd.estimators.first_passage import FirstPassageTimes, survival_function
    from thermograd.reproductions.agreement import renewal_rows
    from thermograd.theory.first_passage import restart_mean

    time = np.random.default_rng(0).geometric(0.1, 500)
    passages = FirstPassageTimes(np.minimum(time, 60), time <= 60, 60)
    curve = restart_mean(survival_function(passages))
    assert [entry.verdict.holds for entry in renewal_rows(passages, curve, [5, 20])] == [True, True]
    wrong = Prediction(1.2 * np.asarray(curve.value), at=curve.at)
    assert [entry.verdict.holds for entry in renewal_rows(passages, wrong, [5, 20])] == [False, False]


def test_what_is_promised_is_told_in_its_own_words():
    found = Reproduction("running", "part", "A promise", (row(True), row(False)), wording=PROMISE)
    assert tuple(found.columns()) == ("what", "must hold", "found", "verdict")
    assert found.columns()["verdict"] == ["holds: Because.", "fails: Because."]
    assert found.conclusion().text == "1 of 2 rows hold, 0 cannot be decided, 1 fail."
