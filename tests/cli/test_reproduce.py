"""`thermograd reproduce`: table, JSON, page, exit codes."""

from __future__ import annotations

import json
import os

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
        part = ReproductionExperiment(
            "two rows", stages_of(*holds), frozenset({"full"}), frozenset({"batch_size"})
        )
        experiments = {"part": part, "fixed": ReproductionExperiment("two rows", stages_of(*holds))}
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


def test_what_was_set_stands_in_the_command_and_in_the_name_of_the_folder(paper, capsys):
    folder = paper(True, None)
    assert main(["reproduce", "paper", "--set", "batch_size=20"]) == 0
    page = folder / "reproduced/paper-part-batch_size=20/report.html"
    assert capsys.readouterr().out.splitlines()[-1] == str(page.relative_to(folder))
    assert "thermograd reproduce paper --set batch_size=20 --out" in page.read_text("utf-8")


@pytest.mark.parametrize("name", ["paper", "all"])
@pytest.mark.parametrize("out", ["taken", "taken/below"])
def test_a_page_that_could_not_be_written_is_refused_before_any_work(paper, capsys, name, out):
    folder = paper(True, None)
    (folder / "taken").write_text("mine", encoding="utf-8")
    assert main(["reproduce", name, "--out", out]) == 2
    said = capsys.readouterr().err
    assert said == f"--out {out}: taken is a file; give a folder, a new one or one that is there\n"
    assert (folder / "taken").read_text("utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_refused_before_any_work(paper, capsys):
    (paper(True, None) / "locked").mkdir(mode=0o500)
    assert main(["reproduce", "paper", "--out", "locked/new"]) == 2
    assert capsys.readouterr().err.startswith("--out locked/new: you may not write in locked")


@pytest.mark.parametrize(("words", "holds"), [([], (None, True)), (["--full"], (None, None))])
def test_what_is_decided_or_at_full_size_is_not_told_to_be_larger(paper, capsys, words, holds):
    paper(*holds)
    assert main(["reproduce", "paper", *words]) == 0
    assert "--full" not in capsys.readouterr().err


def test_where_no_row_can_be_decided_the_larger_size_is_named(paper, capsys):
    paper(None, None)
    assert main(["reproduce", "paper"]) == 0
    assert "no row can be decided at this size: --full is the paper's" in capsys.readouterr().err
    assert main(["reproduce", "paper", "--experiment", "fixed"]) == 0  # which knows no --full
    assert "no row can be decided" not in capsys.readouterr().err


def test_the_author_of_a_paper_leads_to_its_reproduction(capsys):
    assert main(["reproduce", "Yaida"]) == 2
    assert "Did you mean fluctuation_dissipation" in capsys.readouterr().err


def _without_data(settings):
    message = "the data are not here"
    raise MissingDataError(message)
    yield


@pytest.fixture
def several(monkeypatch, tmp_path):
    """A catalogue of two reproductions, one with a second experiment; more can be put into it."""
    monkeypatch.chdir(tmp_path)
    known = {
        "one": {
            "part": ReproductionExperiment("two rows", stages_of(True, True), frozenset({"full"})),
            "rest": ReproductionExperiment("the <rest>", stages_of(True, True)),
        },
        "two": {"whole": ReproductionExperiment("two rows", stages_of(True, None), frozenset())},
    }
    monkeypatch.setattr(catalogue, "available", lambda: known)
    monkeypatch.setattr(catalogue, "subject", lambda name: f"About {name}: Somebody, arXiv 1")
    return known


def test_all_of_them_end_in_one_page(several, tmp_path, capsys):
    assert main(["reproduce", "all", "--full", "--out", "here"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-2:] == [
        "2 reproductions: 3 rows agree or hold, 1 cannot be decided, 0 differ or fail.",
        "here/report.html",
    ]
    assert "two has no other size" in err
    page = (tmp_path / "here/report.html").read_text("utf-8")
    assert "still under way" not in page
    assert "one: About one: Somebody, arXiv 1" in page
    assert "thermograd reproduce one --experiment part --full --out here/one-part" in page
    assert "# the &lt;rest&gt;\nthermograd reproduce one --experiment rest" in page
    assert page.count('data-heading="verdict">agrees: Because.') == 3
    assert page.count('data-heading="verdict">open: Because.') == 1
    for folder in ("one-part", "two-whole"):
        assert f'href="#{folder}"' in page
        assert f"id='{folder}'" in page
        assert f'href="{folder}/report.html"' in page
        assert (tmp_path / "here" / folder / "report.html").exists()


def test_what_cannot_be_made_is_said_and_the_others_are_made(several, tmp_path, capsys):
    several["bare"] = {"x": ReproductionExperiment("none", _without_data, frozenset())}
    several["wrong"] = {"x": ReproductionExperiment("one differs", stages_of(False, None), frozenset())}
    assert main(["reproduce", "all", "--json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [entry["reproduction"] for entry in found["reproductions"]] == ["paper"] * 3
    assert found["missing"] == [{"reproduction": "bare", "experiment": "x", "why": "the data are not here"}]
    assert found == json.loads((tmp_path / "reproduced/table.json").read_text("utf-8"))
    assert "bare: the data are not here" in err
    assert err.splitlines()[-1] == "reproduced/report.html"
    page = (tmp_path / "reproduced/report.html").read_text("utf-8")
    assert "1 differ or fail. 1 could not be made." in page
    assert 'data-heading="state">not made: the data are not here' in page
    assert 'href="bare-x/report.html"' not in page


def test_the_page_of_all_can_be_read_while_it_is_made(several, tmp_path, capsys):
    """After every stage it holds what there is, and names what is to come."""
    seen = []

    def last(settings):
        seen.append((tmp_path / "reproduced/report.html").read_text("utf-8"))
        yield Reproduction("zero", "last", "The last", (row(True),), complete=False)
        seen.append((tmp_path / "reproduced/report.html").read_text("utf-8"))
        yield Reproduction("zero", "last", "The last", (row(True), row(True)))

    several["zero"] = {"last": ReproductionExperiment("looks at the page", last, frozenset())}
    assert main(["reproduce", "all"]) == 0
    before, between = seen
    assert "(still under way)" in before
    assert "3 rows agree or hold" in before
    assert "1 still to come" in before
    assert 'data-heading="state">to come' in before
    assert "4 rows agree or hold" in between
    assert 'data-heading="state">still under way' in between


def test_options_of_one_reproduction_are_refused_for_all(several, tmp_path, capsys):
    assert main(["reproduce", "all", "--live"]) == 2
    assert "are for one reproduction" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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
        (["part"], "It is an experiment: thermograd reproduce paper --experiment part."),
        (["paper", "--set", "bach_size=2"], "Did you mean 'batch_size'?"),
        (["paper", "--set", "batch_size"], "write NAME=VALUE"),
        (["paper", "--set", "batch_size=2", "--set", "batch-size=3"], "was given twice: 2 and 3"),
        (["paper", "--experiment", "fixed", "--set", "batch_size=2"], "it is for: part"),
        (["all", "--set", "batch_size=2"], "--set is for one reproduction"),
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
    assert lines[lines.index("engines") + 2].split()[0] == "speed"
    assert "arXiv 2112.10852" in lines[lines.index("effective_noise") + 1]
    assert lines[lines.index("effective_noise") + 2].split()[0] == "mixture"
    assert "[--set]" in next(line for line in lines if "Fig 2a" in line)
    assert "[--full] [--live]" in out
    assert main(["list", "reproductions", "--json"]) == 0
    assert "cifar10" in json.loads(capsys.readouterr().out)["first_passage"]
