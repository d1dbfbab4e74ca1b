"""The door of the mean-field theory: what its arguments do, what it refuses, and many points at once."""

from __future__ import annotations

import math
import pickle
import tracemalloc
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from thermograd.errors import DivergedError, MemoryLimitError
from thermograd.theory import mean_field
from thermograd.theory.mean_field_settings import SolverSettings


def test_persistence_of_one_over_the_fraction_is_sgd_bit_by_bit(mixture):
    settings = {"learning_rate": 0.2, "steps": 20, "paths": 400, "response_paths": 100, "seeds": 2}
    plain = mean_field.solve(mixture(), selection="sgd", **settings)
    persistent = mean_field.solve(mixture(), selection="persistent", persistence=1 / 0.3, **settings)
    for name, value in vars(plain).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, getattr(persistent, name)), name


def test_a_longer_solution_begins_with_the_shorter_one_and_seeds_are_their_own(mixture):
    settings = {"learning_rate": 0.2, "paths": 400, "response_paths": 100, "selection": "persistent"}
    settings |= {"persistence": 8, "replicas": 2}
    short = mean_field.solve(mixture(), steps=12, seeds=2, seed=3, **settings)
    long = mean_field.solve(mixture(), steps=21, seeds=3, seed=3, **settings)
    for name in ("overlap", "correlation", "response", "memory_kernel", "train_loss", "cross_correlation"):
        value = getattr(short, name)
        begin = getattr(long, name)[tuple(slice(size) for size in value.shape)]
        np.testing.assert_allclose(begin, value, rtol=1e-9, atol=1e-12)
    assert not np.allclose(long.overlap[1], long.overlap[0])


def test_a_memory_as_long_as_the_training_changes_nothing_and_a_short_one_is_warned_of(mixture):
    settings = {"learning_rate": 0.2, "steps": 50, "paths": 400, "response_paths": 100, "seeds": 1}
    full = mean_field.solve(mixture(), **settings)
    same = mean_field.solve(mixture(), memory=49, **settings)
    assert np.array_equal(full.correlation, same.correlation)
    with pytest.warns(UserWarning, match="memory is 20 steps, and the truncation error about"):
        mean_field.solve(mixture(), memory=20, **settings)


def test_a_selection_of_ones_own_that_is_plain_sgd_gives_what_sgd_gives(mixture, agrees):
    def halves(paths, steps, fraction, generator):
        return np.where(generator.random((steps, paths)) < fraction, 1 / fraction, 0.0)

    settings = {"learning_rate": 0.2, "steps": 30, "paths": 4000, "seeds": 8}
    own = mean_field.solve(mixture(), selection=halves, **settings)
    plain = mean_field.solve(mixture(), **settings)
    for name, time in (("overlap", 30), ("norm_squared", 30), ("train_loss", 29)):
        one, other = (getattr(found, name)[:, time] for found in (own, plain))
        agrees(one.mean(), one.std(ddof=1) / math.sqrt(8), other.mean(), other.std(ddof=1) / math.sqrt(8))
    assert "halves" in own.rests_on


def test_without_dividing_by_b_the_samples_pull_b_times_as_much(mixture):
    """At b = 1 nothing changes; at b = 0.5 the force of the first step is half as large."""
    settings = {"learning_rate": 0.1, "steps": 2, "paths": 4000, "seeds": 2, "selection": "sgd"}
    scaled, plain = (
        mean_field.solve(mixture(), batch_fraction=0.5, rescale=rescale, **settings)
        for rescale in (True, False)
    )
    np.testing.assert_allclose(plain.overlap[:, 1], scaled.overlap[:, 1] / 2, rtol=1e-12)


def test_divergence_is_said_with_its_step_its_limit_and_what_went_well(mixture):
    with pytest.raises(
        DivergedError, match=r"after step \d+.*largest curvature at the start is about 3\.85"
    ) as caught:
        mean_field.solve(
            mixture(loss="square"), learning_rate=2.0, steps=100, selection="gd", paths=200, response_paths=50
        )
    partial = caught.value.partial
    assert 5 < partial.steps < 100
    assert partial.overlap.shape == (1, partial.steps + 1)
    assert np.isfinite(partial.correlation).all()
    stable = mean_field.solve(
        mixture(loss="square"),
        learning_rate=1.95 / 3.85,
        steps=100,
        selection="gd",
        paths=1000,
        response_paths=50,
        seeds=1,
    )
    assert stable.correlation[0, -1, -1] < 2
    unstable = mean_field.solve(
        mixture(loss="square"),
        learning_rate=2.1 / 3.85,
        steps=100,
        selection="gd",
        paths=1000,
        response_paths=50,
        seeds=1,
    )
    assert unstable.correlation[0, -1, -1] > 2 * stable.correlation[0, -1, -1]


def test_what_does_not_fit_in_memory_is_refused_before_it_is_allocated(mixture, monkeypatch):
    import thermograd.theory.mean_field_settings as settings

    monkeypatch.setattr(settings, "free_memory", lambda: 10**9)
    with pytest.raises(MemoryLimitError, match=r"Use memory= .* or fewer response_paths"):
        mean_field.solve(mixture(), learning_rate=0.1, steps=1000)
    with pytest.raises(MemoryLimitError):
        mean_field.solve(mixture(), learning_rate=0.1, steps=10**6, memory=10)


def test_the_door_at_overlap_zero_is_warned_of(mixture):
    with pytest.warns(UserWarning, match="initial_overlap is 0: with the door"):
        mean_field.solve(mixture(clusters=3), learning_rate=0.1, steps=1, paths=40, response_paths=4, seeds=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or larger"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"replicas": 3}, "replicas is 3; it must be a whole number from 1 to 2"),
        ({"response_paths": 1, "replicas": 2}, "response_paths is 1"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"memory": 0}, "memory is 0"),
        ({"paths": 1}, "paths is 1"),
        ({"selection": "adam"}, "selection is 'adam'. Known: gd, persistent, reshuffled, sgd"),
        ({"batch_fraction": 0.0}, "batch_fraction is 0.0"),
        ({"persistence": 5.0}, "only selection='persistent' has one"),
        ({"selection": "persistent", "persistence": 2.0}, "1/batch_fraction = 3.33333 is plain SGD"),
        ({"selection": "reshuffled"}, "for example 0.333333"),
        ({"selection": lambda *_: np.ones((2, 2))}, r"shape \(2, 2\); it must return finite weights"),
        ({"selection": lambda paths, steps, *_: np.full((steps, paths), np.nan)}, "NaN or infinity"),
    ],
)
def test_bad_arguments_are_named(mixture, options, says):
    with pytest.raises(ValueError, match=says):
        mean_field.solve(
            mixture(), **{"learning_rate": 0.1, "steps": 3, "paths": 40, "response_paths": 4} | options
        )


def test_another_object_is_refused_by_what_it_lacks():
    with pytest.raises(
        ValueError, match=r"problem is SimpleNamespace without sample_ratio, .*give a GaussianMixture"
    ):
        mean_field.solve(SimpleNamespace(loss="square"), learning_rate=0.1, steps=3)


class Recorder:
    """An executor that runs at once and remembers what it was given."""

    def __init__(self):
        self.given = []

    def submit(self, function, *arguments):
        self.given.append(pickle.loads(pickle.dumps(arguments)))
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_many_points_are_solved_in_their_order_here_or_by_an_executor(mixture):
    common = {"problem": mixture(), "steps": 3, "paths": 40, "response_paths": 4, "seeds": 2}
    points = [common | {"learning_rate": rate} for rate in (0.1, 0.2)]
    recorder = Recorder()
    here, elsewhere = mean_field.solve_many(points), mean_field.solve_many(points, executor=recorder)
    assert len(recorder.given) == 2
    for point, one, other in zip(points, here, elsewhere, strict=True):
        alone = mean_field.solve(**point)
        assert np.array_equal(one.overlap, alone.overlap)
        assert np.array_equal(other.overlap, alone.overlap)
    with pytest.raises(ValueError, match="point 0 has no problem"):
        mean_field.solve_many([{"steps": 3}])
    with pytest.raises(ValueError, match="point 0 has 'rate', which solve does not take"):
        mean_field.solve_many([{"problem": mixture(), "rate": 3}])


@pytest.mark.parametrize("options", [{"seeds": 3}, {"seeds": 2, "replicas": 2}, {"seeds": 2, "memory": 20}])
def test_the_memory_that_is_announced_is_what_is_taken(options, mixture):
    sizes = {"steps": 120, "paths": 1000, "response_paths": 200} | options
    announced = sum(SolverSettings(learning_rate=0.1, **sizes).bytes_needed().values())
    tracemalloc.start()
    try:
        mean_field.solve(mixture(sample_ratio=4.0, weight_decay=0.3), learning_rate=0.1, **sizes)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.6 * announced < taken < 1.1 * announced
