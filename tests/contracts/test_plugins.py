"""What every plug-in that `discover` finds must do. Each check has a broken plug-in that must fail it."""

import dataclasses
import inspect
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.discover import available, snake_case
from thermograd.minibatching import Persistent, WithoutReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import DissipationAndFluctuation, TwoTimeDisplacement
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.problems.problem import Problem
from thermograd.protocols import Accumulator, HiddenLayer, Observable, Tracker

ROLES = ("problems", "minibatching", "dynamics", "perturbations", "observables")
PLUGINS = [(role, kind, cls) for role in ROLES for kind, cls in available(f"thermograd.{role}").items()]

SUPPLIED = {
    "cifar10": {"train_samples": 40, "test_samples": 20, "width": 4},
    "cifar10_convolutional": {"train_samples": 40, "test_samples": 20},
    "lennard_jones": {"samples": 40, "test_samples": 20},
    "mnist": {"hidden": (8,), "train_samples": 40, "test_samples": 20},
    "mnist_linear": {"train_samples": 40},
    "mnist_tanh": {"train_samples": 40, "test_samples": 20},
}
"""Problems whose data have to be supplied or made, at a size that trains at once."""
MADE_HERE = {"lennard_jones"}


def of(role):
    return [pytest.param(cls, id=kind) for found, kind, cls in PLUGINS if found == role]


def trackers():
    return [
        entry
        for entry in of("observables")
        if isinstance(entry.values[0](), Tracker)
        and not isinstance(entry.values[0](), Observable | Accumulator)
    ]


def make_problem():
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(70, 5, generator=generator), torch.randint(3, (70,), generator=generator)
    return Problem(
        model=lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x[:40], y[:40]),
        test=(x[40:], y[40:]),
    )


def make_experiment(**options):
    return tg.Experiment(
        **{"problem": make_problem(), "minibatching": WithoutReplacement(8), "trajectories": 3, "steps": 12}
        | options
    )


def check_form(kind, cls):
    assert snake_case(cls.__name__) == kind
    assert cls.__dataclass_params__.frozen
    assert cls() == cls()
    documented = inspect.getdoc(cls) or ""
    assert documented
    assert not documented.startswith(f"{cls.__name__}(")
    for entry in dataclasses.fields(cls):
        assert f"{entry.name}:" in documented, f"{cls.__name__}.{entry.name} is not documented"


def check_accumulator(accumulator):
    """Starts from nothing, adds, and changes nothing it was given."""
    problem = make_experiment().functional
    before, _ = problem.draw_initial(1)
    after = {name: value + 0.5 for name, value in before.items()}
    gradient = {name: torch.ones_like(value) for name, value in before.items()}
    state = accumulator.start(before)
    given = {
        **state,
        **{f"{k}/{n}": v for k, d in enumerate((before, after, gradient)) for n, v in d.items()},
    }
    kept = {name: value.clone() for name, value in given.items()}
    twice = accumulator.accumulate(
        accumulator.accumulate(state, before, after, gradient), before, after, gradient
    )
    assert {n: (v.shape, v.dtype) for n, v in twice.items()} == {
        n: (v.shape, v.dtype) for n, v in state.items()
    }
    for name, value in given.items():
        assert torch.equal(value, kept[name]), f"{name} was changed in place"
    once = accumulator.read(accumulator.accumulate(state, before, after, gradient))
    for name, value in accumulator.read(twice).items():
        assert torch.allclose(value, 2 * once[name]), f"{name} is no sum"


def check_tracker(tracker):
    """Records what it asked for, changes nothing it was given, and goes on after a save."""
    weights = {"a": torch.randn(3, 4, 2), "b": torch.randn(3, 5)}
    whole, kept = tracker.start(weights, (4, 0, 9)), tracker.start(weights, 3)
    for step in range(1, 31):
        weights = {name: value * 1.1 for name, value in weights.items()}
        before = {name: value.clone() for name, value in weights.items()}
        for at_work in (whole, kept):
            if step >= at_work.due:
                at_work.record(step, weights)
            assert at_work.due > step
        if step == 17:
            state = kept.state_dict()
            kept = tracker.start(weights, 3)
            kept.load_state_dict(state)
        for name, value in weights.items():
            assert torch.equal(value, before[name]), f"{name} was changed in place"
    found, again = whole.arrays(), kept.arrays()
    assert found.keys() == again.keys()
    for name, value in found.items():
        assert np.array_equal(value, again[name], equal_nan=value.dtype.kind == "f"), f"{name} was not saved"
        assert len(value) == 3
    longer = {name: value.shape for name, value in whole.arrays(60).items()}
    assert {name: value.shape for name, value in tracker.start(weights, 3).arrays(60).items()} == longer
    assert whole.table() is not None


def check_bits(experiment):
    """Same numbers however many run, and after an interruption."""
    whole = tg.run(experiment)
    fewer = tg.run(dataclasses.replace(experiment, trajectories=2))
    resumed = tg.run(resume=tg.run(experiment, until=7))
    for other, rows in ((fewer, 2), (resumed, 3)):
        for name in whole.names:
            assert np.array_equal(other[name], whole[name][:rows], equal_nan=True)
        for name, value in whole.weights().items():
            assert np.array_equal(other.weights()[name], value[:rows])
    return whole


def check_perturbation(perturbation):
    problem = make_experiment().functional
    weights, _ = problem.draw_initial(1)
    state = {f"optimizer/momentum_buffer/{name}": torch.ones_like(value) for name, value in weights.items()}
    state["hyperparameters/learning_rate"] = torch.tensor(0.1)
    hidden = (HiddenLayer("0", None, "2", torch.ones(6, 4, 1)),)
    moment = Moment(
        metric=0.5, best=({n: v + 1 for n, v in weights.items()}, dict(state)), hidden_layers=lambda: hidden
    )
    before = {name: value.clone() for name, value in (weights | state).items()}

    def once(trajectory):
        context = PerturbationContext(problem, seed=5, trajectory=trajectory, step=8, moment=moment)
        return perturbation.apply(weights, state, context)

    new, rest = once(0)
    assert {n: v.shape for n, v in new.items()} == {n: v.shape for n, v in weights.items()}
    assert set(state) <= set(rest)
    for name, value in (weights | state).items():
        assert torch.equal(value, before[name]), f"{name} was changed in place"
    again, _ = once(0)
    assert all(torch.equal(new[name], again[name]) for name in new)
    other, _ = once(1)
    draws = getattr(perturbation, "draws_fresh", False) and not getattr(
        perturbation, "needs_activations", False
    )
    assert draws == any(not torch.equal(new[name], other[name]) for name in new)


def check_minibatching(rule, samples=40):
    """Batches of a trajectory do not depend on the others, differ from theirs, and leave the state as it was."""
    per_epoch = rule.steps_per_epoch(samples)
    rows, state = (0, 4, 9), rule.start(2, (0, 4, 9), samples)
    alone = rule.start(2, (4,), samples)
    for step in range(2 * per_epoch + 1):
        kept = {key: value.copy() for key, value in state.items()} if isinstance(state, dict) else {}
        batch, later = rule.draw(state, 2, rows, step, samples)
        for key, value in kept.items():
            assert np.array_equal(state[key], value), f"{key} was changed in place"
        state = later
        single, alone = rule.draw(alone, 2, (4,), step, samples)
        shares = np.ones(batch.indices.shape) if batch.weights is None else batch.weights
        assert np.array_equal(single.indices[0], batch.indices[1])
        assert batch.weights is None or np.array_equal(single.weights[0], batch.weights[1])
        assert batch.indices.min() >= 0
        assert batch.indices.max() < samples
        assert not np.array_equal(batch.indices[0] * shares[0], batch.indices[1] * shares[1])


@pytest.mark.parametrize(("role", "kind", "cls"), [pytest.param(*p, id=f"{p[0]}.{p[1]}") for p in PLUGINS])
def test_form(role, kind, cls):
    check_form(kind, cls)
    assert getattr(__import__(f"thermograd.{role}", fromlist=[role]), cls.__name__) is cls


@pytest.mark.parametrize("cls", of("problems"))
def test_problem(cls, request):
    kind = snake_case(cls.__name__)
    settings = SUPPLIED.get(kind, {})
    if settings and kind not in MADE_HERE:
        request.getfixturevalue("named_data")
    problem = cls(**settings).build()
    assert isinstance(problem, Problem)
    same = cls(**settings).build()
    assert all(torch.equal(a, b) for a, b in zip(problem.train, same.train, strict=True))
    run = tg.run(
        tg.Experiment(
            cls(**settings),
            WithoutReplacement(10),
            trajectories=2,
            steps=2,
            dynamics=available("thermograd.dynamics")["sgd"](1e-8),
        )
    )
    assert np.isfinite(run["train_loss"]).all()


@pytest.mark.parametrize("cls", of("minibatching"))
def test_minibatching(cls):
    check_minibatching(cls())
    check_bits(make_experiment(minibatching=cls()))


def test_persistent_minibatching_of_a_fixed_size():
    check_minibatching(Persistent(persistence=30, fixed_size=True))
    check_bits(make_experiment(minibatching=Persistent(persistence=30, fixed_size=True)))


@pytest.mark.parametrize("cls", of("dynamics"))
def test_dynamics(cls):
    run = check_bits(make_experiment(dynamics=cls()))
    assert (np.diff(run["train_loss"][:, [0, -1]]) != 0).all()


@pytest.mark.parametrize("cls", of("perturbations"))
def test_perturbation(cls):
    check_perturbation(cls())
    check_bits(make_experiment(perturbation=cls(), perturb=At((3, 9))))


@pytest.mark.parametrize("cls", [entry for entry in of("observables") if entry not in trackers()])
def test_observable(cls):
    run = check_bits(make_experiment(observe=[cls(at=Every(3))]))
    assert [name.partition("/")[0] for name in run.names] == [cls().name] * len(run.names)
    for name in run.names:
        assert run[name].shape[:2] == (3, 5)
        assert np.ptp(run[name].reshape(-1)) > 0


@pytest.mark.parametrize(
    "cls", [entry for entry in of("observables") if isinstance(entry.values[0](), Accumulator)]
)
def test_accumulator(cls):
    check_accumulator(cls())
    check_bits(make_experiment(observe=[cls(every=Every(5), at=Every(3))]))


@pytest.mark.parametrize("cls", trackers())
def test_tracker(cls):
    check_tracker(cls())


@dataclass(frozen=True)
class Forgetful(TwoTimeDisplacement):
    """Broken: what it has recorded is not in its state."""

    def start(self, parameters, trajectories=None):
        tracking = super().start(parameters, trajectories)
        tracking.load_state_dict = lambda state: None
        return tracking


def test_broken_trackers_fail():
    with pytest.raises(AssertionError, match="was not saved"):
        check_tracker(Forgetful())


@dataclass(frozen=True)
class AddsInPlace(DissipationAndFluctuation):
    """Broken: changes its state."""

    def accumulate(self, state, before, after, gradient):
        state["count"] += 1
        return state


@dataclass(frozen=True)
class Forgets(DissipationAndFluctuation):
    """Broken: keeps the last term instead of the sum."""

    def accumulate(self, state, before, after, gradient):
        return super().accumulate(super().start(before), before, after, gradient)


@pytest.mark.parametrize(("broken", "says"), [(AddsInPlace(), "in place"), (Forgets(), "no sum")])
def test_broken_accumulators_fail(broken, says):
    with pytest.raises(AssertionError, match=says):
        check_accumulator(broken)


@dataclass(frozen=True)
class InPlace:
    """Broken: changes its input."""

    def apply(self, weights, state, context):
        for value in weights.values():
            value.mul_(0.5)
        return weights, state


@dataclass(frozen=True)
class Unseeded(ShrinkAndPerturb):
    """Broken: draws from the global generator."""

    draws_fresh: ClassVar[bool] = True

    def apply(self, weights, state, context):
        return {name: value + torch.randn_like(value) for name, value in weights.items()}, state


@dataclass(frozen=True)
class SharedPermutation:
    """Broken: all trajectories see the same batches."""

    def steps_per_epoch(self, samples):
        return 4

    def start(self, seed, trajectories, samples):
        return None

    def draw(self, state, seed, trajectories, step, samples):
        batch, _ = WithoutReplacement(10).draw(None, seed, (0,), step, samples)
        return batch._replace(indices=np.repeat(batch.indices, len(trajectories), axis=0)), None


@dataclass(frozen=True)
class ChangesItsState(Persistent):
    """Broken: the state it was given is that of the next update already."""

    def draw(self, state, seed, trajectories, step, samples):
        batch, later = super().draw(state, seed, trajectories, step, samples)
        state.update(later)
        return batch, state


@dataclass(frozen=True)
class Undocumented:
    """Broken: says nothing of its field."""

    size: int = 3


@pytest.mark.parametrize("broken", [InPlace(), Unseeded()])
def test_broken_perturbations_fail(broken):
    with pytest.raises(AssertionError):
        check_perturbation(broken)


@pytest.mark.parametrize("broken", [SharedPermutation(), ChangesItsState()])
def test_broken_minibatching_fails(broken):
    with pytest.raises(AssertionError):
        check_minibatching(broken)


def test_broken_form_fails():
    with pytest.raises(AssertionError, match="size is not documented"):
        check_form("undocumented", Undocumented)


def test_something_was_found():
    found = {role: set(available(f"thermograd.{role}")) for role in ROLES}
    assert found["perturbations"] >= {
        "shrink_and_perturb",
        "partial_reset",
        "reset",
        "warm_restart",
        "reset_to_best",
        "continual_backprop",
    }
    assert found["problems"] >= {
        "digits",
        "quadratic",
        "nonlinear_regression",
        "phase_retrieval",
        "cifar10",
        "digits_linear",
        "lennard_jones",
        "mnist_linear",
        "mnist_tanh",
        "gaussian_mixture",
    }
    assert not {name for name in found["problems"] if "images" in name or "data" in name}
    assert found["minibatching"] >= {"with_replacement", "without_replacement", "persistent"}
    assert found["observables"] >= {
        "loss",
        "accuracy",
        "boundary_width",
        "displacement",
        "dissipation_and_fluctuation",
        "replica_distance",
        "stochastic_area",
        "two_time_displacement",
    }
    assert found["dynamics"] >= {"sgd", "adam", "earthquake", "sgld", "sgworld"}
