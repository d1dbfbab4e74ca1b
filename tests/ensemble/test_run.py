import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.errors import ExperimentMismatchError, MemoryLimitError
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At, Epochs, Every, Logarithmic, Random
from thermograd.observables import Accuracy, Displacement, Loss
from thermograd.perturbations import Reset, ShrinkAndPerturb
from thermograd.problems import Quadratic

GENERATOR = torch.Generator().manual_seed(1)
INPUTS, CLASSES = torch.randn(60, 3, generator=GENERATOR), torch.randint(4, (60,), generator=GENERATOR)
CROSS_ENTROPY = nn.CrossEntropyLoss(reduction="none")


def network():
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4))


def make_problem(**options):
    data = (INPUTS[:40], CLASSES[:40]), (INPUTS[40:], CLASSES[40:])
    return tg.Problem(
        **{"model": network, "loss": CROSS_ENTROPY, "train": data[0], "test": data[1]} | options
    )


def make_experiment(**options):
    return tg.Experiment(
        **{
            "problem": make_problem(),
            "minibatching": WithoutReplacement(8),
            "dynamics": SGD(0.3, momentum=0.8),
            "trajectories": 6,
            "epochs": 4,
            "seed": 11,
            "block_size": 4,
        }
        | options
    )


def all_arrays(run):
    return {name: run[name] for name in run.names} | run.weights() | {"diverged_at": run.diverged_at}


def assert_same(one, other, rows=slice(None)):
    first, second = all_arrays(one), all_arrays(other)
    assert first.keys() == second.keys()
    for name in first:
        assert np.array_equal(first[name], second[name][rows], equal_nan=True), name


def test_records_have_time_zero_and_every_epoch():
    run = tg.run(make_experiment())
    assert run.names == ("train_loss", "test_accuracy")
    assert run["test_accuracy"].shape == (6, 5)
    assert run.times("test_accuracy", unit="epoch").tolist() == [0, 1, 2, 3, 4]
    assert run.times("train_loss").tolist() == [0, 5, 10, 15, 20]
    assert run.complete
    assert run.committed.tolist() == [20, 20]
    assert np.isfinite(run["train_loss"]).all()


def test_recorded_values_are_those_of_the_recorded_weights():
    experiment = make_experiment(observe=[Loss(), Accuracy(), Displacement()], save_weights=Every(5))
    run = tg.run(experiment)
    for step in (0, 10, 20):
        weights, place = run.weights(step), run.times("train_loss").tolist().index(step)
        for trajectory in range(6):
            net = network().double()
            net.load_state_dict(
                {name: torch.from_numpy(value[trajectory]) for name, value in weights.items()}
            )
            outputs = net(INPUTS.double())
            loss = CROSS_ENTROPY(outputs[:40], CLASSES[:40]).mean().item()
            accuracy = (outputs[40:].argmax(1) == CLASSES[40:]).double().mean().item()
            start = run.weights(0)
            moved = np.concatenate([(weights[n][trajectory] - start[n][trajectory]).ravel() for n in weights])
            assert run["train_loss"][trajectory, place] == pytest.approx(loss, rel=1e-13)
            assert run["test_accuracy"][trajectory, place] == accuracy
            assert run["displacement"][trajectory, place] == pytest.approx((moved**2).mean(), rel=1e-12)


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_a_trajectory_depends_on_seed_and_number_alone(mode):
    """Bits: not on how many run, nor on interruption."""
    options = (
        {}
        if mode == "vmap"
        else {
            "problem": make_problem(
                model=lambda: nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 4))
            )
        }
    )
    experiment = make_experiment(**options)
    assert tg.plan(experiment).mode == mode
    whole = tg.run(experiment)
    assert_same(tg.run(make_experiment(trajectories=3, **options)), whole, slice(3))
    assert_same(whole, tg.run(make_experiment(trajectories=9, **options)), slice(6))
    part = tg.run(experiment, until=7)
    assert not part.complete
    assert part.committed.tolist() == [7, 7]
    assert np.isnan(part["train_loss"][:, 2:]).all()
    assert_same(tg.run(resume=tg.run(resume=part, until=13)), whole)
    assert part.committed.tolist() == [7, 7]


def test_other_block_size_agrees_to_rounding():
    one, other = tg.run(make_experiment()), tg.run(make_experiment(block_size=256))
    for name, value in one.weights().items():
        assert np.allclose(value, other.weights()[name], rtol=1e-10, atol=0)


def test_other_seeds_and_trajectories_differ():
    run, other = tg.run(make_experiment()), tg.run(make_experiment(seed=12))
    assert not np.isclose(run["train_loss"][0, 0], run["train_loss"][1, 0])
    assert not np.isclose(run["train_loss"][0, 0], other["train_loss"][0, 0])


def test_shared_start_gives_replicas():
    run = tg.run(make_experiment(start="shared"))
    assert np.ptp(run["train_loss"][:, 0]) == 0
    assert np.ptp(run["train_loss"][:, -1]) > 0


def test_start_from_given_weights_and_momentum():
    whole = tg.run(make_experiment())
    single = {name: value[2] for name, value in whole.weights().items()}
    again = tg.run(make_experiment(start=single, steps=5, epochs=None))
    assert np.ptp(again["train_loss"][:, 0]) == 0
    assert again["train_loss"][0, 0] == pytest.approx(whole["train_loss"][2, -1], rel=1e-14)
    from thermograd.ensemble.experiment import Start

    rest = Start(
        whole.weights(), {f"momentum_buffer/{n}": np.zeros_like(v) for n, v in whole.weights().items()}
    )
    assert_same(
        tg.run(make_experiment(start=rest, steps=5, epochs=None)),
        tg.run(make_experiment(start=whole.weights(), steps=5, epochs=None)),
    )


def test_diverged_trajectories_are_data_and_leave_the_others_alone():
    """Trajectory 1 starts where the square overflows; the others are as in a run without it."""
    problem = tg.Problem(
        forward=lambda weights, inputs: weights["x"] * inputs,
        loss=lambda outputs, targets: ((outputs - targets) ** 4).sum(1),
        train=(torch.ones(8, 1), torch.zeros(8, 1)),
        initial=lambda generator: {"x": torch.rand(1, generator=generator)},
    )
    calm = {"x": torch.tensor([[0.1], [0.2], [0.3]])}
    wild = {"x": torch.tensor([[0.1], [50.0], [0.3]])}

    def experiment(start):
        return tg.Experiment(
            problem,
            WithoutReplacement(4),
            SGD(0.1),
            trajectories=3,
            steps=12,
            start=start,
            observe=[Loss(at=Every(1))],
        )

    quiet, loud = tg.run(experiment(calm)), tg.run(experiment(wild))
    rarely = tg.run(dataclasses.replace(experiment(wild), observe=[Loss(at=Every(12))]))
    assert np.array_equal(rarely.diverged_at, loud.diverged_at), "several updates in one call hide no step"
    assert np.array_equal(rarely["train_loss"][:, -1], loud["train_loss"][:, -1], equal_nan=True)
    assert loud.diverged_at[[0, 2]].tolist() == [-1, -1]
    gone = int(loud.diverged_at[1])
    x, steps = 50.0, 0
    with np.errstate(over="ignore"):
        x = np.float64(x)
        while np.isfinite(x):
            x, steps = x - 0.1 * 4 * x**3, steps + 1
    assert gone == steps
    assert np.isnan(loud["train_loss"][1, gone:]).all()
    assert np.isnan(loud.weights()["x"][1]).all()
    assert loud.outcome.tolist() == [1, 2, 1]
    assert loud.complete
    assert "1 of 3 trajectories diverged" in " ".join(loud.notes)
    assert np.array_equal(quiet["train_loss"][[0, 2]], loud["train_loss"][[0, 2]])


def test_all_diverged_ends_early_complete_with_a_note():
    run = tg.run(tg.Experiment(Quadratic((1.0,)), dynamics=SGD(1e200), trajectories=3, steps=10**6))
    assert run.complete
    assert (run.diverged_at == run.diverged_at[0]).all()
    assert run.committed.tolist() == [10**6]
    assert "3 of 3 trajectories diverged by step" in run.notes[-1]
    assert "learning_rate = 1e+200" in run.notes[-1]


def test_order_is_record_perturb_update():
    """A reset at epoch 2 is invisible in the value recorded then; update 10 starts from fresh weights."""
    kicked = tg.run(make_experiment(perturbation=Reset(), perturb=Epochs(2), save_weights=Every(1)))
    plain = tg.run(make_experiment(save_weights=Every(1)))
    for step in range(11):
        for name, value in plain.weights(step).items():
            assert np.array_equal(value, kicked.weights(step)[name])
    assert not np.array_equal(plain.weights(11)["0.weight"], kicked.weights(11)["0.weight"])
    assert np.array_equal(kicked["train_loss"][:, 2], plain["train_loss"][:, 2])
    again = tg.run(make_experiment(perturbation=Reset(), perturb=At((10, 15, 20, 0))))
    assert np.array_equal(again["train_loss"][:, 3], kicked["train_loss"][:, 3])


def test_random_kicks_hit_each_trajectory_at_its_own_times():
    seen = []

    def note(weights, state, context):
        seen.append((context.step, float(weights["0.bias"][0])))
        return weights, state

    times = Random(0.2)
    experiment = make_experiment(perturbation=note, perturb=times)
    run = tg.run(experiment)
    expected = [step for k in range(6) for step in times.kicks(20, 5, 11, k).tolist()]
    assert sorted(step for step, _ in seen) == sorted(expected)
    assert_same(run, tg.run(make_experiment()))


def test_a_perturbation_may_change_the_learning_rate():
    def halve(weights, state, context):
        assert context.metric is not None
        return weights, state | {"hyperparameters/learning_rate": state["hyperparameters/learning_rate"] / 2}

    options = {"dynamics": SGD(0.4), "save_weights": Every(1)}
    run = tg.run(make_experiment(perturbation=halve, perturb=At((10,)), **options))
    by_hand = tg.run(make_experiment(start=run.weights(10), dynamics=SGD(0.2), steps=1, epochs=None))
    same_batch = make_experiment(**options)
    problem = same_batch.functional
    weights = {n: torch.from_numpy(v[0]).requires_grad_() for n, v in run.weights(10).items()}
    batch = torch.from_numpy(same_batch.indices(0, 10))
    loss = problem.mean_loss(weights, (problem.train[0][batch], problem.train[1][batch]))
    slopes = torch.autograd.grad(loss, list(weights.values()))
    for (name, value), slope in zip(weights.items(), slopes, strict=True):
        assert np.allclose(run.weights(11)[name][0], (value - 0.2 * slope).detach(), rtol=1e-12, atol=1e-15)
    assert by_hand.complete


def test_batch_normalisation_and_dropout_are_the_trajectorys_own():
    def net():
        return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4))

    experiment = make_experiment(problem=make_problem(model=net), trajectories=2, dynamics=SGD(0.1))
    assert "batch normalisation" in tg.plan(experiment).reason
    run = tg.run(experiment)
    inputs, targets = experiment.functional.train
    test_inputs, test_targets = experiment.functional.test
    for trajectory in range(2):
        module = net().double()
        start = experiment.initial_weights([trajectory])
        module.load_state_dict(
            {name: torch.from_numpy(value[0]) for name, value in start.items()}, strict=False
        )
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for step in range(experiment.total_steps):
            batch = torch.from_numpy(experiment.indices(trajectory, step))
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs[batch]), targets[batch]).backward()
            optimizer.step()
        module.eval()
        accuracy = (module(test_inputs).argmax(1) == test_targets).double().mean().item()
        assert run["test_accuracy"][trajectory, -1] == accuracy
        loss = nn.functional.cross_entropy(module(inputs), targets).item()
        assert run["train_loss"][trajectory, -1] == pytest.approx(loss, rel=1e-10)


def test_random_state_and_threads_of_the_user_are_untouched():
    torch.manual_seed(5)
    before, threads, dtype = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    tg.run(make_experiment(perturbation=ShrinkAndPerturb(), perturb=Epochs(1)))
    assert torch.equal(before, torch.get_rng_state())
    assert (threads, dtype) == (torch.get_num_threads(), torch.get_default_dtype())


def test_the_loss_at_the_published_minimum(recorded_regression):
    """L(θ_min) = 153.6228639284: Adhikari et al., 7-parameter network, M = 200, λ = 10."""
    from thermograd.problems import NonlinearRegression

    x, y, minimum = recorded_regression
    experiment = tg.Experiment(NonlinearRegression(x=x, y=y), trajectories=1, steps=1)
    shapes = experiment.functional.shapes
    pieces = torch.split(torch.from_numpy(minimum), [int(np.prod(shape)) for shape in shapes.values()])
    weights = {
        name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }
    problem = experiment.functional
    assert float(problem.mean_loss(weights, problem.train)) == pytest.approx(153.6228639284, abs=1e-9)

    def flat_loss(flat):
        parts = torch.split(flat, [int(np.prod(shape)) for shape in shapes.values()])
        named = {n: p.reshape(s) for (n, s), p in zip(shapes.items(), parts, strict=True)}
        return problem.mean_loss(named, problem.train)

    hessian = torch.autograd.functional.hessian(flat_loss, torch.from_numpy(minimum))
    known = [55.02366, 58.51554, 397.25437, 1848.56410, 3097.66637, 24658.45688, 28317.70872]
    assert np.allclose(torch.linalg.eigvalsh(hessian), known, rtol=1e-7)


def test_a_plan_says_why_faster_engines_are_left():
    assert [name for name, _ in tg.plan(make_experiment()).rejected] == ["kernel", "compiled"]


def test_resume_of_another_experiment_names_the_fields():
    part = tg.run(make_experiment(), until=3)
    with pytest.raises(ExperimentMismatchError, match="seed: 11 in the run, 12 given"):
        tg.run(make_experiment(seed=12), resume=part)


def test_a_run_that_does_not_fit_in_memory_is_refused(monkeypatch):
    monkeypatch.setattr("thermograd.ensemble.training_loop.free_memory", lambda: 10_000)
    with pytest.raises(MemoryLimitError, match=r"largest: .*Use store=") as caught:
        tg.run(make_experiment(save_weights=Logarithmic()))
    assert isinstance(caught.value, MemoryError)


def test_reading_more_than_the_limit_is_refused():
    run = tg.run(make_experiment())
    with pytest.raises(MemoryLimitError, match=r"run\.blocks"):
        run.array("train_loss", memory_limit=8)
    blocks = list(run.blocks("train_loss"))
    assert [block.trajectories for block in blocks] == [range(4), range(4, 6)]
    assert np.array_equal(np.concatenate([block.values for block in blocks]), run["train_loss"])
    with pytest.raises(KeyError, match="Did you mean 'train_loss'"):
        run["train_los"]
    with pytest.raises(KeyError, match="saved at steps 20"):
        run.weights(3)
