"""`thermograd sample`: draws, their verdict, files, and what is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from thermograd.cli import main
from thermograd.estimators.posterior_draws import PosteriorDraws

pytest.importorskip("zarr")

CONFIG = """
name = "line"
problem = "linear_regression"
trajectories = 4
epochs = 60
seed = 1
[dynamics]
kind = "sgworld"
learning_rate = 1e-6
[minibatching]
kind = "without_replacement"
batch_size = 10
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.toml").write_text(CONFIG, "utf-8")
    return "line.toml"


def test_draws_and_verdict(config, capsys, tmp_path):
    words = [
        "sample",
        config,
        "--prior-precision",
        "none",
        "--burn-in",
        "20",
        "--thin",
        "2",
        "--out",
        "chains",
    ]
    assert main([*words, "--directions", "1"]) == 1  # 40 epochs converge to nothing
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == "chains/draws.safetensors"
    assert "undecided: " in output or "no: " in output
    draws = PosteriorDraws.load(tmp_path / "chains" / "draws.safetensors")
    assert draws.epochs.tolist() == list(range(21, 61, 2))
    assert draws.directional_virial.shape == (4, 2, 1)
    assert draws.facts["seed"] == 1
    assert main([*words, "--json", "--quiet", "--export", "npz"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["draws"] == "chains/draws.safetensors"
    assert told["holds"] is not True
    with np.load(tmp_path / "chains" / "draws.npz") as exported:
        assert np.array_equal(exported["weights"], draws.parameters["weights"])
        assert np.array_equal(exported["measured/epochs"], draws.epochs)


def test_a_prior_for_a_likelihood_and_weights_to_start_from(tmp_path, monkeypatch, capsys):
    safetensors = pytest.importorskip("safetensors.torch")
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("sklearn")
    text = CONFIG.replace('"linear_regression"', '"digits_linear"').replace("epochs = 60", "epochs = 4")
    (tmp_path / "digits.toml").write_text(text, "utf-8")
    from thermograd.problems.digits_linear import DigitsLinear

    model = DigitsLinear().build().model()
    start = {name: torch.full_like(value, 0.01) for name, value in model.state_dict().items()}
    safetensors.save_file(start, tmp_path / "start.safetensors")
    words = [
        "sample",
        "digits.toml",
        "--problem.regulariser=0",
        "--prior-precision",
        "100",
        "--start",
        "start.safetensors",
    ]
    main([*words, "--out", "a", "--dynamics.learning_rate=1e-9"])
    draws = PosteriorDraws.load(tmp_path / "a" / "draws.safetensors")
    assert draws.facts["prior_precision"] == 100
    assert abs(draws.array() - 0.01).max() < 0.01
    safetensors.save_file({"other": torch.zeros(2)}, tmp_path / "start.safetensors")
    assert main([*words, "--out", "b"]) == 2
    assert "holds weights {'other': (2,)}" in capsys.readouterr().err


def test_advice_without_sampling(config, capsys, tmp_path):
    assert main(["sample", config, "--prior-precision", "none", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "Use SGWORLD with learning_rate 1.1" in told
    assert "the config has learning_rate 1e-06: within what is advised" in told
    assert main(["sample", config, "--prior-precision", "none", "--dry-run", "--json"]) == 0
    ranking = json.loads(capsys.readouterr().out)["ranking"]
    assert ranking[0]["learning_rate"] > 20 * ranking[1]["learning_rate"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["line.toml"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "--prior-precision is missing, and has no default"),
        (["--prior-precision", "1"], "count the prior twice"),
        (["--prior-precision", "none", "--dynamics.learning_rate=1e-3"], "ηh = 24"),
        (["--prior-precision", "none", "--steps=5"], "steps"),
        (["--prior-precision", "none", "--start", "none.safetensors"], "cannot be read as safetensors"),
        (["--prior-precision", "none", "--block_size=3"], "block_size: has no meaning for sampling"),
        (["--prior-precision", "none", "--trajectories=600"], "at most 512"),
        (["--prior-precision", "none", "--minibatching.batch_size=150"], "batch_size <= 100"),
        (["--prior-precision", "none", "--burn-in", "60"], "leaves no draw"),
        (["--prior-precision", "none", "second.toml"], "one config file"),
        (["--prior-precision", "many"], "prior-precision"),
    ],
)
def test_what_is_refused_in_one_line(config, capsys, tmp_path, words, match):
    assert main(["sample", config, *words]) == 2
    told = capsys.readouterr().err
    assert match in told
    assert "Traceback" not in told
    assert not (tmp_path / "posterior").exists()


def test_a_dynamics_that_draws_from_nothing(config, capsys, tmp_path):
    (tmp_path / "line.toml").write_text(CONFIG.replace('"sgworld"', '"sgd"'), "utf-8")
    assert main(["sample", config, "--prior-precision", "none"]) == 2
    assert "SGD draws from no temperature; use 'sgld' or 'sgworld'" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(config, capsys, monkeypatch):
    from thermograd.cli import posterior_of_config
    from thermograd.errors import InterruptedRunError

    def stopped(*args, **options):
        raise InterruptedRunError("stopped by SIGINT; Go on with: thermograd resume chains", 2)

    monkeypatch.setattr(posterior_of_config, "sample_posterior", stopped)
    assert main(["sample", config, "--prior-precision", "none", "--out", "chains"]) == 130
    told = capsys.readouterr().err
    assert "stopped in chains; everything is kept. Give the same command again to go on" in told
    assert "thermograd resume" not in told


def test_the_config_of_the_examples_is_one(capsys):
    """Whether its chains converge takes a minute of processor time: that its rate is not above the advised is looked at."""
    config = Path(__file__).parents[2] / "examples" / "posterior.toml"
    assert main(["sample", str(config), "--prior-precision", "none", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "Use SGWORLD" in told
    assert "more biased" not in told
