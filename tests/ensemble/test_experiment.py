import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At, Epochs
from thermograd.observables import Accuracy, DissipationAndFluctuation, Loss
from thermograd.perturbations import Reset
from thermograd.problems import Digits, Quadratic

X, Y = torch.randn(20, 3), torch.randint(4, (20,))
LOADER = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y))
LOSS = nn.CrossEntropyLoss(reduction="none")


def linear(**options):
    return tg.Problem(**{"model": lambda: nn.Linear(3, 4), "loss": LOSS, "train": (X, Y)} | options)


class Summing:
    name = "sum"

    def accumulate(self, state, before, after, gradient):
        return state


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, inputs):
        return inputs @ torch.ones(3, 4, dtype=inputs.dtype) * self.scale[0]


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, inputs):
        return self.used(inputs)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"trajectories": 0}, "trajectories is 0; it must be a whole number from 1 to 2\\^32 − 1"),
        ({"trajectories": 2.5}, "trajectories is 2.5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "from 0 to 2\\^64 − 1"),
        ({"epochs": None}, "exactly one of steps and epochs; got neither"),
        ({"steps": 5}, "got steps=5 and epochs=2"),
        ({"epochs": 0}, "epochs is 0"),
        ({"steps": 2**32, "epochs": None}, "steps is 4294967296"),
        ({"dtype": "float16"}, "dtype is 'float16'. Did you mean"),
        ({"engine": "kernal"}, "Did you mean 'kernel'"),
        ({"perturb": Epochs(1)}, "perturbation \\(what\\) is missing"),
        ({"perturbation": Reset()}, "perturb \\(when\\) is missing"),
        ({"perturbation": Reset(), "perturb": 10}, "perturb is 10; give Times"),
        ({"observe": [Loss(), Loss()]}, "two observables have the name 'train_loss'"),
        ({"observe": ["loss"]}, "which is no observable"),
        ({"observe": "loss"}, "observe is 'loss'; it must be a list"),
        ({"observe": [Summing()]}, "which is no accumulator: it needs a name, at and every"),
        ({"observe": [DissipationAndFluctuation(every=3)]}, "which is no accumulator"),
        (
            {"observe": [DissipationAndFluctuation]},
            r"no accumulator; give an object of it: Dissipation\w+\(\)$",
        ),
        ({"dynamics": SGD}, r"^dynamics is the class SGD; give an object of it: SGD\(\)$"),
        (
            {"dynamics": torch.optim.SGD([torch.zeros(1)])},
            r"^dynamics is a torch.SGD; it must .* such as SGD\(\) of thermograd.dynamics$",
        ),
        ({"device": "gpu"}, "device is 'gpu'; use 'cpu' or 'cuda'"),
        pytest.param(
            {"device": "cuda"},
            "no CUDA device here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here"),
        ),
        ({"start": "same"}, "start is 'same'"),
        ({"block_size": 0}, "block_size is 0"),
    ],
)
def test_bad_settings_are_named_at_once(options, says):
    with pytest.raises(ValueError, match=says):
        tg.Experiment(**{"problem": linear(), "epochs": 2} | options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"minibatching": WithoutReplacement(21)}, "batch_size is 21 but the training set has 20 samples"),
        ({"observe": [Loss(at=At((99999,)))]}, "no time within the 2 steps"),
        ({"observe": [Accuracy()]}, "no test data"),
        ({"start": {"weights": X}}, r"start has weights \['weights'\]; the model has \['bias', 'weight'\]"),
        (
            {"start": {"weight": X, "bias": Y}},
            r"start weights 'weight' has shape \(20, 3\); expected \(4, 3\)",
        ),
        ({"problem": linear(loss=nn.CrossEntropyLoss())}, r"shape \(2,\) here; got \(\).*reduction='none'"),
        ({"problem": linear(model=Bare())}, "Bare has parameters but no reset_parameters.*factory"),
        ({"problem": linear(model=Unused)}, "'idle.weight', 'idle.bias' \\(unused in forward\\)"),
        ({"problem": linear(model=lambda: 3)}, "must return a torch.nn.Module"),
        (
            {"problem": linear(model=nn.Linear)},
            "model is the class Linear, which needs arguments .*a factory",
        ),
    ],
)
def test_what_the_data_decide_is_refused_before_a_step(options, says):
    experiment = tg.Experiment(
        **{"problem": linear(), "minibatching": WithoutReplacement(20), "epochs": 2} | options
    )
    with pytest.raises(ValueError, match=f"(?s){says}"):
        tg.run(experiment)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"train": (X[:0], Y[:0])}, "train is empty"),
        ({"train": (X, Y[:7])}, "20 inputs but 7 targets"),
        ({"train": (torch.cat([X[:3], X[:1] * float("nan")]), Y[:4])}, r"first at index \(3, 0\)"),
        ({"test": (X,)}, "must be a pair"),
        ({"train": LOADER.dataset}, r"; give train=dataset\.tensors$"),
        ({"train": LOADER}, r"; give train=loader\.dataset\.tensors$"),
        ({"train": [*zip(X, Y, strict=True)]}, r"got a list$"),
        ({"model": None}, "exactly one of model and forward"),
        ({"loss": "mse"}, "loss is 'mse'"),
        ({"model": None, "forward": lambda w, x: x}, "forward= needs initial="),
        ({"dtype": "half"}, "dtype is 'half'"),
    ],
)
def test_bad_problems(options, says):
    with pytest.raises(ValueError, match=says):
        linear(**options)


def test_accuracy_wants_classes():
    problem = tg.Problem(
        model=lambda: nn.Linear(3, 1), loss=lambda o, t: ((o - t) ** 2).sum(1), train=(X, X[:, :1])
    )
    with pytest.raises(ValueError, match="integer class targets"):
        tg.run(
            tg.Experiment(
                problem, observe=[Accuracy(split="train")], epochs=1, minibatching=WithoutReplacement(5)
            )
        )


def test_initial_weights_are_the_modules_own_law_at_the_documented_seed():
    from thermograd.numerics.philox import torch_seeds

    experiment = tg.Experiment(linear(), epochs=1, seed=9, minibatching=WithoutReplacement(5))
    ours = experiment.initial_weights([0, 5])
    for row, trajectory in enumerate([0, 5]):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seeds(9, [trajectory])[0])
            module = nn.Linear(3, 4)
        assert torch.equal(torch.from_numpy(ours["weight"][row]), module.weight.detach().double())
    instance = tg.Experiment(
        linear(model=nn.Linear(3, 4)), epochs=1, seed=9, minibatching=WithoutReplacement(5)
    )
    assert (instance.initial_weights([5])["weight"] == ours["weight"][1]).all()


def test_modes_and_their_reasons():
    def mode(model, inputs=X):
        problem = tg.Problem(model=model, loss=LOSS, train=(inputs, Y))
        return tg.plan(tg.Experiment(problem, epochs=1, minibatching=WithoutReplacement(5)))

    assert mode(lambda: nn.Linear(3, 4)).mode == "vmap"
    wide = mode(lambda: nn.Sequential(nn.Linear(3, 128), nn.Linear(128, 128), nn.Linear(128, 4)))
    assert (wide.mode, "layer 1 is 128 x 128" in wide.reason) == ("loop", True)
    convolution = mode(lambda: nn.Sequential(nn.Conv1d(1, 4, 3), nn.Flatten()), X[:, None])
    assert (convolution.mode, "1 convolution;" in convolution.reason) == ("loop", True)
    dropout = mode(lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout()))
    assert (dropout.mode, "dropout" in dropout.reason) == ("loop", True)

    class Branching(nn.Linear):
        def forward(self, inputs):
            outputs = super().forward(inputs)
            return outputs if outputs.sum() > 0 else 2 * outputs

    branching = mode(lambda: Branching(3, 4))
    assert (branching.mode, "vmap cannot batch" in branching.reason) == ("loop", True)
    assert "rejected" not in str(branching)
    assert "not kernel: 4 batched updates are done before a kernel would be built" in str(branching)
    assert "not compiled: one trajectory at a time is faster" in str(branching)


def test_defaults_fit_the_problem():
    names = [entry.name for entry in tg.Experiment(Digits(), epochs=1).observables]
    assert names == ["train_loss", "test_accuracy"]
    assert [entry.name for entry in tg.Experiment(Quadratic(), epochs=1).observables] == ["train_loss"]
    assert tg.Experiment(Digits(), epochs=3).total_steps == 3 * (1297 // 32)


def test_equality_looks_at_contents():
    assert tg.Experiment(Digits(), epochs=1) == tg.Experiment(Digits(), epochs=1)
    assert tg.Experiment(Digits(), epochs=1) != tg.Experiment(Digits(), epochs=1, dynamics=SGD(0.2))
    start = {"position": torch.zeros(3)}
    assert tg.Experiment(Quadratic(), epochs=1, start=start) == tg.Experiment(
        Quadratic(), epochs=1, start={"position": torch.zeros(3)}
    )
