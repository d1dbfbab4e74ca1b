"""Draws in a file: the same to the bit, and damage is found; draws from the saved weights of a run."""

import json

import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics import SGLD
from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError, NothingCommittedError
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.numerics.log_times import At, Every
from thermograd.problems.quadratic import Quadratic
from thermograd.store.tensor_file import read_tensor_file, write_tensor_file


@pytest.fixture
def safetensors():
    return pytest.importorskip("safetensors", reason="files of draws need safetensors")


@pytest.fixture
def draws():
    generator = np.random.default_rng(0)
    return PosteriorDraws(
        {
            "layer.weight": generator.normal(size=(3, 8, 2, 2)).astype(np.float32),
            "layer.bias": generator.normal(size=(3, 8)),
        },
        temperature=0.1,
        potential=generator.normal(size=(3, 2)),
        virial=generator.normal(size=(3, 2)),
        directional_virial=generator.normal(size=(3, 2, 4)),
        measured=[1, 5],
        weights=np.arange(8) / 7,
        epochs=np.arange(10, 90, 10),
        noise_share=[0.1, np.nan, 0.3],
        facts={
            "sampler": "SGWORLD",
            "learning_rate": 1 / 3,
            "notes": ["β is flat."],
            "prior_precision": None,
        },
    )


@pytest.mark.usefixtures("safetensors")
def test_a_round_trip_keeps_every_bit(draws, tmp_path):
    draws.save(tmp_path / "draws.safetensors")
    again = PosteriorDraws.load(tmp_path / "draws.safetensors")
    assert list(again.parameters) == ["layer.weight", "layer.bias"]
    for name, value in draws.parameters.items():
        assert again.parameters[name].dtype == value.dtype
        assert again.parameters[name].tobytes() == value.tobytes()
    for name in ("potential", "virial", "directional_virial", "measured", "weights", "epochs", "noise_share"):
        assert getattr(again, name).tobytes() == getattr(draws, name).tobytes()
        assert getattr(again, name).shape == getattr(draws, name).shape
    assert again.temperature == draws.temperature
    assert again.facts == draws.facts
    assert [entry.name for entry in tmp_path.iterdir()] == ["draws.safetensors"]


@pytest.mark.usefixtures("safetensors")
def test_draws_without_measurements(tmp_path):
    PosteriorDraws({"w": np.zeros((2, 0, 3))}).save(str(tmp_path / "empty"))
    again = PosteriorDraws.load(str(tmp_path / "empty"))
    assert again.parameters["w"].shape == (2, 0, 3)


@pytest.mark.usefixtures("safetensors")
def test_a_damaged_file_is_found(draws, tmp_path):
    """Cut at any length, or with any byte changed."""
    file = tmp_path / "draws"
    draws.save(file)
    whole = file.read_bytes()
    for length in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(DamagedDataError, match="cut short"):
            PosteriorDraws.load(file)
    for place in np.random.default_rng(0).integers(8, len(whole), 60):
        changed = bytearray(whole)
        changed[place] ^= 1
        file.write_bytes(bytes(changed))
        try:
            again = PosteriorDraws.load(file)
        except (DamagedDataError, ConfigError):
            continue
        assert again.array().tobytes() == draws.array().tobytes()  # a space after the header


@pytest.mark.usefixtures("safetensors")
def test_files_of_others(tmp_path):
    write_tensor_file(tmp_path / "weights", {"layer.weight": np.zeros(3)}, {})
    with pytest.raises(ConfigError, match=r"layer\.weight.*not posterior draws"):
        PosteriorDraws.load(tmp_path / "weights")
    (tmp_path / "text").write_text("not at all a file of tensors")
    with pytest.raises(DamagedDataError, match="text"):
        PosteriorDraws.load(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        PosteriorDraws.load(tmp_path / "missing")


@pytest.mark.usefixtures("safetensors")
def test_a_newer_file(draws, tmp_path):
    draws.save(tmp_path / "draws")
    arrays, texts = read_tensor_file(tmp_path / "draws")
    write_tensor_file(tmp_path / "draws", arrays, texts | {"version": "2"})
    with pytest.raises(NewerFormatError, match="version 2"):
        PosteriorDraws.load(tmp_path / "draws")
    del arrays["virial"]
    write_tensor_file(tmp_path / "draws", arrays, texts)
    with pytest.raises(DamagedDataError, match="virial"):
        PosteriorDraws.load(tmp_path / "draws")


def test_the_safetensors_package_reads_it(draws, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    draws.save(tmp_path / "draws")
    with safetensors.safe_open(tmp_path / "draws", framework="numpy") as file:
        assert (file.get_tensor("parameters/layer.bias") == draws.parameters["layer.bias"]).all()
        assert json.loads(file.metadata()["draws"])["facts"]["sampler"] == "SGWORLD"


def sampled(rate=0.1, *, save=None, epochs=12, folder=None):
    experiment = tg.Experiment(
        Quadratic(curvatures=(1.0, 0.5)),
        dynamics=SGLD(rate, temperature=2.0),
        trajectories=3,
        epochs=epochs,
        save_weights=save or Every(1),
        engine="eager",
    )
    return tg.run(experiment, folder)


def test_from_a_run():
    run = sampled()
    draws = PosteriorDraws.from_run(run, burn_in=4)
    spacing = run.steps_per_epoch
    assert draws.epochs.tolist() == list(range(5, 13))
    assert (draws.array()[:, 0] == run.weights(5 * spacing)["position"]).all()
    assert (draws.array()[:, -1] == run.weights(12 * spacing)["position"]).all()
    assert draws.facts["seed"] == run.seed
    assert draws.potential.size == 0
    assert "weights only" in draws.facts["notes"][0]


def test_from_a_run_directory(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("zarr")
    draws = PosteriorDraws.from_run(sampled(folder=tmp_path / "kept"), burn_in=4)
    assert draws.facts["sampler"] == "SGLD"
    assert draws.facts["learning_rate"] == pytest.approx(0.1)
    assert draws.temperature == pytest.approx(2)


def test_trajectories_that_diverged_are_left_out():
    with pytest.raises(NothingCommittedError, match="no trajectory"):
        PosteriorDraws.from_run(sampled(rate=1e30), burn_in=4)


def test_only_ends_of_epochs_are_draws():
    run = sampled()
    with pytest.raises(ConfigError, match="burn_in = 12"):
        PosteriorDraws.from_run(run, burn_in=12)
    spacing = run.steps_per_epoch
    if spacing > 1:
        inside = sampled(save=At((6 * spacing + 1, 7 * spacing)))
        found = PosteriorDraws.from_run(inside, burn_in=4)
        assert found.epochs.tolist() == [7, 12]
        assert any("inside an epoch" in note for note in found.facts["notes"])
