import json

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble import training_loop
from thermograd.errors import EnvironmentChangedError
from thermograd.minibatching import WithoutReplacement
from thermograd.problems import LennardJones
from thermograd.problems.lennard_jones import make_trimers, trimer_energy
from thermograd.store.array_cache import content_hash

SMALL = {"samples": 40, "test_samples": 20}


def short(**settings):
    return tg.Experiment(
        LennardJones(**SMALL), WithoutReplacement(10), SGD(0.05), **{"trajectories": 2, "steps": 8} | settings
    )


@pytest.mark.parametrize(
    ("hidden", "count"),
    [((10,), 74), ((5, 5), 69), ((4, 4, 4), 72), ((1,), 11), ((1, 1), 13), ((1, 1, 1), 15)],
)
def test_parameters_of_the_published_networks(hidden, count):
    problem = LennardJones(hidden=hidden)
    assert problem.parameter_count == count
    assert sum(weights.numel() for weights in problem._network().parameters()) == count
    weights = tg.Experiment(LennardJones(hidden=hidden, **SMALL), steps=1).initial_weights([0])
    assert sum(value.size for value in weights.values()) == count


def test_the_defaults_are_the_published_setting():
    problem = LennardJones()
    assert (problem.hidden, problem.samples, problem.regulariser) == ((5, 5), 1000, 1e-4)
    assert (problem.coordinates, problem.descent_steps, problem.seed) == (2, 6, 0)
    assert problem.parameter_count / problem.samples == pytest.approx(0.069)


def test_training_and_test_samples_follow_each_other():
    problem = LennardJones(coordinates=3, seed=3, **SMALL).build()
    inputs, labels = make_trimers(60, coordinates=3, seed=3)
    np.testing.assert_array_equal(problem.train[0], inputs[:40])
    np.testing.assert_array_equal(problem.test[1], labels[40:])
    assert content_hash(inputs, labels) in problem.provenance
    assert float(trimer_energy(np.ones(3))) == pytest.approx(2.75)


def test_the_hash_of_the_data_is_in_the_notes_and_the_manifest(tmp_path):
    pytest.importorskip("zarr")
    pytest.importorskip("safetensors")
    provenance = LennardJones(**SMALL).build().provenance
    assert f"data: {provenance}" in tg.run(short()).notes
    tg.run(short(), store=tmp_path / "run")
    assert f"data: {provenance}" in json.loads((tmp_path / "run" / "manifest.json").read_text())["notes"]
    assert LennardJones(seed=1, **SMALL).build().provenance != provenance


def test_a_run_that_goes_on_with_other_data_says_so(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    pytest.importorskip("safetensors")
    tg.run(short(), store=tmp_path / "run", until=4)
    assert not any("other data" in note for note in tg.run(short(), store=tmp_path / "same", until=4).notes)
    monkeypatch.setattr(training_loop, "data_note", lambda _: ("data: sha256 of another machine",))
    with pytest.raises(EnvironmentChangedError, match="→ sha256 of another machine"):
        tg.resume(tmp_path / "run", strict=True)
    run = tg.run(short(), store=tmp_path / "run")
    assert run.complete
    (note,) = (note for note in run.notes if "other data" in note)
    assert "→ sha256 of another machine" in note


def test_softmax_cross_entropy_with_the_squares_of_all_parameters():
    problem = LennardJones(hidden=(3,), regulariser=0.3, **SMALL)
    given = tg.Experiment(problem, steps=1, trajectories=1)
    weights = {name: value[0] + 0.2 for name, value in given.initial_weights([0]).items()}
    start = {name: torch.from_numpy(value) for name, value in weights.items()}
    run = tg.run(
        tg.Experiment(problem, WithoutReplacement(10), SGD(0.1), steps=1, trajectories=1, start=start)
    )
    inputs, targets = (part.numpy() for part in problem.build().train)
    hidden = np.tanh(inputs @ weights["0.weight"].T + weights["0.bias"])
    logits = hidden @ weights["2.weight"].T + weights["2.bias"]
    cross_entropy = np.log(np.exp(logits).sum(1)) - logits[np.arange(40), targets]
    expected = cross_entropy.mean() + 0.3 * sum((value**2).sum() for value in weights.values())
    assert run["train_loss"][0, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": (5, 0)}, "layer widths"),
        ({"samples": 0}, "samples is 0"),
        ({"test_samples": 0}, "test_samples is 0"),
        ({"coordinates": 4}, "coordinates is 4"),
        ({"descent_steps": 1.5}, "descent_steps is 1.5"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        LennardJones(**options)
