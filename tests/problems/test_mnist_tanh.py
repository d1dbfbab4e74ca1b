import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.errors import MissingDataError
from thermograd.minibatching import WithoutReplacement
from thermograd.problems import MnistTanh
from thermograd.problems.mnist_images import read_mnist


@pytest.mark.parametrize(
    ("hidden", "count", "ratio"),
    [
        ((5,), 3985, 0.066),
        ((5, 5), 4015, 0.067),
        ((5, 5, 5), 4045, 0.067),
        ((7, 7, 7), 5687, 0.095),
        ((9, 9, 9), 7345, 0.122),
        ((11, 11, 11), 9019, 0.150),
        ((13, 13, 13), 10709, 0.178),
        ((15, 15, 15), 12415, 0.207),
        ((17, 17, 17), 14137, 0.236),
    ],
)
def test_parameters_of_the_published_networks(hidden, count, ratio):
    problem = MnistTanh(hidden=hidden)
    assert problem.parameter_count == count
    assert sum(weights.numel() for weights in problem._network().parameters()) == count
    assert problem.parameter_count / problem.train_samples == pytest.approx(ratio, abs=6e-4)


def test_the_defaults_are_the_published_setting():
    problem = MnistTanh()
    assert (problem.hidden, problem.regulariser, problem.initial) == ((5, 5, 5), 1e-4, "glorot")
    assert (problem.train_samples, problem.test_samples) == (60_000, 10_000)


def test_pixels_are_between_0_and_1(named_data):
    problem = MnistTanh(train_samples=300, test_samples=50).build()
    raw = read_mnist()
    np.testing.assert_array_equal(
        problem.train[0], raw.train.images[:300].reshape(300, 784).astype(np.float32) / 255
    )
    np.testing.assert_array_equal(problem.test[1], raw.test.labels[:50])
    assert problem.train[0].dtype == torch.float32
    assert problem.train[0].min() == 0
    assert problem.train[0].max() == 1


def test_data_may_lie_elsewhere(named_data, monkeypatch):
    expected = MnistTanh(train_samples=20, test_samples=10).build()
    monkeypatch.delenv("THERMOGRAD_DATA")
    elsewhere = MnistTanh(train_samples=20, test_samples=10, data=named_data / "mnist")
    assert elsewhere.data == str(named_data / "mnist")
    assert torch.equal(elsewhere.build().train[0], expected.train[0])


def test_absent_files_are_named_with_what_may_serve_instead(monkeypatch, tmp_path):
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    with pytest.raises(MissingDataError, match="Digits, the smaller images of scikit-learn") as unset:
        MnistTanh().build()
    assert "THERMOGRAD_DATA is not set" in str(unset.value)
    with pytest.raises(MissingDataError, match="Digits, the smaller images of scikit-learn") as given:
        MnistTanh(data=str(tmp_path)).build()
    assert f"data is {str(tmp_path)!r}" in str(given.value)
    for error in (unset, given):
        for name in ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "mnist-small-5000-1000.npz"):
            assert name in str(error.value)


def test_loss_is_cross_entropy_and_the_squares_of_all_parameters(named_data):
    """(1/m) Σ (ln Σ exp z − z_y) + λ Σ θ², biases included, written out in numpy."""
    problem = MnistTanh(hidden=(3, 2), train_samples=40, test_samples=10, regulariser=0.3, dtype="float64")
    start = tg.Experiment(problem, WithoutReplacement(40), SGD(0.1), steps=1, trajectories=1, seed=2)
    weights = {name: value[0] + 0.1 for name, value in start.initial_weights([0]).items()}
    run = tg.run(
        tg.Experiment(
            problem,
            WithoutReplacement(40),
            SGD(0.1),
            steps=1,
            trajectories=1,
            start={name: torch.from_numpy(value) for name, value in weights.items()},
        )
    )
    inputs, targets = (part.numpy() for part in problem.build().train)
    hidden = inputs.astype(np.float64)
    for layer in ("0", "2"):
        hidden = np.tanh(hidden @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"])
    logits = hidden @ weights["4.weight"].T + weights["4.bias"]
    cross_entropy = np.log(np.exp(logits).sum(1)) - logits[np.arange(40), targets]
    expected = cross_entropy.mean() + 0.3 * sum((value**2).sum() for value in weights.values())
    assert run["train_loss"][0, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": (5, 0)}, "layer widths"),
        ({"train_samples": 0}, "train_samples is 0"),
        ({"test_samples": 1.5}, "test_samples is 1.5"),
        ({"initial": "zeros"}, "use 'pytorch' or 'glorot'"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        MnistTanh(**options)
