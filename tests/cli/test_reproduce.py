"""`thermograd reproduce`: table, JSON, page, exit codes."""

from __future__ import annotations

import json

import pytest

from thermograd.cli import main
from thermograd.cli.reproduce import table_text
from thermograd.errors import MissingDataError
from thermograd.quantities import Estimate, Verdict
from thermograd.reproductions import catalogue
from thermograd.reproductions.reproduction import Reproduction, ReproductionExperiment, Row

pytest.importorskip("plotly")


def row(holds):
    return Row(
        "mean epochs " + "word " * 12, "~2", Estimate(2.0, (1.0, 3.0)), Verdict(holds, "kind", "Because.")
    )


def stages_of(*holds):
    def run(settings):
        settings.say("one half")
        yield Reproduction("paper", "part", "A paper", (row(holds[0]),), complete=False)
        yield Reproduction("paper", "part", "A paper", tuple(map(row, holds)))

    return run


@pytest.fixture
def paper(monkeypatch, tmp_path):
    """A reproduction with two rows; called with what they say."""
    monkeypatch.chdir(tmp_path)

    def provide(*holds):
        experiments = {"part": ReproductionExperiment("two rows", stages_of(*holds), frozenset({"full"}))}
        monkeypatch.setattr(catalogue, "available", lambda: {"paper": experiments})
        return tmp_path

    return provide


def test_the_table_is_printed_and_the_page_is_the_last_line(paper, capsys):
    folder = paper(True, None)
    assert main(["reproduce", "paper"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "reproduced/paper-part/report.html"
    assert "1 of 2 rows agree, 1 cannot be decided, 0 differ." in out
    assert err.splitlines() == ["one half"]
    page = (folder / "reproduced/paper-part/report.html").read_text("utf-8")
    assert "thermograd reproduce paper --out reproduced/paper-part" in page


def test_a_row_outside_its_interval_is_exit_code_1(paper, capsys):
    paper(True, False)
    assert main(["reproduce", "paper", "--experiment", "part", "--full", "--out", "here"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "here/report.html"


def _without_data(settings):
    message = "the data are not here"
    raise MissingDataError(message)
    yield


def test_all_of_them_one_after_another(monkeypatch, tmp_path, capsys):
    """Those that cannot be made are said, and the others are made all the same."""
    monkeypatch.chdir(tmp_path)
    good = {"part": ReproductionExperiment("two rows", stages_of(True, True), frozenset({"full"}))}
    other = {"whole": ReproductionExperiment("two rows", stages_of(True, None), frozenset())}
    known = {"one": good, "two": other}
    monkeypatch.setattr(catalogue, "available", lambda: known)
    assert main(["reproduce", "all", "--full", "--out", "here"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "here"
    assert "two has no other size" in err
    assert (tmp_path / "here/one-part/report.html").exists()
    assert (tmp_path / "here/two-whole/report.html").exists()
    known["bare"] = {"x": ReproductionExperiment("none", _without_data, frozenset())}
    assert main(["reproduce", "all", "--json"]) == 1
    out, err = capsys.readouterr()
    assert len(json.loads(out)["reproductions"]) == 2
    assert "bare: the data are not here" in err
    assert main(["reproduce", "all", "--live"]) == 2
    assert "are for one reproduction" in capsys.readouterr().err


def test_json_is_one_object_and_the_same_as_the_file(paper, capsys):
    folder = paper(True, None)
    assert main(["reproduce", "paper", "--json", "--out", "here"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["complete"]
    assert [entry["verdict"]["holds"] for entry in found["rows"]] == [True, None]
    assert json.loads((folder / "here/table.json").read_text("utf-8")) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["paper", "--live"], "--live is not for the experiment 'part'"),
        (["papre"], "Did you mean 'paper'?"),
        (["paper", "--experiment", "prat"], "Did you mean 'part'?"),
        (["paper", "--experimnt", "part"], "Did you mean '--experiment'?"),
        ([], "NAME is missing"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_writes_nothing(paper, capsys, words, said):
    folder = paper(True, True)
    assert main(["reproduce", *words]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert list(folder.iterdir()) == []


def test_missing_data_name_the_variable(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    assert main(["reproduce", "first_passage", "--experiment", "cifar10"]) == 4
    assert "THERMOGRAD_DATA is not set" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_cells_are_wrapped_and_no_line_is_wider_than_asked():
    found = Reproduction("paper", "part", "A paper", (row(True), row(False)))
    lines = table_text(found, 100).splitlines()
    assert max(map(len, lines)) <= 100
    assert "".join(lines).count("word") == 24


def test_reproductions_are_listed(capsys):
    assert main(["list", "reproductions"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[lines.index("engines") + 1].split()[0] == "speed"
    assert lines[lines.index("effective_noise") + 1].split()[0] == "mixture"
    assert "[--full] [--live]" in out
    assert main(["list", "reproductions", "--json"]) == 0
    assert "cifar10" in json.loads(capsys.readouterr().out)["first_passage"]
