import dataclasses

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.estimators.first_passage import first_passage_times
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Epochs, Every
from thermograd.observables import Accuracy, DissipationAndFluctuation
from thermograd.perturbations import PartialReset, Reset, ShrinkAndPerturb
from thermograd.problems import Digits


def make_experiment(**options):
    return tg.Experiment(
        **{
            "problem": Digits(train_samples=200),
            "minibatching": WithoutReplacement(20),
            "dynamics": SGD(0.3, momentum=0.5),
            "observe": [Accuracy()],
            "epochs": 1,
            "block_size": 8,
        }
        | options
    )


def make_study(**options):
    return tg.PerturbationStudy(
        **{
            "target": 0.88,
            "interval": 5,
            "horizon": 6,
            "trajectories": 12,
            "candidates": {"shrink": ShrinkAndPerturb(0.8, 0.1), "reset": Reset()},
            "seed": 4,
        }
        | options
    )


@pytest.fixture(scope="module")
def measured():
    study = make_study()
    study.run(make_experiment())
    return study


def test_first_leg_has_the_bits_of_a_run(measured):
    run = tg.run(make_experiment(trajectories=12, epochs=5, seed=4))
    values = run["test_accuracy"][:, 1:]
    record = measured.record
    reached = values >= 0.88
    for row in range(12):
        last = int(reached[row].argmax()) if reached[row].any() else 4
        assert np.array_equal(record.unperturbed[row, : last + 1], values[row, : last + 1])
        assert np.isnan(record.unperturbed[row, last + 1 :]).all()
    assert record.survivor.tolist() == np.flatnonzero(~reached.any(axis=1)).tolist()
    assert 0 < record.survivor.size < 12


def test_a_finished_run_can_stand_for_the_first_leg(measured):
    run = tg.run(make_experiment(trajectories=12, epochs=5, seed=4))
    again = make_study().run(make_experiment(), unperturbed=run)
    assert np.array_equal(again.unperturbed, measured.record.unperturbed, equal_nan=True)
    for name, values in measured.record.residual.items():
        assert np.array_equal(again.residual[name], values, equal_nan=True)
    other = tg.run(make_experiment(trajectories=12, epochs=5, seed=5))
    with pytest.raises(ValueError, match="another experiment; they differ in seed"):
        make_study().run(make_experiment(), unperturbed=other)


def test_accumulators_beside_the_metric_change_nothing(measured):
    observe = [Accuracy(), DissipationAndFluctuation()]
    again = make_study().run(make_experiment(observe=observe))
    assert np.array_equal(again.unperturbed, measured.record.unperturbed, equal_nan=True)
    for name, values in measured.record.residual.items():
        assert np.array_equal(again.residual[name], values, equal_nan=True)


def test_branches_equal_a_run_perturbed_once(measured):
    """The branch of a survivor is what the ensemble does when kicked at P*, at the same noise."""
    assert measured.record.survivor.size
    for name, candidate in measured.candidates.items():
        whole = tg.run(
            make_experiment(trajectories=12, epochs=11, seed=4, perturbation=candidate, perturb=Every(50))
        )
        for row, trajectory in enumerate(measured.record.survivor):
            branch = measured.record.residual[name][row]
            known = np.isfinite(branch)
            assert np.array_equal(branch[known], whole["test_accuracy"][trajectory, 6:][known])
            arrived = np.flatnonzero(branch >= 0.88)
            assert known.sum() == (arrived[0] + 1 if arrived.size else 6)


def test_brute_force_uses_other_trajectories_and_the_same_law(measured):
    passages = measured.verify([2, 4], ["shrink"])["shrink"]
    assert set(passages) == {2, 4}
    whole = tg.run(
        make_experiment(
            trajectories=24, epochs=11, seed=4, perturbation=ShrinkAndPerturb(0.8, 0.1), perturb=Epochs(4)
        )
    )
    expected = first_passage_times(whole["test_accuracy"][12:, 1:], 0.88)
    assert np.array_equal(passages[4].time, expected.time)
    assert np.array_equal(passages[4].reached, expected.reached)
    assert set(measured.record.verified["shrink"]) == {2, 4}
    measured.verify([3], ["reset"])
    assert set(measured.record.verified) == {"shrink", "reset"}


def test_a_diverged_run_never_arrives_and_is_not_branched():
    """Every third run starts out of the range of floats; the two ways to measure agree."""
    experiment = make_experiment(dynamics=SGD(0.3))
    weights = dataclasses.replace(experiment, trajectories=12, seed=4).initial_weights(range(12))
    wild = {name: torch.from_numpy(value) for name, value in weights.items()}
    wild["2.weight"][::3] = 1e308
    experiment = dataclasses.replace(experiment, start=wild)
    study = make_study(candidates={"shrink": ShrinkAndPerturb(0.8, 0.1)})
    record = study.run(experiment)
    gone = np.arange(0, 12, 3)
    assert np.isinf(record.unperturbed[gone]).all()
    assert not set(gone) & set(record.survivor.tolist())
    passages = first_passage_times(record.unperturbed, 0.88)
    assert not passages.reached[gone].any()
    assert (passages.time[gone] == 5).all()
    run = tg.run(dataclasses.replace(experiment, trajectories=12, epochs=5, seed=4))
    again = make_study(candidates={"shrink": ShrinkAndPerturb(0.8, 0.1)}).run(experiment, unperturbed=run)
    assert np.array_equal(again.unperturbed, record.unperturbed, equal_nan=True)
    assert np.array_equal(again.survivor, record.survivor)


def test_plain_functions_are_candidates():
    def halve(weights, state, context):
        return {name: value / 2 for name, value in weights.items()}, state

    record = make_study(candidates={"halve": halve, "partial": PartialReset()}).run(make_experiment())
    assert set(record.residual) == {"halve", "partial"}
    assert tg.advise(record).recommendation


def test_direction_down_looks_at_the_loss():
    from thermograd.observables import Loss

    study = make_study(target=0.9, direction="down", candidates={"shrink": ShrinkAndPerturb()})
    record = study.run(make_experiment(observe=[Loss()]))
    assert (np.nanmin(record.unperturbed, axis=1)[record.survivor] > 0.9).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": float("nan")}, "target is nan"),
        ({"direction": "Up"}, "direction is 'Up'"),
        ({"interval": 0}, "interval is 0"),
        ({"horizon": 2.5}, "horizon is 2.5"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        make_study(**options)


def test_misuse_is_explained(measured):
    with pytest.raises(ValueError, match=r"call run\(experiment\) or drive"):
        make_study().verify([3])
    with pytest.raises(ValueError, match="no candidate 'warm'; known: reset, shrink"):
        measured.verify([3], ["warm"])
    with pytest.raises(ValueError, match="interval 12 is outside 1 to 11"):
        measured.verify([12], ["shrink"])
    with pytest.raises(ValueError, match="perturbed already"):
        make_study().run(make_experiment(perturbation=Reset(), perturb=Epochs(1)))
    with pytest.raises(
        ValueError, match=r"target is 95, but test_accuracy is between 0 and 1; did you mean 0\.95"
    ):
        make_study(target=95).run(make_experiment())
