"""`thermograd predict`: every name, arrays from words and files, what a run knows, and the answer in every form."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from thermograd.cli import main
from thermograd.cli.predictions import known_predictions
from thermograd.estimators.first_passage import first_passage_times, survival_function
from thermograd.quantities import Landscape
from thermograd.theory import first_passage, fluctuation_dissipation, mean_field, posterior, stationary_state

QUADRATIC = ["fluctuation_dissipation.quadratic", "--curvatures", "1", "0.1", "--noise", "2"]
GRADIENTS, HESSIAN = [[1.0, 0.0], [-1.0, 0.5], [0.0, -0.5]], [[2.0, 0.0], [0.0, 1.0]]
LAND = ["--sample-gradients", json.dumps(GRADIENTS), "--hessian", json.dumps(HESSIAN)]
SURVIVAL = [1.0, 1.0, 1.0, 0.5, 0.5, 0.4]


def told(words, capsys):
    assert main(["predict", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_curve_is_csv_with_where_it_holds(capsys):
    words = ["first_passage.perturbed_mean", "--survival", json.dumps(SURVIVAL), "--residual", "2"]
    assert main(["predict", *words]) == 0
    output = capsys.readouterr()
    wanted = first_passage.perturbed_mean(SURVIVAL, 2.0)
    rows = list(csv.DictReader(io.StringIO(output.out)))
    assert [float(row["value"]) for row in rows] == wanted.value.tolist()
    assert [row["valid"] for row in rows] == ["False", "True", "True", "True", "True"]
    assert "the assumptions hold at 4 of 5 points" in output.err
    assert "rests on a residual time that does not depend on the interval (Eq. 9)" in output.err


def test_quantities_by_name(capsys):
    assert main(["predict", *QUADRATIC, "--learning-rate", "0.1"]) == 0
    output = capsys.readouterr()
    wanted = fluctuation_dissipation.quadratic([1, 0.1], 2.0, 0.1)
    assert f"dissipation: {wanted['dissipation'].value:.6g}\n" in output.out
    assert output.err.startswith("rests on a quadratic loss")
    found = told([*QUADRATIC, "--learning-rate", "0.1"], capsys)
    assert found["variance"]["value"] == wanted["variance"].value.tolist()
    assert found["variance"]["at"] == [1.0, 0.1]


def test_what_is_not_finite_is_null(capsys):
    found = told(
        ["first_passage.restart_mean", "--survival", json.dumps(SURVIVAL), "--intervals", "2", "3"], capsys
    )
    assert found["value"] == [None, 6.0]


def test_a_landscape_from_words_and_from_a_file(capsys, tmp_path):
    np.savez(tmp_path / "land.npz", sample_gradients=GRADIENTS, hessian=HESSIAN)
    wanted = stationary_state.predict(
        Landscape(sample_gradients=np.array(GRADIENTS), hessian=np.array(HESSIAN)),
        learning_rate=0.1,
        batch_size=1,
    )
    words = ["stationary_state.predict", "--learning-rate", "0.1", "--batch-size", "1"]
    for land in (LAND, ["--landscape", str(tmp_path / "land.npz")]):
        assert told([*words, *land], capsys)["covariance"] == wanted.covariance.tolist()
    assert main(["predict", *words, *LAND]) == 0
    assert capsys.readouterr().out == f"{wanted}\n"
    assert main(["predict", *words, *LAND, "--learning-rate=5"]) == 2
    assert "--learning-rate=5 was given twice" in capsys.readouterr().err.replace(
        "--learning-rate was", "--learning-rate=5 was"
    )
    unstable = ["stationary_state.predict", "--learning-rate", "5", "--batch-size", "1", *LAND]
    assert main(["predict", *unstable]) == 0
    assert capsys.readouterr().out.startswith("no: ")


def test_estimate_and_predict_go_together(capsys, tmp_path, monkeypatch):
    """A measured survival function into the restart theory, its curve into the best interval."""
    monkeypatch.chdir(tmp_path)
    values = np.sort(np.random.default_rng(3).uniform(size=(30, 12)), axis=1)
    np.savez("log.npz", values=values)
    survival = [
        "estimate",
        "log.npz",
        "first_passage.survival_function",
        "--target",
        "0.9",
        "--csv",
        "psi.csv",
    ]
    assert main(survival) == 0
    capsys.readouterr()
    measured = survival_function(first_passage_times(values, 0.9))
    wanted = first_passage.restart_mean(measured.value)
    assert told(["first_passage.restart_mean", "--survival", "psi.csv"], capsys)["value"] == [
        value if np.isfinite(value) else None for value in wanted.value
    ]
    assert main(["predict", "first_passage.restart_mean", "--survival", "psi.csv"]) == 0
    (tmp_path / "restart.csv").write_text(capsys.readouterr().out, "utf-8")
    best = told(["first_passage.best_interval", "--prediction", "restart.csv"], capsys)
    assert best["value"] == first_passage.best_interval(wanted).value


def test_two_arguments_of_one_kind_are_told_apart(capsys):
    words = [
        "posterior.kl_divergence",
        "--p.mean",
        "0",
        "--p.covariance",
        "1",
        "--q.mean",
        "1",
        "--q.covariance",
        "2",
    ]
    p = posterior.Gaussian(np.zeros(1), np.eye(1))
    q = posterior.Gaussian(np.ones(1), 2 * np.eye(1))
    assert told(words, capsys)["value"] == posterior.kl_divergence(p, q)


def test_mean_field_has_the_problem_defaults(capsys):
    words = ["mean_field.solve", "--learning-rate", "0.2", "--steps", "2", "--paths", "50", "--seeds", "2"]
    found = told([*words, "--sample-ratio", "3"], capsys)
    from thermograd.problems import GaussianMixture

    wanted = mean_field.solve(
        GaussianMixture(sample_ratio=3.0), learning_rate=0.2, steps=2, paths=50, seeds=2
    )
    assert found["overlap"]["value"] == wanted.prediction("overlap").value.tolist()
    assert main(["predict", *words]) == 0
    assert capsys.readouterr().out.startswith("step,overlap,overlap_low,overlap_high,norm_squared")


def test_what_a_run_knows(config, capsys):
    more = ["--dynamics.learning_rate", "0.25", "--dynamics.momentum", "0.5"]
    assert main(["run", str(config), "--out", "kick", *more]) == 0
    capsys.readouterr()
    words = ["stationary_state.predict", "--from", "kick", *LAND]
    assert main(["predict", *words, "--batch-size", "2", "--json"]) == 0
    output = capsys.readouterr()
    assert "from kick: " in output.err
    assert "--learning-rate 0.25" in output.err
    assert "--momentum 0.5" in output.err
    assert "--minibatching with_replacement" in output.err
    assert "--batch-size" not in output.err  # the words decide
    land = Landscape(sample_gradients=np.array(GRADIENTS), hessian=np.array(HESSIAN))
    wanted = stationary_state.predict(land, learning_rate=0.25, batch_size=2, momentum=0.5)
    assert json.loads(output.out)["covariance"] == wanted.covariance.tolist()
    scaling = [
        "stationary_state.linear_scaling",
        "--from",
        "kick",
        *LAND,
        "--batch-size",
        "1",
        "--factor",
        "2",
    ]
    assert main(["predict", *scaling]) == 0
    assert (
        "kick has momentum 0.5, which stationary_state.linear_scaling does not know of"
        in capsys.readouterr().err
    )
    sampler = ["posterior.variance_excess", "--algorithm", "sgld", "--curvature", "1", "--from", "kick"]
    assert main(["predict", *sampler]) == 2  # a learning rate of SGD is none of SGLD
    assert "needs --learning-rate" in capsys.readouterr().err
    assert main(["predict", *sampler, "--from", "nowhere"]) in {2, 3}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["first_passage.restart_men"], "Did you mean 'first_passage.restart_mean'?"),
        (["restart_mean"], "Did you mean 'first_passage.restart_mean'?"),
        (["curvature.flat"], "there is no prediction"),
        (["mean_field.solve_many"], "use it from Python, thermograd.theory.mean_field.solve_many"),
        ([*QUADRATIC, "--learnng-rate", "1"], "Did you mean '--learning-rate'?"),
        (QUADRATIC, "needs --learning-rate FLOAT"),
        ([*QUADRATIC, "--learning-rate", "fast"], "--learning-rate takes float, got 'fast'"),
        ([*QUADRATIC, "--learning-rate", "5"], "unstable"),
        ([*QUADRATIC, "--learning-rate", "nan"], "learning_rate is nan"),
        (["first_passage.restart_mean", "--survival", "no.csv"], "no.csv: there is no such file"),
        (["first_passage.restart_mean", "--survival", "[[1],[2,3]]"], "takes an array"),
        (["first_passage.restart_mean", "--survival", "1", "x"], "takes an array"),
        (["first_passage.restart_mean", "--survival"], "takes an array"),
        (["first_passage.best_interval", "--prediction", "none.csv"], "there is no such file"),
        (["stationary_state.predict", "--learning-rate", "1", "--batch-size", "1"], "a landscape is needed"),
        (
            ["stationary_state.linear_process", "--propagator", "[[1,2]]", "--noise-covariance", "1"],
            "propagator",
        ),
        (["--learning-rate", "0.1", "fluctuation_dissipation.quadratic"], "NAME comes first"),
        ([], "NAME is missing"),
        ([*QUADRATIC, "--learning-rate", "0.1", "--from", "nowhere"], "nowhere"),
    ],
)
def test_usage_that_cannot_work(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", *words]) in {2, 3}
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert "bug" not in output.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is no CSV file of numbers"),
        (b"a,b\n1,2\n3\n", "2 numbers are needed"),
        (b"a,b\n1,2\n3,x\n", ":3:"),
        (b"a,b\n1,2\n3,4\n", "an array of shape (2, 2)"),
    ],
)
def test_tables_that_are_none(content, said, capsys, tmp_path):
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    assert main(["predict", "first_passage.restart_mean", "--survival", str(file)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "table.csv" in error or "shape" in error


@pytest.mark.parametrize("end", [1, 100, -1])
def test_files_that_are_cut_short(end, capsys, tmp_path):
    np.savez(tmp_path / "land.npz", sample_gradients=GRADIENTS, hessian=HESSIAN)
    np.save(tmp_path / "psi.npy", SURVIVAL)
    for name in ("land.npz", "psi.npy"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:end])
    words = ["stationary_state.predict", "--learning-rate", "0.1", "--batch-size", "1"]
    assert main(["predict", *words, "--landscape", str(tmp_path / "land.npz")]) in {2, 3}
    assert "land.npz" in capsys.readouterr().err
    code = main(["predict", "first_passage.restart_mean", "--survival", str(tmp_path / "psi.npy")])
    assert code in {2, 3}
    assert "psi.npy" in capsys.readouterr().err


def test_every_prediction_is_listed_and_says_what_it_needs(capsys):
    assert main(["list", "predictions", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["mean_field.solve_many"]["python_only"].startswith("points")
    assert {name for name, entry in listed.items() if "options" in entry} == set(known_predictions())
    for name, entry in listed.items():
        if entry.get("required"):
            assert main(["predict", name]) == 2
            assert entry["required"][0] in capsys.readouterr().err
    assert main(["list", "predictions"]) == 0
    assert "--survival ARRAY [--intervals ARRAY] [--waiting STR]" in capsys.readouterr().out
    assert main(["list", "predictions", "first_passage.restart_mean"]) == 0
    output = capsys.readouterr().out
    assert "independent" in output
    assert "Args:" in output
    assert main(["list", "estimates", "first_passage.restricted_mean", "--json"]) == 0
    assert "documentation" in json.loads(capsys.readouterr().out)["first_passage.restricted_mean"]
    assert main(["list", "predictions", "restart_men"]) == 2


def test_no_torch():
    script = (
        "import sys\n"
        "from thermograd.cli import main\n"
        "assert main(['list', 'predictions', '--quiet']) == 0\n"
        f"assert main(['predict', *{QUADRATIC!r}, '--learning-rate', '0.1']) == 0\n"
        "assert not {'torch', 'zarr', 'plotly', 'scipy.stats'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
