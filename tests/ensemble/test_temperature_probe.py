import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import Adam
from thermograd.ensemble import temperature_windows
from thermograd.ensemble.temperature_windows import random_signs
from thermograd.errors import ConfigError, DivergedError, MemoryLimitError
from thermograd.estimators.effective_temperature import estimate
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement

RATE, DECAY = 0.1, 0.3


def ridge(dimension=24, samples=72, seed=0):
    """Rows z = x/√d of two clusters and labels ±1; the loss of a sample is n(h − y)²/2."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(samples) % 2, 1.0, -1.0)
    direction = rng.normal(size=dimension)
    inputs = labels[:, None] * direction / np.sqrt(dimension) + rng.normal(size=(samples, dimension)) / 2**0.5
    return inputs / np.sqrt(dimension), labels


def exact(fraction, lags, temperature=0.0):
    """D and χ of independent batches with weights s/b, and of white noise."""
    z, y = ridge()
    curvatures, modes = np.linalg.eigh(z.T @ z + DECAY * np.eye(z.shape[1]))
    a, j = 1 - RATE * curvatures, np.arange(1, lags + 1)[:, None]
    rows, centre = z @ modes, modes.T @ np.linalg.solve(z.T @ z + DECAY * np.eye(z.shape[1]), z.T @ y)
    white = 2 * temperature / RATE * np.eye(len(a))
    covariance = np.zeros_like(white)
    for _ in range(300):
        v = (rows @ centre - y) ** 2 + np.einsum("mi,ij,mj->m", rows, covariance, rows)
        noise = white + (1 - fraction) / fraction * (rows.T * v) @ rows
        covariance = RATE**2 * noise / (1 - np.outer(a, a))
    return (np.diag(covariance) * (1 - a**j)).mean(axis=1), ((1 - a**j) / curvatures).mean(axis=1)


def linear(seed=0):
    model = nn.Linear(24, 1, bias=False)
    with torch.no_grad():
        model.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


def square(samples=1):
    return lambda outputs, targets: samples * (outputs[:, 0] - targets) ** 2 / 2


def measure(model=None, loss=None, data=None, **options):
    z, y = ridge()
    arguments = {
        "learning_rate": RATE,
        "minibatching": Persistent(0.3),
        "weight_decay": DECAY,
        "burn_in": 150,
        "windows": 6,
        "lags": 20,
    }
    return tg.measure_temperature(
        model or linear(),
        loss or square(72),
        data or (torch.from_numpy(z), torch.from_numpy(y)),
        **arguments | options,
    )


def away(estimate, value):
    """In standard errors of Student's interval, larger than normal ones."""
    half = (estimate.high - estimate.low) / 2
    return abs(estimate.value - value) / half * 2


def test_white_noise_gives_its_temperature_back():
    """Full batches and T = 0.02, 4 standard errors; one temperature at all lags."""
    reading = measure(minibatching=WithReplacement(None), temperature=0.02, windows=40)
    for one in (reading.short, reading.fit, reading.long):
        assert away(one, 0.02) < 4
        assert one.high - one.low < 0.006
    assert reading.verdict.holds is not False
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    assert reading.linearity < 1e-6
    wrong = measure(minibatching=WithReplacement(None), temperature=0.03, windows=40)
    assert away(wrong.fit, 0.02) > 4


def test_sgd_on_a_ridge_regression_is_exact():
    """Independent batches: displacement, response and temperatures against the exact ones, 4 standard errors."""
    displacement, response = exact(0.3, 21)
    expected = estimate(displacement, response[:20])
    reading = measure(windows=40)
    for name in ("short", "fit", "long"):
        assert away(getattr(reading, name), getattr(expected, name).value) < 4, name
        assert getattr(reading, name).value == pytest.approx(getattr(expected, name).value, rel=0.15)
    assert np.allclose(reading.response, response[:20], rtol=4 * np.sqrt(2 / 24 / 40))
    assert np.allclose(reading.displacement, expected.displacement, rtol=0.1)
    assert reading.lags.tolist() == list(range(1, 21))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_intervals_of_readings_hold_the_truth():
    """200 readings of 8 windows, 95 %, binomial, 4 sigma; stationary windows are never called anything else."""
    displacement, response = exact(0.3, 21)
    expected = estimate(displacement, response[:20])
    readings = [measure(windows=8, seed=seed) for seed in range(100, 300)]
    for name in ("short", "fit", "long"):
        value = getattr(expected, name).value
        held = np.mean([getattr(one, name).low < value < getattr(one, name).high for one in readings])
        assert abs(held - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200), (name, held)
        mean = np.mean([getattr(one, name).value for one in readings])
        assert abs(mean / value - 1) < 0.03


def logistic(outputs, targets):
    return 400 * nn.functional.softplus(-outputs[:, 0] * targets)


def clusters(seed, dimension=100, ratio=4):
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(ratio * dimension) % 2, 1.0, -1.0)
    direction = rng.normal(size=dimension)
    direction *= np.sqrt(dimension) / np.linalg.norm(direction)
    inputs = np.outer(labels, direction) / dimension**0.5 + 0.5**0.5 * rng.normal(
        size=(len(labels), dimension)
    )
    return torch.from_numpy(inputs / dimension**0.5), torch.from_numpy(labels)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Persistent(0.3), (0.0141, 0.0129, 0.0127)),
        pytest.param(Persistent(0.1), (0.0562, 0.0507, 0.0492), marks=pytest.mark.slow),
        (Persistent(0.3, 10), (0.0204, 0.0524, 0.0528)),
        pytest.param(Persistent(0.3, 30), (0.0170, 0.1029, 0.1167), marks=pytest.mark.slow),
        (WithoutReplacement(100), (0.0149, 0.00178, None)),
    ],
    ids=str,
)
def test_logistic_regression_in_infinite_dimension(rule, expected):
    """5 data sets of 100 dimensions: the temperatures of mean-field theory within 4 standard errors and 3 % of its own."""
    readings = []
    for seed in range(5):
        model = nn.Linear(100, 1, bias=False)
        options = {"minibatching": rule, "burn_in": 160, "windows": 10, "lags": 40, "seed": seed}
        readings.append(measure(model, logistic, clusters(seed), **options))
    for name, value in zip(("short", "fit", "long"), expected, strict=True):
        found = [getattr(one, name).value for one in readings]
        error = np.std(found, ddof=1) / np.sqrt(5)
        assert value is None or abs(np.mean(found) - value) < 4 * error + 0.03 * value, (name, found)


def naive(rule, phases, burn_in, lags, length, seed=0, field=0.01):
    """Three copies of each window, one step after another; D over all origins."""
    z, y = ridge()
    decay, windows = DECAY, len(phases)
    signs = random_signs({"weight": (1, 24)}, seed, tuple(range(windows)), torch.float64)["weight"][
        :, 0
    ].numpy()
    displacement, response = [], []
    for window, phase in enumerate(phases):
        copies = np.repeat(linear().weight.detach().double().numpy(), 3, axis=0)
        state, path, shifts = rule.start(seed, (window,), 72), [], []
        for step in range(burn_in + length):
            if step >= burn_in:
                path.append(copies[0].copy())
            h = signs[window] * field if step >= burn_in else 0.0
            batch, state = rule.draw(state, seed, (window,), step + phase, 72)
            used = batch.indices[0]
            shares = np.ones(len(used)) if batch.weights is None else batch.weights[0]
            gradient = 72 * ((copies @ z[used].T - y[used]) * shares) @ z[used] / len(used) + decay * copies
            copies = copies - RATE * (gradient - np.array([[0.0], [1.0], [-1.0]]) * h)
            if step >= burn_in and len(shifts) < lags:
                shifts.append(signs[window] @ (copies[1] - copies[2]) / (2 * field * 24))
        path.append(copies[0].copy())
        path, third = np.array(path), (length - lags) // 3
        moved = [
            np.mean([((path[o + lag] - path[o]) ** 2).mean() for o in range(3 * third)]) / 2
            for lag in range(1, lags + 2)
        ]
        displacement.append(moved)
        response.append(shifts)
    return estimate(displacement, response)


@pytest.mark.parametrize(
    ("rule", "phases", "thirds"),
    [
        (Persistent(0.25, 20, fixed_size=True), (0, 0, 0), 4),
        (Persistent(0.25, 20), (0, 0, 0), 4),
        (WithReplacement(18), (0, 0, 0), 4),
        (WithoutReplacement(18), (0, 1, 2), 4),
        (WithoutReplacement(12), (0, 2, 4), 6),
    ],
    ids=str,
)
def test_windows_are_those_of_a_loop_by_hand(rule, phases, thirds):
    """Batches that remember go on from the burn-in; reshuffled windows start at their own phases."""
    expected = naive(rule, phases, 11, 12, 3 * thirds + 12)
    found = measure(minibatching=rule, windows=3, burn_in=11, lags=12, field=0.01)
    assert np.allclose(found.response, expected.response, rtol=1e-9)
    assert np.allclose(found.displacement, expected.displacement, rtol=1e-5)
    assert found.steps_used == 3 * (11 + 3 * 12 + 3 * thirds) + 3 * 12


def test_reshuffling_is_colder_and_quotes_its_epoch():
    """The noise of an epoch adds up to little; lags below 3 epochs give no fit."""
    options = {"windows": 12, "lags": 30}
    reshuffled = measure(minibatching=WithoutReplacement(18), **options)
    independent = measure(minibatching=WithReplacement(18), **options)
    assert reshuffled.fit.value < independent.fit.value / 3
    assert reshuffled.short.value > reshuffled.fit.value
    short = measure(minibatching=WithoutReplacement(6), windows=3, lags=30)
    assert short.verdict.kind == "lags_inside_noise_memory"
    assert "(12 steps)" in short.verdict.text


def test_persistent_batches_are_hotter_at_long_lags():
    plain = measure(minibatching=Persistent(0.3, fixed_size=True), windows=10, lags=40)
    persistent = measure(minibatching=Persistent(0.3, 10, fixed_size=True), windows=10, lags=40)
    assert persistent.long.value > 2 * plain.long.value
    assert persistent.short.value < persistent.long.value / 2


def tanh_network():
    torch.manual_seed(0)
    x = torch.randn(400, 10)
    y = torch.sin(x[:, :1]) + 0.5 * torch.randn(400, 1)
    model = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 1))
    return model, lambda out, target: ((out - target) ** 2)[:, 0], (x, y)


def test_a_small_network():
    model, loss, data = tanh_network()
    reading = tg.measure_temperature(
        model,
        loss,
        data,
        learning_rate=0.1,
        weight_decay=0.05,
        minibatching=Persistent(fraction=0.1, fixed_size=True),
        burn_in=2000,
        windows=8,
        lags=60,
        groups="layer",
    )
    assert reading.verdict.kind == "no_single_temperature"
    assert str(reading) == reading.verdict.text
    assert 0 < reading.long.value < reading.fit.value < reading.short.value
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    assert reading.linearity < 0.05
    sizes = {"0": 88, "2": 9}
    for name in ("response", "displacement"):
        parts = sum(sizes[key] * getattr(part, name) for key, part in reading.groups.items())
        assert np.allclose(parts / 97, getattr(reading, name), rtol=1e-6)


def test_groups_by_name_and_the_whole():
    model, loss, data = tanh_network()
    names = [name for name, _ in model.named_parameters()]
    reading = measure(
        model, loss, data, windows=3, lags=6, burn_in=5, groups={"all": names, "first": names[:1]}
    )
    assert np.array_equal(reading.groups["all"].curve, reading.curve)
    assert reading.groups["first"].fit.value != reading.fit.value


def test_as_few_lags_and_windows_as_can_be():
    reading = measure(windows=1, lags=2, burn_in=0)
    assert reading.lags.tolist() == [1, 2]
    assert reading.verdict.kind == "lags_inside_noise_memory"
    assert repr(reading) == f"TemperatureReading({reading.verdict.text})"
    assert measure(windows=1, lags=3, minibatching=WithReplacement(9)).verdict.kind == "undecided"


def test_windows_are_the_same_however_many_fit_in_memory(monkeypatch):
    whole = measure(windows=5)
    monkeypatch.setattr(temperature_windows, "_HISTORY_BYTES", 2 * 4 * 24 * 39)
    parts = measure(windows=5)
    assert np.allclose(parts.curve, whole.curve, rtol=1e-6)
    monkeypatch.setattr(temperature_windows, "free_memory", lambda: 100)
    with pytest.raises(MemoryLimitError, match="24 coordinates at 39 steps"):
        measure(windows=5)


def test_large_models_are_followed_in_part(monkeypatch):
    """A third of the coordinates: the displacement within 4 standard errors of a χ² of them, the response the same."""
    whole = measure(windows=8)
    monkeypatch.setattr(temperature_windows, "_COORDINATES", 8)
    monkeypatch.setattr(temperature_windows, "_OF_A_TENSOR", 1)
    some = measure(windows=8, field=1e-2)
    assert np.allclose(some.response, whole.response, rtol=1e-6)
    assert not np.allclose(some.displacement, whole.displacement, rtol=1e-3)
    assert some.short.value == pytest.approx(whole.short.value, rel=0.4)


def test_the_model_and_the_random_state_are_left_alone():
    model = nn.Sequential(nn.Linear(24, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 1))
    model[3].bias.requires_grad_(False)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    numbers = np.random.get_state()[1].copy()  # ruff: ignore[numpy-legacy-random]
    expected = torch.rand(3)
    torch.manual_seed(3)
    reading = measure(model, square(), windows=3, burn_in=3, lags=6)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(np.random.get_state()[1], numbers)  # ruff: ignore[numpy-legacy-random]
    assert model.training
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
    assert reading.response_check == pytest.approx(1, abs=1e-9)


def test_dropout_masks_are_shared_by_the_copies():
    """Full batches: the masks are all the noise. In evaluation mode there is none left."""
    model = nn.Sequential(nn.Dropout(0.3), linear())
    options = {"minibatching": WithReplacement(None), "windows": 3, "lags": 6}
    reading = measure(model, **options)
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    assert reading.short.value > 0
    still = measure(model.eval(), **options, burn_in=2000)
    assert (still.verdict.holds, still.verdict.kind) == (None, "no_noise")
    assert still.fit.value == 0


class Branching(nn.Module):
    """Has no batching rule; draws a mask, from torch or from elsewhere."""

    def __init__(self, noise):
        super().__init__()
        self.linear, self.noise = linear(), noise

    def forward(self, x):
        outputs = self.linear(x)
        if float(outputs.detach().sum()) > 1e9:
            return outputs
        return outputs * self.noise(len(outputs))


def test_models_without_a_batching_rule_run_one_by_one():
    reading = measure(Branching(lambda m: 0.8 + 0.4 * torch.rand(m, 1)), windows=3, burn_in=5, lags=6)
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    plain, alone = (
        measure(model, windows=3, burn_in=5, lags=6) for model in (linear(), Branching(lambda _: 1.0))
    )
    assert np.allclose(alone.curve, plain.curve, rtol=1e-6)


def test_copies_that_do_not_share_their_randomness():
    own = np.random.default_rng(0)
    model = Branching(lambda m: torch.from_numpy(own.uniform(0.5, 1.5, (m, 1))))
    with pytest.raises(ConfigError, match=r"do not share their randomness: the response after one step is"):
        measure(model, windows=3, burn_in=5, lags=6)


def normalised(training):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(24, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))
    with torch.no_grad():
        model[1].running_mean.fill_(0.1)
        model[1].running_var.fill_(0.2)
    return model.train(training)


def test_batch_normalisation():
    options = {"windows": 3, "burn_in": 30, "lags": 8, "minibatching": WithReplacement(12)}
    train = measure(normalised(True), square(), **options, weight_decay=0.0)
    assert "nothing is stationary" in train.verdict.text
    assert "nothing is stationary" not in measure(normalised(True), square(), **options).verdict.text
    frozen = normalised(False)
    by_hand = normalised(False)
    scale = by_hand[1].weight.detach() / torch.sqrt(torch.tensor(0.2) + by_hand[1].eps)
    reading = measure(frozen, square(), **options, weight_decay=0.0)
    assert "nothing is stationary" not in reading.verdict.text
    assert not np.allclose(reading.curve, train.curve, rtol=0.01)

    class Affine(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = by_hand[1].weight, by_hand[1].bias

        def forward(self, x):
            return (x - 0.1) * (scale / by_hand[1].weight.detach()) * self.weight + self.bias

    other = nn.Sequential(by_hand[0], Affine(), nn.Tanh(), by_hand[3])
    assert np.allclose(measure(other, square(), **options, weight_decay=0.0).curve, reading.curve, rtol=1e-5)


class Tied(nn.Module):
    """One matrix in two places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.inner, self.back = nn.Linear(24, 5, bias=False), nn.Linear(24, 5, bias=False)
        self.back.weight = self.inner.weight

    def forward(self, x):
        return nn.functional.linear(torch.tanh(self.inner(x)), self.back.weight.T)


def test_tied_weights_are_one_parameter():
    """As in a model that uses one matrix twice by itself."""

    class Once(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Tied().inner

        def forward(self, x):
            return nn.functional.linear(torch.tanh(self.inner(x)), self.inner.weight.T)

    options = {"loss": lambda out, _: out.square().sum(1), "windows": 3, "burn_in": 5, "lags": 6}
    tied, once = (measure(model, **options, groups="layer") for model in (Tied(), Once()))
    assert np.allclose(tied.curve, once.curve, rtol=1e-6)
    assert list(tied.groups) == list(once.groups) == ["inner"]


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = linear()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.linear(x)


def test_relaxation_is_no_stationary_state():
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


def poisoned():
    """A sample whose gradient overflows: windows that draw it diverge."""
    z, y = (torch.from_numpy(part.copy()) for part in ridge())
    z[5] = 1e200
    return z, y


def test_windows_that_diverge_are_dropped(monkeypatch):
    options = {"data": poisoned(), "minibatching": WithReplacement(1), "burn_in": 0, "learning_rate": 1e-3}
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


def test_a_field_that_is_too_large_is_told():
    """In a quartic well, where the response falls with the field."""
    options = {"loss": lambda out, y: (out[:, 0] - y) ** 4, "windows": 3, "lags": 40}
    large, small = (measure(**options, field=field) for field in (3.0, 0.01))
    assert large.linearity > 0.05 > small.linearity
    assert "The response is not linear" in large.verdict.text
    assert "give a smaller field than 3" in large.verdict.text
    assert "not linear" not in small.verdict.text


def test_windows_beyond_single_precision_have_diverged():
    """At a rate far above 2/curvature: finite in float64, but positions are kept in float32."""
    with pytest.raises(DivergedError, match=r"of 6 windows diverged at learning_rate 50"):
        measure(learning_rate=50.0, burn_in=10, windows=6)


def test_a_loss_with_numbers_of_its_own_in_single_precision():
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


def test_single_precision():
    double, single = (measure(windows=4, dtype=dtype) for dtype in ("float64", "float32"))
    assert np.allclose(double.curve, single.curve, rtol=1e-2)
    assert single.response_check == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("burn_in", [0, 2000])
def test_noise_that_dies_out_as_samples_are_fitted(burn_in, dtype):
    """4 samples in 12 dimensions: gradients fall exponentially, until they are lost in the rounding of the weights."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = (torch.randn(4, *shape, generator=generator) for shape in ((12,), ()))
    options = {"minibatching": WithReplacement(2), "weight_decay": 0.0, "windows": 12, "dtype": dtype}
    torch.manual_seed(0)
    reading = measure(nn.Linear(12, 1), square(), (inputs, targets), burn_in=burn_in, **options)
    assert reading.response_check == pytest.approx(1, abs=1e-3)
    assert reading.verdict.kind == ("no_noise" if burn_in == 2000 else "not_stationary")


def test_numbers_of_numpy_and_one_name_as_a_group():
    plain, same = (
        measure(learning_rate=one(0.125), weight_decay=one(0.5), windows=2, groups={"all": names})
        for one, names in ((float, ["weight"]), (np.float32, "weight"))
    )
    assert np.array_equal(plain.curve, same.curve)
    assert np.array_equal(plain.groups["all"].curve, same.groups["all"].curve)


def test_digits_with_softmax():
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
            {"learning_rate": torch.optim.SGD(linear().parameters(), 0.1, momentum=0.9)},
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
        ({"model": linear().requires_grad_(False)}, "no trainable parameters; set requires_grad"),
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
def test_bad_input_is_named(options, says):
    with pytest.raises(ValueError, match=says):
        measure(**options)


@pytest.mark.parametrize("batch", [None, 8])
def test_a_steady_drift_is_no_temperature(batch):
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
