"""Which alternative the sentence is about, whatever ranks first."""

from __future__ import annotations

import numpy as np

from thermograd.advisor.perturbation_interval import advise, recommended


def values_of(times, horizon):
    return (np.arange(1, horizon + 1) >= np.asarray(times)[:, None]).astype(float)


def test_the_recommended_one_is_that_of_the_sentence():
    times = np.where(np.arange(200) % 2, 8 + np.arange(200) % 4, 1000)
    advice = advise(values_of(times, 80), target=1.0)
    chosen = recommended(advice)
    assert chosen is advice.ranking[0]
    assert f"every {chosen.interval} epochs" in advice.recommendation
    (verdict,) = [verdict for verdict in advice.verdicts if verdict.kind == "sooner_than_nothing"]
    assert verdict.holds is True
    assert verdict.evidence["candidate"] == "reset"
    assert verdict.evidence["share"] >= 0.95


def test_an_undecided_one_is_not_recommended_although_it_ranks_first():
    times = np.random.default_rng(5).geometric(0.05, 64)
    advice = advise(values_of(times, 80), target=1.0)
    assert advice.ranking[0].name == "reset"
    assert advice.recommendation.startswith("Leave it alone for now")
    assert recommended(advice) is None
    (verdict,) = [verdict for verdict in advice.verdicts if verdict.kind == "sooner_than_nothing"]
    assert verdict.holds is None
    assert verdict.evidence["share"] < 0.95
    # Five arrivals by then are all that Eq 5 rests on.
    assert "99.1 % are asked for" in verdict.text


def test_nothing_is_recommended_where_nothing_helps():
    times = np.rint(np.random.default_rng(4).normal(14.3, 2.2, 64))
    advice = advise(values_of(times, 30), target=1.0)
    assert advice.recommendation.startswith("Leave it alone: ")
    assert recommended(advice) is None


def test_one_run_decides_nothing():
    advice = advise(values_of([3], 5), target=1.0)
    assert advice.recommendation.startswith("One run cannot tell: it took 3 epochs")
    assert recommended(advice) is None
