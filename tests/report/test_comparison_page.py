from __future__ import annotations

import re

import numpy as np
import pytest

from thermograd.report.comparison_page import comparison, distinct
from thermograd.report.page import report_run

RATES = (0.1, 0.3, 1.0)


def values(seed=0, shift=0.0):
    return 5 + shift + np.random.default_rng(seed).normal(0, 0.1, (20, 9)) - np.arange(9.0)


def described(run, path=None, **experiment):
    """The run as if it came from a folder."""
    source = run.source
    manifest = {"experiment": experiment, "identity": repr(experiment)} if experiment else {}
    source.__class__ = type("Described", (type(source),), {"manifest": manifest})
    source.path = path
    return run


def sweep(run_of):
    return [
        described(run_of({"train_loss": values(seed, rate)}, name="same"), dynamics={"learning_rate": rate})
        for seed, rate in enumerate(RATES)
    ]


def kinds(found):
    return {verdict.kind: verdict for verdict in found.verdicts}


def test_a_sweep_is_one_row_a_setting_and_a_figure_against_it(run_of):
    found = comparison(sweep(run_of))
    assert list(found.table) == ["run", "outcome", "dynamics.learning_rate", "train loss at epoch 8"]
    assert found.table["run"] == [f"learning_rate = {rate}" for rate in RATES]
    assert found.table["outcome"] == ["20 finished"] * 3
    assert [figure.name for figure in found.figures] == [
        "train_loss_against_dynamics_learning_rate",
        "train_loss",
        "train_loss_compared",
    ]
    assert kinds(found)["stayed_finite"].text.startswith(
        "No trajectory diverged in any of the 3 runs (0 of 60"
    )
    assert ("Trajectories", "20: 20 finished, 0 diverged, 0 failed, 0 pending") in found.facts


def test_what_differs_is_said_by_run_and_what_does_not_once(run_of):
    found = comparison(
        [run_of({"loss": values()}, name="a"), run_of({"loss": values()}, name="b", steps_per_epoch=20)]
    )
    names = [name for name, _ in found.facts]
    assert names.count("Seed") == 1
    assert {"a: Length", "b: Length"} <= set(names)


def test_other_observables_are_named(run_of):
    found = comparison([run_of({"x": values(), "y": values()}, name="a"), run_of({"x": values()}, name="b")])
    assert "y by a" in kinds(found)["recorded_by_some"].text
    nothing = comparison([run_of({"x": values()}, name="a"), run_of({"y": values()}, name="b")])
    assert kinds(nothing)["recorded_by_some"].text.startswith("No scalar was recorded by all runs")
    assert nothing.figures == ()


def test_other_problems_are_a_warning(run_of):
    runs = [
        described(run_of({"loss": values()}, name=kind), problem={"kind": kind})
        for kind in ("digits", "quadratic")
    ]
    assert "problem.kind" in kinds(comparison(runs))["different_problems"].text


def test_one_experiment_twice_is_no_second_evidence(run_of):
    runs = [described(run_of({"loss": values()}, name=name), seed=0) for name in "ab"]
    found = comparison(runs)
    assert kinds(found)["same_experiment"].text.startswith("a and b are one experiment with one seed")
    assert "cannot decide" in found.figures[0].conclusion


def test_many_differing_fields_are_counted(run_of):
    runs = [
        described(
            run_of({"loss": values()}, name=str(place)), **{f"field_{number}": place for number in range(9)}
        )
        for place in range(2)
    ]
    found = comparison(runs)
    assert kinds(found)["many_differences"].text.startswith("The experiments differ in 9 fields")
    assert sum(heading.startswith("field_") for heading in found.table) == 6


def test_trouble_is_said_of_its_run(run_of):
    ends = np.full(20, -1)
    ends[3] = 20
    runs = [
        run_of({"loss": values()}, name="fine"),
        run_of({"loss": values()}, name="wild", diverged_at=ends),
        run_of({"loss": values()}, name="new", committed=False),
    ]
    texts = [verdict.text for verdict in comparison(runs).verdicts]
    assert any(text.startswith("wild: 1 of 20 trajectories diverged") for text in texts)
    assert any(text.startswith("new: Nothing is committed yet") for text in texts)
    assert any("in the other 1 " in text for text in texts)


def test_a_run_given_twice_is_shown_once(run_of, tmp_path):
    run = run_of({"loss": values()}, name="a")
    assert distinct([run, run]) == ([run], 1)
    text = report_run([run, run], tmp_path / "p.html").read_text("utf-8")
    assert "<h1>a</h1>" in text


def test_hostile_names_stay_text_on_the_page(run_of, tmp_path):
    hostile = "\"><script>alert(1)</script>' <b>x"
    runs = [run_of({"loss": values(seed)}, name=f"{hostile}{seed}") for seed in range(2)]
    text = report_run(runs, tmp_path / "p.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert "<b>x" not in text


def test_twelve_runs_fit_on_a_page(run_of, tmp_path):
    runs = [
        described(run_of({f"loss_{number}": values(seed) for number in range(8)}), seed=seed)
        for seed in range(12)
    ]
    page = report_run(runs, tmp_path / "p.html")
    assert page.stat().st_size < 6_000_000
    text = page.read_text("utf-8")
    assert "seed = 11" in text
    assert "12 runs compared" in text


@pytest.mark.browser
def test_a_comparison_is_drawn_under_the_policy(browse, run_of, tmp_path):
    page = report_run(sweep(run_of), tmp_path / "p.html")
    seen = browse(page, dark=True)
    assert seen.ready
    assert seen.console == ()
    assert len(re.findall(r'class="plot [^"]*js-plotly-plot', seen.dom)) == 3
