"""The sums of StochasticArea against stored weights, the stationary state, a live optimizer and a broken run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Epochs, Every
from thermograd.observables.stochastic_area import StochasticArea
from thermograd.problems.digits import Digits
from thermograd.problems.quadratic import Quadratic

FIELDS = ("count", "sum", "second_moment", "area", "displacement")


def naive(points, basis, updates):
    """Sums over consecutive points `(time, N)`, term by term."""
    place = (points - points[0]) @ basis
    total = {name: 0.0 for name in FIELDS}
    for step in range(updates):
        away, move = place[step], place[step + 1] - place[step]
        total["count"] += 1
        total["sum"] = total["sum"] + away
        total["second_moment"] = total["second_moment"] + np.outer(away, away)
        total["displacement"] = total["displacement"] + move
        total["area"] = total["area"] + (np.outer(away, move) - np.outer(move, away)) / 2
    return total


def experiment(area, **changes):
    arguments = {
        "problem": Quadratic(samples=12),
        "minibatching": WithReplacement(batch_size=3),
        "dynamics": SGD(0.2),
        "trajectories": 3,
        "steps": 20,
        "observe": (area,),
        "save_weights": Every(1),
        "dtype": "float64",
    }
    return tg.Experiment(**arguments | changes)


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("directions", [8, np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])])
def test_sums_of_stored_weights(every, directions):
    area = StochasticArea(every=Every(every), at=At((8, 20)), directions=directions)
    run = tg.run(experiment(area))
    basis = np.eye(3) if isinstance(directions, int) else directions
    for time in (8, 20):
        for trajectory in range(3):
            points = np.stack([run.weights(t)["position"][trajectory] for t in range(0, 21, every)])
            expected = naive(points, basis, time // every)
            for name in FIELDS:
                found = np.asarray(run[f"stochastic_area/{name}"])[trajectory]
                times = list(run.times(f"stochastic_area/{name}"))
                np.testing.assert_allclose(found[times.index(time)], expected[name], atol=1e-12)
    assert len(times) == 2


def test_random_directions_of_a_network():
    pytest.importorskip("sklearn")
    area = StochasticArea(every=Epochs(1), at=Epochs(1), directions=4, seed=3)
    run = tg.run(
        experiment(
            area,
            problem=Digits(hidden=(4,), train_samples=64),
            minibatching=WithoutReplacement(batch_size=16),
            steps=12,
            save_weights=Epochs(1),
            dtype="float32",
        )
    )
    basis = area.basis(sum(np.prod(value.shape[1:]) for value in run.weights(0).values()))
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    flat = [
        np.concatenate([value[1].reshape(-1) for value in run.weights(t).values()]).astype(float)
        for t in (0, 4, 8, 12)
    ]
    expected = naive(np.stack(flat), basis, 3)
    for name in FIELDS:
        np.testing.assert_allclose(
            np.asarray(run[f"stochastic_area/{name}"])[1, -1], expected[name], atol=1e-10
        )


def test_area_per_update_is_the_circulation():
    """Long enough for 4 standard errors to mean something, against the theory of two coupled directions."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    curvature = torch.tensor([1.0, 0.2])

    def loss(outputs, _):
        return 0.5 * (curvature.to(outputs) * outputs.square()).sum(-1)

    problem = tg.Problem(
        forward=lambda weights, inputs: weights["position"] - inputs,
        loss=loss,
        train=(torch.from_numpy(centres), torch.zeros(40)),
        initial=lambda generator: {"position": torch.zeros(2)},
    )
    area = StochasticArea(at=At((200, 3000)))
    run = tg.run(
        experiment(area, problem=problem, steps=3000, trajectories=60, dynamics=SGD(0.3), save_weights=None)
    )
    window = {name: np.diff(np.asarray(run[f"stochastic_area/{name}"]), axis=1)[:, -1] for name in FIELDS}
    state = tg.stationary_state(
        tg.Landscape(
            sample_gradients=-(centres - centres.mean(0)) * curvature.numpy(),
            hessian=np.diag(curvature.numpy()),
        ),
        learning_rate=0.3,
        batch_size=3,
    )
    swept = window["area"][:, 0, 1] / window["count"]
    error = swept.std(ddof=1) / np.sqrt(60)
    assert abs(swept.mean() - state.circulation[0, 1]) < 4 * error
    assert abs(swept.mean()) > 8 * error  # there is a current to be seen


def test_a_run_that_went_on_has_the_same_bits(tmp_path):
    area = StochasticArea(every=Every(3), at=Every(5))
    whole = tg.run(experiment(area, save_weights=None))
    first = tg.run(experiment(area, save_weights=None, steps=20), store=tmp_path / "run", until=7)
    assert first is not None
    done = tg.resume(tmp_path / "run")
    for name in FIELDS:
        assert np.array_equal(
            np.asarray(done[f"stochastic_area/{name}"]), np.asarray(whole[f"stochastic_area/{name}"])
        )


def test_the_same_in_a_watch():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    area = StochasticArea()
    probe = tg.watch(optimizer, observe=[area])
    generator = torch.Generator().manual_seed(1)
    points = []
    for _ in range(15):
        points.append(torch.cat([p.detach().reshape(-1) for p in model.parameters()]).double().numpy())
        optimizer.zero_grad()
        model(torch.randn(4, 3, generator=generator)).square().sum().backward()
        optimizer.step()
    points.append(torch.cat([p.detach().reshape(-1) for p in model.parameters()]).double().numpy())
    expected, found = naive(np.stack(points), np.eye(8), 15), probe["stochastic_area"]
    for name in FIELDS:
        np.testing.assert_allclose(found[name].numpy(), expected[name], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"directions": 0}, "directions is 0"),
        ({"directions": True}, "directions is True"),
        ({"seed": -1}, "seed is -1"),
        ({"directions": np.ones(3)}, "must be"),
        ({"directions": np.full((3, 1), np.nan)}, "finite"),
        ({"centre": "mean"}, "centre is 'mean'"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        StochasticArea(**arguments)


def test_a_number_of_numpy_is_a_number():
    assert StochasticArea(directions=np.int64(4)) == StochasticArea(directions=4)


def test_chosen_directions_are_part_of_what_a_folder_holds(tmp_path):
    """A run in columns goes on with the same columns, to the same bits, and not with others."""
    columns = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    chosen = experiment(StochasticArea(at=Every(5), directions=columns), save_weights=None)
    tg.run(chosen, store=tmp_path / "run", until=7)
    others = experiment(StochasticArea(at=Every(5), directions=2 * columns), save_weights=None)
    with pytest.raises(tg.errors.ExperimentMismatchError, match="observe"):
        tg.resume(tmp_path / "run", experiment=others)
    done, whole = tg.resume(tmp_path / "run", experiment=chosen), tg.run(chosen)
    for name in FIELDS:
        key = f"stochastic_area/{name}"
        assert np.array_equal(np.asarray(done[key]), np.asarray(whole[key]))


def test_directions_of_another_network_are_refused():
    with pytest.raises(ValueError, match="5 rows; there are 3 parameters"):
        tg.run(experiment(StochasticArea(directions=np.ones((5, 2)))))
