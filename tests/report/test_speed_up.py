from __future__ import annotations

import re

import numpy as np
import pytest

from thermograd.advisor.perturbation_evidence import gather_evidence
from thermograd.estimators.first_passage import FirstPassageTimes
from thermograd.report.speed_up import speed_up


def logs(hazard, count=300, horizon=60, seed=0):
    """Values 0 until arrival at 1, the arrival geometric."""
    time = np.random.default_rng(seed).geometric(hazard, count)
    return (np.arange(1, horizon + 1) >= time[:, None]).astype(float)


def kicked(residual_hazard, interval=30, seed=1):
    """Runs that cannot arrive before the perturbation and do so geometrically after it."""
    before = np.zeros((300, interval))
    return np.hstack([before, logs(residual_hazard, horizon=120, seed=seed)])


def two_branches(seed=0):
    """Half of the runs arrive at once, the others practically never: restarting helps."""
    quick, never = logs(0.3, 150, seed=seed), logs(1e-9, 150, seed=seed)
    return np.vstack([quick, never])


def evidence(values, candidates=None, **more):
    return gather_evidence(values, candidates or {}, target=1.0, **more)


def test_where_restarting_helps_it_says_at_least_and_by_how_much():
    figure = speed_up(evidence(two_branches()))
    found = re.search(
        r"reset every (\d+) epochs, which arrives at least ([\d.]+) \(([\d.]+)–([\d.]+)\)",
        figure.conclusion,
    )
    assert found is not None
    size, low, high = map(float, found.groups()[1:])
    # Eq. 5 by direct summation over the two branches, at the interval named
    interval = int(found.group(1))
    survival = 0.5 * 0.7 ** np.arange(61) + 0.5
    exact = survival[:60].sum() / (survival[:interval].sum() / (1 - survival[interval]))
    assert low < exact < high
    assert low < size < high
    assert figure.title.startswith("Speed-up against the interval; 50 % of")


def test_memoryless_training_gains_nothing_by_restarting():
    text = speed_up(evidence(logs(0.1))).conclusion
    assert "cannot decide" in text or "Nothing here helps" in text


def test_a_harmful_perturbation_does_not_help():
    sure = np.tile((np.arange(1, 41) >= 20).astype(float), (50, 1))  # every run arrives at 20
    figure = speed_up(evidence(sure))
    assert "Best covered by the theory" not in figure.conclusion


def test_solid_where_valid_dashed_where_only_usable():
    found = evidence(logs(0.02), {"kick": (kicked(0.25), 30)}, relaxation=12.0)
    figure = speed_up(found)
    residual = found.measured["kick"].residual.value
    rows = list(zip(*figure.table.values(), strict=True))
    valid = [at for name, what, at, *_ in rows if name == "kick" and what == "predicted"]
    usable = [
        at for name, what, at, *_ in rows if name == "kick" and what.endswith("not covered by the theory")
    ]
    assert valid == list(range(12, 31))
    assert usable == list(range(int(np.ceil(residual)), 12))
    dashes = {
        trace["name"]: trace["line"]["dash"] for trace in figure.traces if trace["name"].startswith("kick")
    }
    assert dashes["kick"] == "solid"
    assert dashes["kick, not covered by the theory"] == "dash"


def test_the_right_scale_is_the_left_one_times_the_ratio_of_the_means():
    found = evidence(logs(0.02))
    layout = speed_up(found).layout
    factor = found.extrapolated.value / found.restricted.value
    assert layout["yaxis2"]["range"][1] == pytest.approx(layout["yaxis"]["range"][1] * factor)
    assert factor > 1.05


def test_without_censoring_there_is_one_scale():
    assert "yaxis2" not in speed_up(evidence(logs(0.5))).layout


def test_brute_force_points_are_ratios_of_restricted_means_and_bounds_are_open():
    found = evidence(logs(0.02))
    arrived = FirstPassageTimes(np.full(50, 5), np.ones(50, bool), 20)
    late = FirstPassageTimes(np.full(50, 20), np.arange(50) > 0, 20)
    figure = speed_up(found, {"reset": {10: arrived, 20: late}})
    (marks,) = [trace for trace in figure.traces if trace["name"] == "reset, tried"]
    assert marks["y"][0] == pytest.approx(found.restricted.value / 5, rel=1e-6)
    assert [symbol.endswith("-open") for symbol in marks["marker"]["symbol"]] == [False, True]
    # Both means are restricted ones, so their ratio bounds the speed-up from neither side.
    assert found.passages.censored_fraction > 0
    assert "tried: no bound, as 1 of 50 runs never arrived" in figure.table["what"]
    every_run_arrived = speed_up(evidence(logs(0.5)), {"reset": {20: late}})
    assert "tried: an upper bound, as 1 of 50 runs never arrived" in every_run_arrived.table["what"]


def test_a_censored_residual_predicts_no_speed_up():
    """The mean over a lower bound is neither a lower nor an upper bound: there is nothing to draw."""
    found = evidence(logs(0.005), {"kick": (kicked(0.02)[:, :60], 30)}, relaxation=1.0)
    assert found.measured["kick"].optimistic
    tried = FirstPassageTimes(np.full(50, 12), np.ones(50, bool), 20)
    figure = speed_up(found, {"kick": {20: tried}})
    assert not figure.conclusion.startswith("Best covered by the theory: kick")
    assert "so no speed-up can be predicted for it" in figure.conclusion
    assert [trace["name"] for trace in figure.traces if "kick" in trace.get("name", "")] == ["kick, tried"]
    rows = list(zip(figure.table["alternative"], figure.table["what"], strict=True))
    assert [what for name, what in rows if name == "kick"] == ["tried"]


def test_below_one_times_at_least_leaves_it_open():
    """Of censored runs a ratio below 1 is a lower bound: that nothing helps does not follow."""
    steady = np.tile(np.arange(1, 41) >= 20, (50, 1)).astype(float)
    late = np.vstack([steady, np.zeros((2, 40))])
    assert speed_up(evidence(steady)).conclusion.startswith(("Nothing here helps", "No interval"))
    text = speed_up(evidence(late)).conclusion
    assert "Nothing here helps" not in text
    assert "at least" in text


def test_where_the_plateau_is_refuted_only_measured_intervals_are_drawn():
    given = [(kicked(hazard, interval=at, seed=at), at) for at, hazard in ((10, 0.5), (30, 0.1), (50, 0.05))]
    found = evidence(logs(0.02), {"kick": given}, relaxation=0.0)
    assert found.measured["kick"].flat is False
    figure = speed_up(found)
    (trace,) = [trace for trace in figure.traces if trace["name"] == "kick"]
    assert trace["mode"] == "markers"
    assert list(trace["x"]) == [10, 30, 50]
    assert len(trace["error_y"]["array"]) == 3


def test_an_interval_measured_below_the_range_stands_alone():
    given = [(kicked(0.125, interval=at, seed=at), at) for at in (4, 20, 40)]
    figure = speed_up(evidence(logs(0.02), {"kick": given}, relaxation=0.0))
    (alone,) = [trace for trace in figure.traces if "kick, not covered" in trace["name"]]
    assert list(alone["x"]) == [4]
    assert alone["marker"]["symbol"].endswith("-open")
    (curve,) = [trace for trace in figure.traces if trace["name"] == "kick"]
    assert min(curve["x"]) >= 7
