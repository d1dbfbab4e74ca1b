import copy

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import At
from thermograd.perturbations import PartialReset, Reset, ResetToBest, ShrinkAndPerturb
from thermograd.perturbations.live_state import LiveState
from thermograd.problems.problem import Problem


def mlp():
    return nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3))


def trained(optimizer_class=torch.optim.SGD, steps=4, model=None, **options):
    """A model after some steps, its optimizer, and a function that does one more."""
    torch.manual_seed(0)
    model = mlp() if model is None else model
    optimizer = optimizer_class(model.parameters(), **({"lr": 0.05} | options))
    generator = torch.Generator().manual_seed(1)
    inputs, classes = torch.randn(30, 6, generator=generator), torch.randint(3, (30,), generator=generator)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), classes).backward()
        optimizer.step()

    for _ in range(steps):
        step()
    return model, optimizer, step


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.SGD, {"momentum": 0.9, "foreach": True}),
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"fused": True}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.RMSprop, {"momentum": 0.5}),
    ],
)
def test_same_tensors_cleared_optimizer_nothing_else_touched(optimizer, options):
    model, optimizer, step = trained(optimizer, **options)
    pointers = [value.data_ptr() for value in (*model.parameters(), *model.buffers())]
    gradients = [p.grad.clone() for p in model.parameters()]
    entries = [v for own in optimizer.state.values() for v in own.values() if isinstance(v, torch.Tensor)]
    before, buffers = copy.deepcopy(dict(model.named_parameters())), copy.deepcopy(list(model.buffers()))
    random, mode = torch.get_rng_state(), model.training
    tg.perturb(model, optimizer, ShrinkAndPerturb(shrink=0.5, perturb=0.0), seed=3)
    assert [value.data_ptr() for value in (*model.parameters(), *model.buffers())] == pointers
    for name, value in model.named_parameters():
        torch.testing.assert_close(value, 0.5 * before[name])
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), buffers, strict=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    kept = [v for own in optimizer.state.values() for v in own.values() if isinstance(v, torch.Tensor)]
    assert all(a is b for a, b in zip(kept, entries, strict=True))
    assert all(not entry.any() for entry in kept)
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training == mode
    step()


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.5}),
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (torch.optim.Adam, {}),
        (torch.optim.Adadelta, {"lr": 1.0}),
        (torch.optim.RAdam, {}),
    ],
)
def test_after_a_reset_training_is_that_of_a_new_model(optimizer, options):
    model, optimizer_used, step = trained(optimizer, **options)
    tg.perturb(model, optimizer_used, Reset(), seed=5)
    twin = copy.deepcopy(model)
    _, _, twin_step = trained(optimizer, steps=0, model=twin, **options)
    for _ in range(3):
        step()
        twin_step()
    for (name, value), other in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        torch.testing.assert_close(value, other, msg=name)


def test_the_same_numbers_as_in_an_ensemble():
    """Trajectory 0 of an experiment, and its weights perturbed in one's own loop, with the same seed."""
    torch.manual_seed(0)
    inputs, classes = torch.randn(40, 6), torch.randint(3, (40,))
    problem = Problem(
        model=lambda: nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(inputs, classes),
        dtype="float32",
    )
    for kick in (ShrinkAndPerturb(), PartialReset(), Reset(), PartialReset(implementation="reference_code")):
        experiment = tg.Experiment(
            problem,
            WithReplacement(5),
            perturbation=kick,
            perturb=At((2,)),
            steps=3,
            trajectories=1,
            seed=11,
        )
        model = problem.model()
        start = {name: torch.from_numpy(value[0]) for name, value in experiment.initial_weights([0]).items()}
        model.load_state_dict(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        perturber = tg.Perturber(model, optimizer, kick, every=2, seed=11, initialize=problem.model)
        for step in range(3):
            batch = experiment.indices(0, step)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[batch]), classes[batch]).backward()
            optimizer.step()
            assert perturber.step() == (step == 1)
        whole = tg.run(experiment).weights()
        for name, value in model.named_parameters():
            np.testing.assert_allclose(value.detach().numpy(), whole[name][0], atol=2e-6, err_msg=str(kick))


def test_exchanged_weights_and_hyperparameters_of_a_users_function():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, betas=(0.8, 0.9))
    first, second = (layer.weight.detach().clone() for layer in model)

    def exchange(weights, state, context):
        other = {"0.weight": weights["1.weight"], "1.weight": weights["0.weight"]}
        halved = {"hyperparameters/learning_rate": state["hyperparameters/learning_rate"] / 2}
        return other, state | halved | {"hyperparameters/beta1": torch.tensor(0.5)}

    tg.perturb(model, optimizer, exchange, seed=0)
    assert torch.equal(model[0].weight, second)
    assert torch.equal(model[1].weight, first)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.9)


def test_a_learning_rate_that_is_a_tensor_is_set_in_place():
    model = nn.Linear(2, 1)
    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, capturable=False, foreach=False)

    def slower(weights, state, context):
        return weights, state | {"hyperparameters/learning_rate": torch.tensor(0.01)}

    tg.perturb(model, optimizer, slower, seed=0)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.01)


def test_groups_with_different_rates_share_none():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1].parameters(), "lr": 0.2}]
    live = LiveState(model, torch.optim.SGD(groups, momentum=0.9))
    assert "hyperparameters/learning_rate" not in live.state()
    assert live.state()["hyperparameters/momentum"] == pytest.approx(0.9)


def test_a_compiled_model_goes_by_its_own_names_and_is_not_compiled_again():
    inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    model = torch.compile(inner, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    inputs = torch.randn(8, 4)
    model(inputs).sum().backward()
    optimizer.step()
    compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    tg.perturb(model, optimizer, ShrinkAndPerturb(shrink=0.0, perturb=0.0), seed=0)
    assert not model(inputs).any()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == compiled


def in_place(weights, state, context):
    for value in weights.values():
        value.mul_(2)
    return weights, state


class Scaled(nn.Module):
    """Owns a parameter that no reset_parameters draws again."""

    def __init__(self):
        super().__init__()
        self.inner, self.scale = nn.Linear(6, 3), nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.inner(x) * self.scale


@pytest.mark.parametrize(
    ("make", "kick", "says"),
    [
        (lambda: trained(), in_place, "changed its inputs in place"),
        (lambda: trained(), lambda w, s, c: w, r"returns \(weights, state\); got dict"),
        (lambda: trained(), ResetToBest(), "use tg.Perturber"),
        (lambda: trained(torch.optim.NAdam), Reset(), "NAdam keeps a state that does not begin at zero"),
        (lambda: trained(torch.optim.Rprop), Reset(), "Rprop keeps a state that does not begin at zero"),
        (
            lambda: trained(model=Scaled()),
            Reset(),
            "Scaled has parameters but no reset_parameters.*initialize=",
        ),
        (lambda: (mlp(), torch.optim.NAdam(mlp().parameters())), Reset(), "NAdam keeps a state"),
        (
            lambda: trained(torch.optim.Adagrad, initial_accumulator_value=0.1),
            Reset(),
            "'sum' of Adagrad does not",
        ),
        (lambda: (mlp(), None), Reset(), "optimizer is None"),
        (lambda: (mlp, torch.optim.SGD(mlp().parameters(), 0.1)), Reset(), "model is a function"),
        (lambda: (mlp(), torch.optim.SGD(mlp().parameters(), 0.1)), Reset(), "not the model's"),
    ],
)
def test_what_cannot_be_done_is_refused(make, kick, says):
    model, optimizer, *_ = make()
    with pytest.raises(ValueError, match=says):
        tg.perturb(model, optimizer, kick, seed=0)


def test_initialize_of_another_model_is_refused():
    model, optimizer, _ = trained()
    with pytest.raises(ValueError, match=r"'0.weight' is \(20, 6\) here, \(4, 6\) there"):
        tg.perturb(model, optimizer, Reset(), seed=0, initialize=lambda: nn.Sequential(nn.Linear(6, 4)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_the_same_fresh_values():
    cpu, gpu = mlp(), mlp().cuda()
    for model in (cpu, gpu):
        tg.perturb(model, torch.optim.Adam(model.parameters()), Reset(), seed=4)
    for a, b in zip(cpu.parameters(), gpu.parameters(), strict=True):
        assert torch.equal(a, b.cpu())
