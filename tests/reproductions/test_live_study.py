"""A study small enough to be trained in a test, and what its rows must say."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from thermograd.dynamics import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.perturbation_study import PerturbationStudy
from thermograd.minibatching import WithoutReplacement
from thermograd.observables import Accuracy
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.problems import Digits
from thermograd.reproductions import first_passage_live
from thermograd.reproductions.first_passage import EXPERIMENTS
from thermograd.reproductions.live_study import Found, LiveStudy
from thermograd.reproductions.reproduction import Settings
from thermograd.store.perturbation_record import PerturbationRecord


@pytest.fixture(scope="module")
def stages():
    experiment = Experiment(
        Digits(hidden=(8,), train_samples=100, flipped=0.3, regulariser=0.006),
        WithoutReplacement(batch_size=20), SGD(0.5), observe=[Accuracy(split="test")], trajectories=16, epochs=12,
    )  # fmt: skip
    study = PerturbationStudy(
        target=0.74, interval=12, trajectories=16, horizon=40, candidates={"kick": ShrinkAndPerturb()}, seed=1
    )
    live = LiveStudy(
        "small", "Small", experiment, study, intervals=(6,), protocols_at=6, quantity="test accuracy"
    )
    said = []
    return list(live.stages(Settings(say=said.append))), said


def test_every_stage_holds_the_rows_of_the_one_before(stages):
    found, said = stages
    assert [stage.complete for stage in found] == [False] * (len(found) - 1) + [True]
    counts = [len(stage.rows) for stage in found]
    assert counts == sorted(counts)
    assert said[0] == "training 16 networks for 12 epochs"
    assert any(text.startswith("brute force") for text in said)


def test_predictions_stand_beside_brute_force(stages):
    rows = {row.quantity: row for row in stages[0][-1].rows}
    assert rows["mean epochs, reset every 6 epochs"].verdict.kind == "prediction_against_brute_force"
    assert [name for name in rows if name.startswith("mean epochs, restarts drawn every")]
    assert all(row.verdict.holds for name, row in rows.items() if "Eq. 3" in name or "restarts drawn" in name)
    assert "what is advised" in rows


def test_the_figures_come_last(stages):
    found, _ = stages
    assert {figure.name for figure in found[-1].figures} >= {
        "survival",
        "survivors",
        "speed_up",
        "mean_values",
    }


def arrived(times, length):
    """Values 0 until arrival at 1, NaN after."""
    steps = np.arange(1, length + 1)
    values = (steps == np.asarray(times)[:, None]).astype(float)
    values[steps > np.asarray(times)[:, None]] = np.nan
    return values


@pytest.mark.parametrize(("hazard", "holds"), [(0.3, True), (0.05, False)])
def test_equation_9_agrees_with_brute_force_or_is_contradicted(hazard, holds):
    """After a kick the runs arrive geometrically with 0.3; brute force with that hazard, or the negative control."""
    from thermograd.reproductions.live_study import table

    generator = np.random.default_rng(0)
    time = np.where(generator.random(200) < 0.5, generator.integers(1, 6, 200), 1000)
    survivor = np.flatnonzero(time > 30)
    never_before = np.where(
        generator.random(200) < 0.5, generator.integers(1, 6, 200), 20 + generator.geometric(hazard, 200)
    )
    record = PerturbationRecord(
        arrived(time, 30), {"kick": arrived(generator.geometric(0.3, survivor.size), 60)}, survivor,
        target=1.0, direction="up", interval=30, horizon=60, candidates={"kick": "Kick()"},
        verified={"kick": {20: arrived(never_before, 300)}},
    )  # fmt: skip
    rows = {row.quantity: row for row in table(Found(record))}
    assert rows["mean epochs, kick every 20 epochs"].verdict.holds is holds
    assert rows["mean epochs by Eq. 3, kick every 20 epochs"].verdict.holds


def test_digits_is_the_default_and_needs_no_file(monkeypatch):
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    monkeypatch.setattr(first_passage_live, "Digits", lambda **_: Digits(hidden=(4,), train_samples=60))
    assert next(iter(EXPERIMENTS)) == "digits"
    first = next(EXPERIMENTS["digits"].run(Settings()))
    assert first.rows[0].ours.endswith("of 64 arrived within 40 epochs")


def test_phase_retrieval_is_trained_on_digits_where_there_is_no_mnist(monkeypatch):
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    monkeypatch.setattr(first_passage_live, "REDUCED", first_passage_live.Size(10, 12, 50, 100, 100))
    found = list(EXPERIMENTS["phase-retrieval"].run(Settings(live=True)))
    assert found[-1].complete
    assert "30 % quantile" in dict(found[-1].facts)["Why this target"]
    arrived = int(found[0].rows[0].ours.split()[0])
    assert arrived >= 3  # three in ten end at or below the target, some may pass it before
    assert "data='digits'" in dict(found[-1].facts)["Problem"]
