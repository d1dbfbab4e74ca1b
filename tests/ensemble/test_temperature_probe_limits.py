"""Where no temperature can be had, or only with a word of caution: relaxation, divergence, precision, bad input."""

import numpy as np
import pytest
import torch
from torch import nn

from thermograd.dynamics import Adam
from thermograd.errors import ConfigError, DivergedError
from thermograd.minibatching import Persistent, WithReplacement

RATE = 0.1

DECAY = 0.3


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(24, 1, bias=False)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.linear(x)


def test_relaxation_is_no_stationary_state(linear, measure):
    """From far away without burn-in; a longer burn-in is the remedy."""
    far = linear()
    with torch.no_grad():
        far.weight.mul_(20)
    early = measure(far, burn_in=0, windows=6)
    assert (early.verdict.holds, early.verdict.kind) == (None, "not_stationary")
    assert early.fit is None
    assert "replica distance" in early.verdict.text
    late = measure(far, burn_in=150, windows=6)
    assert late.verdict.kind != "not_stationary"
    assert "Stationarity was not tested" in measure(windows=3).verdict.text


@pytest.fixture
def poisoned(ridge):
    """A sample whose gradient overflows: windows that draw it diverge."""
    z, y = (torch.from_numpy(part.copy()) for part in ridge())
    z[5] = 1e200
    return z, y


def test_windows_that_diverge_are_dropped(monkeypatch, measure, poisoned):
    options = {"data": poisoned, "minibatching": WithReplacement(1), "burn_in": 0, "learning_rate": 1e-3}
    reading = measure(**options, windows=12, lags=15)
    gone = int(reading.verdict.text.rpartition(". ")[2].split(" of ")[0])
    assert 0 < gone < 11
    assert f"{gone} of 12 windows diverged and are left out" in reading.verdict.text
    assert reading.fit is None or reading.fit.pieces == 12 - gone
    assert np.isfinite(reading.curve).all()
    with pytest.raises(
        DivergedError, match=r"of 4 windows diverged at learning_rate 0.001; fewer than 2 are"
    ):
        measure(**options | {"burn_in": 2000}, windows=4, lags=6)


def test_a_field_that_is_too_large_is_told(measure):
    """In a quartic well, where the response falls with the field."""
    options = {"loss": lambda out, y: (out[:, 0] - y) ** 4, "windows": 3, "lags": 40}
    large, small = (measure(**options, field=field) for field in (3.0, 0.01))
    assert large.linearity > 0.05 > small.linearity
    assert "The response is not linear" in large.verdict.text
    assert "give a smaller field than 3" in large.verdict.text
    assert "not linear" not in small.verdict.text


def test_windows_beyond_single_precision_have_diverged(measure):
    """At a rate far above 2/curvature: finite in float64, but positions are kept in float32."""
    with pytest.raises(DivergedError, match=r"of 6 windows diverged at learning_rate 50"):
        measure(learning_rate=50.0, burn_in=10, windows=6)


def test_a_loss_with_numbers_of_its_own_in_single_precision(measure):
    """Class weights follow the model into float64, in a copy."""
    inputs, targets = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
    loss = nn.CrossEntropyLoss(weight=torch.ones(2), reduction="none")
    options = {"model": nn.Linear(3, 2), "data": (inputs, targets), "windows": 2}
    weighted, plain = (
        measure(loss=one, minibatching=WithReplacement(8), **options)
        for one in (loss, nn.CrossEntropyLoss(reduction="none"))
    )
    assert np.array_equal(weighted.curve, plain.curve)
    assert loss.weight.dtype == torch.float32


def test_single_precision(measure):
    double, single = (measure(windows=4, dtype=dtype) for dtype in ("float64", "float32"))
    assert np.allclose(double.curve, single.curve, rtol=1e-2)
    assert single.response_check == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("burn_in", [0, 2000])
def test_noise_that_dies_out_as_samples_are_fitted(burn_in, dtype, measure, square):
    """4 samples in 12 dimensions: gradients fall exponentially, until they are lost in the rounding of the weights."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randn(4, *shape, generator=generator) for shape in ((12,), ()))
    options = {"minibatching": WithReplacement(2), "weight_decay": 0.0, "windows": 12, "dtype": dtype}
    torch.manual_seed(0)
    reading = measure(nn.Linear(12, 1), square(), (inputs, targets), burn_in=burn_in, **options)
    assert reading.response_check == pytest.approx(1, abs=1e-3)
    assert reading.verdict.kind == ("no_noise" if burn_in == 2000 else "not_stationary")


def test_numbers_of_numpy_and_one_name_as_a_group(measure):
    plain, same = (
        measure(learning_rate=one(0.125), weight_decay=one(0.5), windows=2, groups={"all": names})
        for one, names in ((float, ["weight"]), (np.float32, "weight"))
    )
    assert np.array_equal(plain.curve, same.curve)
    assert np.array_equal(plain.groups["all"].curve, same.groups["all"].curve)


def test_digits_with_softmax(measure):
    pytest.importorskip("sklearn")
    from thermograd.problems.digits import Digits

    problem = Digits(hidden=(12,), train_samples=400).build()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
    options = {"weight_decay": 0.05, "burn_in": 1000, "windows": 6, "lags": 20}
    loss = nn.CrossEntropyLoss(reduction="none")
    small, large, early = (
        measure(
            model, loss, problem.train, minibatching=WithReplacement(size), **options | {"burn_in": steps}
        )
        for size, steps in ((20, 1000), (80, 1000), (80, 200))
    )
    assert early.verdict.kind == "not_stationary"
    assert small.response_check == pytest.approx(1, abs=1e-6)
    assert small.short.value > 3 * large.short.value
    assert 0 < small.verdict.evidence["rows"] == 6
    with pytest.raises(ConfigError, match=r"learning_rate is Adam; only plain SGD is measured"):
        measure(model, loss, problem.train, learning_rate=torch.optim.Adam(model.parameters()))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"learning_rate": Adam()}, "learning_rate is Adam; only plain SGD"),
        (
            {"learning_rate": torch.optim.SGD(nn.Linear(24, 1).parameters(), 0.1, momentum=0.9)},
            "learning_rate is SGD",
        ),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a finite number, above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; it must be a finite number, 0 or larger"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"field": 0.0}, "field is 0.0"),
        ({"burn_in": -1}, "burn_in is -1; it must be a whole number, 0 or larger"),
        ({"windows": 0}, "windows is 0"),
        ({"lags": 1}, "lags is 1; it must be a whole number, 2 or larger"),
        ({"lags": 3.0}, "lags is 3.0"),
        ({"dtype": "mixed"}, "dtype is 'mixed'; use 'float64' or 'float32'"),
        ({"groups": "layers"}, "groups is 'layers'; use 'layer'"),
        ({"groups": {"a": ["bias"]}}, "group 'a' names bias; the trainable parameters are weight"),
        ({"groups": {"a": []}}, "group 'a' names no parameters"),
        ({"model": lambda: None}, "give a torch.nn.Module"),
        ({"model": nn.Linear(24, 1).requires_grad_(False)}, "no trainable parameters; set requires_grad"),
        ({"model": Counting()}, r"changes the buffers calls, .* call model.eval\(\)"),
        ({"loss": lambda outputs, _: outputs.mean()}, "must return one number per sample"),
        ({"data": (torch.randn(4, 24), torch.randn(3))}, "4 inputs but 3 targets"),
        ({"minibatching": WithReplacement(100)}, "batch_size is 100 but the training set has 72"),
        (
            {"minibatching": Persistent},
            "minibatching is <class .*say how batches are drawn: WithoutReplacement",
        ),
        ({"minibatching": 20}, "minibatching is 20; say how"),
        ({"minibatching": Adam()}, "minibatching is Adam; say how"),
        ({"minibatching": Persistent(0.5).batch_sampler(samples=72)}, "minibatching is BatchSampler"),
        ({"learning_rate": "0.1"}, "learning_rate is str"),
        ({"weight_decay": "0.1"}, "weight_decay is '0.1'; it must be a finite number"),
        ({"weight_decay": None}, "weight_decay is None"),
        ({"temperature": None}, "temperature is None; it must be a finite number, 0 or larger"),
        ({"field": "small"}, "field is 'small'"),
        ({"field": 1e-12, "dtype": "float32"}, "field=1e-12 is lost in the rounding of the weights"),
        ({"groups": ["weight"]}, r"groups is \['weight'\]; use 'layer'"),
    ],
)
def test_bad_input_is_named(options, says, measure):
    with pytest.raises(ValueError, match=says):
        measure(**options)


@pytest.mark.parametrize("batch", [None, 8])
def test_a_steady_drift_is_no_temperature(batch, measure, square):
    """A direction that relaxes in 1000 steps, 20 off: D is the same at all ages, but all windows move the same way."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 0.1])
    targets = torch.randn(40, generator=generator, dtype=torch.float64)
    model, there = (nn.Linear(2, 1, bias=False) for _ in range(2))
    with torch.no_grad():
        there.weight.copy_(torch.linalg.lstsq(inputs, targets[:, None]).solution.T)
        model.weight.copy_(there.weight + torch.tensor([0.0, 20.0]))
    options = {"minibatching": WithReplacement(batch), "weight_decay": 0.0, "burn_in": 100, "windows": 8}
    data = inputs, targets
    reading = measure(model, square(), data, **options)
    assert reading.verdict.kind == "not_stationary"
    assert reading.short is None
    assert reading.verdict.evidence["share"] > 0.5
    assert (
        "of the mean-square displacement over 20 steps is a drift that all rows share" in reading.verdict.text
    )
    settled = measure(there, square(), data, **options | {"minibatching": WithReplacement(8)})
    assert settled.short is not None
