"""`thermograd estimate`: every name, options by signature, curves as csv, and what is known when a mean is not."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from thermograd.cli import main
from thermograd.cli.estimates import estimate_named, known_estimates
from thermograd.errors import NothingCommittedError
from thermograd.estimators import aging, fluctuation_dissipation, posterior, stochastic_area
from thermograd.estimators import first_passage as measured
from thermograd.estimators import stationary_state as stationary
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.store.reader import open_run

VALUES = np.sort(np.random.default_rng(3).uniform(size=(30, 12)), axis=1)


@pytest.fixture
def log(tmp_path):
    np.savez(tmp_path / "log.npz", unperturbed=VALUES, kicked=VALUES[:, ::-1])
    return str(tmp_path / "log.npz")


def table(text):
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def test_a_curve_is_csv_on_stdout(log, capsys):
    assert (
        main(["estimate", log, "first_passage.survival_function", "--target", "0.9", "--level", "0.8"]) == 0
    )
    output = capsys.readouterr()
    wanted = measured.survival_function(measured.first_passage_times(VALUES, 0.9), level=0.8)
    rows = table(output.out)
    assert [row["time"] for row in rows] == list(range(13))
    assert [row["value"] for row in rows] == wanted.value.tolist()
    assert [row["high"] for row in rows] == wanted.high.tolist()
    assert "30 trajectories at 12 times, 1 to 12 epochs" in output.err


def test_a_number_is_one_line(log, capsys, tmp_path):
    words = ["estimate", log, "first_passage.restricted_mean", "--target=0.9", "--horizon", "8"]
    wanted = measured.restricted_mean(measured.first_passage_times(VALUES, 0.9), horizon=8)
    assert main([*words, "--quiet"]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == (f"{wanted}\n", "")
    assert main([*words, "--csv", str(tmp_path / "mean.csv")]) == 0
    assert capsys.readouterr().out == f"{wanted}\n{tmp_path / 'mean.csv'}\n"
    (row,) = table((tmp_path / "mean.csv").read_text("utf-8"))
    assert row == {"value": wanted.value, "low": wanted.low, "high": wanted.high}
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["estimate"], found["value"]) == ("first_passage.restricted_mean", wanted.value)
    assert found["interval"] == list(wanted.interval)
    assert "samples" not in found


def test_what_rests_on_what_rests_on_passages(log, capsys):
    """The relaxation time takes a quasi-steady state, which takes values and passages."""
    words = [
        "first_passage.relaxation_time",
        "--target",
        "0.9",
        "--window",
        "2",
        "10",
        "--criterion",
        "kolmogorov_smirnov",
    ]
    assert main(["estimate", log, *words, "--json", "--resamples", "50"]) == 0
    passages = measured.first_passage_times(VALUES, 0.9)
    steady = measured.quasi_steady_state(VALUES, passages, window=(2, 10), resamples=50)
    wanted = measured.relaxation_time(steady, criterion="kolmogorov_smirnov")
    found = json.loads(capsys.readouterr().out)
    assert (found["value"], found["interval"], found["note"]) == (
        wanted.value,
        list(wanted.interval),
        wanted.note,
    )
    assert main(["estimate", log, *words, "--resamples", "50"]) == 0
    assert capsys.readouterr().out == f"{wanted}\n"


def test_a_verdict_is_a_sentence(tmp_path, capsys):
    drifting = np.linspace(0, 1, 40) + np.random.default_rng(1).normal(0, 0.01, (30, 40))
    np.savez(tmp_path / "drift.npz", unperturbed=drifting)
    words = ["estimate", f"{tmp_path}/drift.npz", "first_passage.relaxation_time", "--target", "2"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("no: Not robustly quasi-stationary by distance")
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["kind"]) == (False, "not_quasi_stationary")
    assert found["evidence"]["window"] == [9, 40]


def test_values_and_passages_with_times_of_the_log(tmp_path, capsys):
    log = tmp_path / "log.csv"
    rows = [f"{10 * (at + 1)}," + ",".join(map(str, VALUES[:, at])) for at in range(12)]
    log.write_text("\n".join(["step," + ",".join(f"r{run}" for run in range(30)), *rows]), encoding="utf-8")
    words = ["first_passage.quasi_steady_state", "--target", "0.9", "--window", "20,100", "--resamples", "9"]
    assert main(["estimate", str(log), *words]) == 0
    output = capsys.readouterr()
    times = 10 * np.arange(1, 13)
    passages = measured.first_passage_times(VALUES, 0.9, times=times)
    steady = measured.quasi_steady_state(VALUES, passages, times=times, window=(20, 100), resamples=9)
    rows = table(output.out)
    assert [row["time"] for row in rows] == times.tolist()
    for name in ("survivors", "kolmogorov_smirnov", "p_value"):
        assert np.array_equal([row[name] for row in rows], getattr(steady, name), equal_nan=True)
    assert np.array_equal([row["distance_high"] for row in rows], steady.distance.high, equal_nan=True)
    assert "10 to 120 steps" in output.err
    assert main(["estimate", str(log), *words, "--json", "--steps-per-epoch", "10", "--window=2,10"]) == 2
    assert "--window was given twice" in capsys.readouterr().err
    assert main(["estimate", str(log), *words[:3], "--json", "--steps-per-epoch", "10"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["time"] == list(range(1, 13))
    assert len(found["distance"]["value"]) == 12


def test_passages_themselves_and_those_of_perturbed_runs(log, capsys):
    assert main(["estimate", log, "first_passage.first_passage_times", "--target", "0.9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    passages = measured.first_passage_times(VALUES, 0.9)
    assert lines[0] == "time,reached"
    assert lines[1:] == [f"{t},{r}" for t, r in zip(passages.time, passages.reached, strict=True)]
    words = ["--target", "0.3", "--direction", "down", "--interval", "2"]
    assert main(["estimate", f"{log}:kicked", "first_passage.mean_residual_time", *words]) == 0
    kicked = measured.first_passage_times(VALUES[:, ::-1], 0.3, direction="down")
    assert capsys.readouterr().out == f"{measured.mean_residual_time(kicked, 2)}\n"


def test_a_censored_mean_shows_what_is_known(log, capsys):
    words = ["estimate", log, "first_passage.mean_first_passage_time", "--target", "0.95"]
    assert main(words) == 1
    output = capsys.readouterr()
    passages = measured.first_passage_times(VALUES, 0.95)
    assert f"restricted: {measured.restricted_mean(passages)}" in output.out
    assert "extrapolated: " in output.out
    assert "censored fraction: 0." in output.out
    assert "never arrived within 12 epochs" in output.err
    assert main([*words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["partial"]["restricted"]["value"] == measured.restricted_mean(passages).value
    assert "never arrived" in found["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["LOG", "first_passage.restrictd_mean"], "Did you mean 'first_passage.restricted_mean'?"),
        (["LOG", "restricted_mean"], "Did you mean 'first_passage.restricted_mean'?"),
        (["LOG", "first_passage._partial"], "there is no estimate"),
        (["LOG", "first_passage.restricted_mean", "--targt", "1"], "Did you mean '--target'?"),
        (["LOG", "first_passage.restricted_mean"], "needs --target"),
        (["LOG", "first_passage.restricted_mean", "--target", "high"], "--target takes float, got 'high'"),
        (["LOG", "first_passage.restricted_mean", "--target"], "--target takes float, got nothing"),
        (["LOG", "first_passage.restricted_mean", "--target", "1", "2"], "--target takes float, got 1 2"),
        (["LOG", "first_passage.restricted_mean", "0.9"], "'0.9' is no option"),
        (["LOG", "first_passage.restricted_mean", "--target", "0.9", "--from-start", "maybe"], "takes bool"),
        (
            ["LOG", "first_passage.quasi_steady_state", "--target", "1", "--window", "3"],
            "takes int int, got '3'",
        ),
        (["LOG", "first_passage.restricted_mean", "--target", "0.9", "--horizon", "99"], "horizon must be"),
        (
            ["LOG", "first_passage.restricted_mean", "--target", "0.9", "--direction", "Up"],
            "direction must be",
        ),
        (["LOG", "kaplan_meier.kaplan_meier"], "there is no estimate 'kaplan_meier.kaplan_meier'"),
        (["LOG", "first_passage.plateau_test"], "needs residuals: Mapping[int, Estimate], which no word"),
        (["LOG", "first_passage.restricted_mean", "--target", "0.9", "--csv", "/none/x.csv"], "cannot write"),
        (["--target", "0.9", "LOG", "first_passage.restricted_mean"], "SOURCE and NAME come first"),
        (["absent.npz", "first_passage.restricted_mean", "--target", "0.9"], "no file absent.npz"),
        (["LOG"], "NAME is missing"),
    ],
)
def test_usage_that_cannot_work(log, words, said, capsys):
    assert main(["estimate", *(log if word == "LOG" else word for word in words)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err


def test_every_estimate_is_listed_and_can_be_asked_for(log, capsys):
    """What a log suffices for is found by signature, each function once, and does run."""
    assert main(["list", "estimates", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["first_passage.mean_residual_time"]["required"] == ["--interval", "--target"]
    assert listed["first_passage.quasi_steady_state"]["options"]["--window"] == "int int"
    assert not {"--values", "--times", "--unit", "--passages"} & {
        option for entry in listed.values() for option in entry.get("options", ())
    }
    assert {entry.function.__name__ for entry in known_estimates().values()} >= {
        "survival_function",
        "relaxation_time",
    }
    functions = [entry.function for entry in known_estimates().values()]
    assert len(set(functions)) == len(functions)
    told = {"float": "0.7", "int": "9", "array": "1 2 3", "float float|str": "all", "str": "all"}
    refused = set()
    for name, entry in listed.items():
        if "python_only" in entry:
            assert main(["estimate", log, name]) == 2
            assert "use it from Python" in capsys.readouterr().err
            continue
        assert entry["summary"]
        options = [
            part for option in entry["required"] for part in (option, *told[entry["options"][option]].split())
        ]
        code = main(["estimate", log, name, *options])
        assert code in {0, 1, 2, 4}, name  # 4: the log is no file of draws
        output = capsys.readouterr()
        assert output.err if code in {2, 4} else output.out, name
        if code == 2:
            refused.add(name.partition(".")[0])
    assert "first_passage" not in refused  # a log is enough for all of it
    assert main(["list", "estimates"]) == 0
    assert "--target FLOAT [--direction STR]" in capsys.readouterr().out


def test_a_part_has_the_name_of_its_own_file_too():
    recipe = estimate_named("first_passage_times.residual_times")
    assert recipe.function is measured.residual_times


def test_no_torch(log):
    script = (
        "import sys\n"
        "from thermograd.cli import main\n"
        "assert main(['list', 'estimates']) == 0\n"
        f"assert main(['estimate', {log!r}, 'first_passage.restricted_mean', '--target', '0.9']) == 0\n"
        "assert not {'torch', 'zarr', 'plotly', 'scipy.stats'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shell_expanded_a_pattern(log, capsys):
    assert main(["estimate", log, log, "first_passage.restricted_mean", "--target", "1"]) == 2
    assert "is a file, not an estimate: quote a pattern" in capsys.readouterr().err


def test_nothing_committed_is_a_verdict(log, capsys, monkeypatch):
    def young(self, source):
        raise NothingCommittedError(f"{source}: no train_loss is committed")

    monkeypatch.setattr("thermograd.cli.recorded_log.LogOptions.read", young)
    assert main(["estimate", log, "first_passage.restricted_mean", "--target", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["kind"]) == (None, "nothing_committed")


def test_a_run_directory(config, capsys):
    """Its committed part, in epochs."""
    assert main(["run", str(config), "--out", "kick", "--epochs", "3"]) == 0
    capsys.readouterr()
    words = ["first_passage.restricted_mean", "--target", "1e-9", "--direction", "down"]
    assert main(["estimate", "kick", *words]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("3 (1.435 to 3 at 95 %) epoch, from 5 pieces")
    assert "kick: 5 trajectories at 3 times, 1 to 3 epochs" in output.err


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    """A folder with a run that saved its weights, and sums of their products."""
    folder = tmp_path_factory.mktemp("weights")
    text = tiny.replace(
        '["loss"]',
        '[{ kind = "stochastic_area", every = { kind = "every", steps = 1 }, at = { kind = "every", steps = 20 } }]',
    )
    (folder / "tiny.toml").write_text(
        text.replace("steps = 12", "steps = 400") + 'save_weights = { kind = "every", steps = 2 }\n', "utf-8"
    )
    assert main(["run", str(folder / "tiny.toml"), "--out", str(folder / "saved")]) == 0
    return folder


@pytest.fixture
def weights(saved, monkeypatch):
    monkeypatch.chdir(saved)
    return open_run("saved")


def points_of(run, since):
    steps = range(since, 401, 2)
    return np.stack([run.weights(step)["position"] for step in steps], axis=1)


def test_matrices_of_saved_weights(weights, capsys):
    wanted = stationary.covariance(points_of(weights, 100), level=0.9)
    words = ["estimate", "saved", "stationary_state.covariance", "--since", "100", "--level", "0.9"]
    assert main(words) == 0
    output = capsys.readouterr()
    rows = table(output.out)
    assert [(row["index_0"], row["index_1"]) for row in rows[:4]] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [row["value"] for row in rows] == wanted.value.ravel().tolist()
    assert [row["low"] for row in rows] == wanted.low.ravel().tolist()
    assert (
        "weights of 5 trajectories at 151 times, steps 100 to 400, every 2, which is one update" in output.err
    )
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.array(found["value"]).shape == (3, 3)
    assert found["pieces"] == wanted.pieces


def test_a_verdict_on_saved_weights(weights, capsys):
    wanted = stationary.detailed_balance(stationary.circulation(points_of(weights, 100)), scale=0.5)
    words = ["estimate", "saved", "stationary_state.detailed_balance", "--since", "100", "--scale", "0.5"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["kind"], found["text"]) == (wanted.holds, wanted.kind, wanted.text)


def test_running_sums_of_a_run(weights, capsys):
    wanted = stochastic_area.covariance(stochastic_area.area_sums(weights), since=100)
    assert main(["estimate", "saved", "stochastic_area.covariance", "--since", "100"]) == 0
    output = capsys.readouterr()
    assert [row["value"] for row in table(output.out)] == wanted.value.ravel().tolist()
    assert "saved: 5 trajectories of 400 steps" in output.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "500"], "has saved no weights since step 500"),
        (["--scale", "2"], "are for logs of one value"),
        (["--centre", "0"], "centre has shape ()"),
        (["--center", "0"], "Did you mean '--centre'?"),
    ],
)
def test_weights_that_cannot_be_read(weights, words, said, capsys):
    assert main(["estimate", "saved", "stationary_state.covariance", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_run_without_weights(config, capsys):
    assert main(["run", str(config), "--out", "bare", "--epochs", "1"]) == 0
    capsys.readouterr()
    assert main(["estimate", "bare", "stationary_state.circulation"]) == 2
    assert "at least 2 are needed: record more" in capsys.readouterr().err
    assert main(["estimate", "bare", "stochastic_area.circulation"]) == 2
    assert "no sums 'stochastic_area'" in capsys.readouterr().err


@pytest.fixture
def arrays(tmp_path):
    """Recorded arrays of several kinds in one file."""
    random = np.random.default_rng(0)
    squares = random.chisquare(1, (4, 400))
    file = tmp_path / "arrays.npz"
    np.savez(
        file,
        dissipation=squares,
        fluctuation=squares[:, ::-1],
        spectrum=[0.0, 1.0, 5.0],
        table=squares[:, :8],
    )
    return str(file)


def test_recorded_arrays_go_by_their_names(arrays, capsys, tmp_path):
    """A required array is the record of its own name, or the one that is named; else a file or numbers."""
    recorded = np.load(arrays)
    wanted = fluctuation_dissipation.ratio(recorded["dissipation"], recorded["fluctuation"])
    words = ["estimate", arrays, "fluctuation_dissipation.ratio", "--json"]
    np.save(tmp_path / "other.npy", recorded["dissipation"])
    for more in ([], ["--dissipation", "dissipation"], ["--dissipation", str(tmp_path / "other.npy")]):
        assert main([*words, *more]) == 0
        assert json.loads(capsys.readouterr().out)["value"] == wanted.value
    assert main([*words, "--dissipation", "fluctuation", "--fluctuation", "fluctuation"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == 1
    for more in (["--eigenvalues", "spectrum"], ["--eigenvalues", "0", "1", "5"], ["--eigenvalues=[0,1,5]"]):
        assert main(["estimate", arrays, "landscape.spectrum_summary", "--json", *more]) == 0
        assert json.loads(capsys.readouterr().out)["trace"] == pytest.approx(6)
    assert main(["estimate", arrays, "landscape.spectrum_summary"]) == 2
    assert "needs --eigenvalues ARRAY" in capsys.readouterr().err
    assert main(["estimate", arrays, "landscape.spectrum_summary", "--eigenvalues", "absent"]) == 2
    assert "--eigenvalues absent: there is no such file" in capsys.readouterr().err


def test_columns_of_a_csv_are_records_too(tmp_path, capsys):
    (tmp_path / "sweep.csv").write_text("rate,square\n0.1,1.0\n0.2,2.0\n0.3,3.1\n", "utf-8")
    words = ["estimate", str(tmp_path / "sweep.csv"), "fluctuation_dissipation.landscape_response"]
    named = ["--learning-rates", "rate", "--squared-gradients", "square", "--sampling", "with_replacement"]
    code = main([*words, *named])
    assert code in {0, 2}
    assert "cannot use these arrays" not in capsys.readouterr().err


def test_aging_of_a_run_and_of_a_file(config, capsys, tmp_path):
    text = config.read_text("utf-8").replace('["loss"]', '["two_time_displacement"]')
    config.write_text(text.replace("steps = 12", "steps = 1000"), "utf-8")
    assert main(["run", str(config), "--out", "aged"]) == 0
    capsys.readouterr()
    table_of_run = aging.table(open_run("aged"))
    threshold = float(np.nanmedian(table_of_run.mean_square()))
    wanted = aging.characteristic_time(table_of_run, threshold)
    table_of_run.save(tmp_path / "table.npz")
    for source in ("aged", str(tmp_path / "table.npz")):
        words = ["estimate", source, "aging.characteristic_time", "--threshold", repr(threshold), "--json"]
        assert main(words) == 0
        found = json.loads(capsys.readouterr().out)
        np.testing.assert_array_equal(np.array(found["times"], float), wanted.times)
    assert main(["estimate", "aged", "aging.aging_exponent"]) in {0, 1}
    assert capsys.readouterr().out


def test_the_phases_of_a_loss_begin_at_step_0(config, capsys):
    config.write_text(config.read_text("utf-8").replace("steps = 12", "steps = 300"), "utf-8")
    assert main(["run", str(config), "--out", "learned"]) == 0
    capsys.readouterr()
    run = open_run("learned")
    wanted = aging.learning_phases(run.times("train_loss"), run["train_loss"])
    assert main(["estimate", "learned", "aging.learning_phases"]) == 0
    assert capsys.readouterr().out == f"{wanted}\n"


def test_draws_of_a_posterior(tmp_path, capsys):
    draws = PosteriorDraws({"w": np.random.default_rng(1).standard_normal((4, 300, 2))})
    draws.save(tmp_path / "draws.safetensors")
    source = str(tmp_path / "draws.safetensors")
    assert main(["estimate", source, "posterior.convergence", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["kind"] == draws.convergence().kind
    assert "300 draws of 4 chains, 2 parameters" in output.err
    assert main(["estimate", str(tmp_path), "posterior.rhat"]) == 0  # the folder that `sample` leaves
    assert [row["value"] for row in table(capsys.readouterr().out)] == posterior.rhat(draws.array()).tolist()
    words = ["posterior.gaussian_kl", "--mean", "0", "0", "--covariance", "[[1,0],[0,1]]"]
    assert main(["estimate", source, *words]) == 0
    assert main(["estimate", source, "posterior.virial_ratio"]) == 2
    assert "these draws hold no virial" in capsys.readouterr().err
    assert main(["estimate", str(tmp_path / "none"), "posterior.rhat"]) == 2
    assert "`thermograd sample` and PosteriorDraws.save write draws" in capsys.readouterr().err


def test_arrays_that_do_not_fit_are_no_bug(arrays, capsys):
    words = ["estimate", arrays, "fluctuation_dissipation.ratio", "--fluctuation", "1", "2", "3"]
    assert main(words) == 2
    assert capsys.readouterr().out == ""
