from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

import thermograd
from thermograd.minibatching import WithReplacement
from thermograd.observables import Loss
from thermograd.problems import Quadratic

CODE = """
import sys
from cyclopts import App
from thermograd.cli.report import report
app = App(name="thermograd", result_action="return_value")
app.command(report)
assert "numpy" not in sys.modules
try:
    code = app(sys.argv[1:], exit_on_error=False, print_error=False)
except Exception as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    code = getattr(error, "exit_code", 2)
assert "torch" not in sys.modules
sys.exit(code)
"""


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-c", CODE, "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    experiment = thermograd.Experiment(
        Quadratic(), minibatching=WithReplacement(2), trajectories=6, steps=8, observe=(Loss("train"),)
    )
    thermograd.run(experiment, store=folder, name="Small")
    return folder


def test_a_run_directory_gets_its_page_without_torch(run_folder):
    done = call(run_folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{run_folder / 'report.html'}\n"
    text = (run_folder / "report.html").read_text("utf-8")
    for part in (
        "<h1>Small</h1>",
        "Train loss with its spread",
        "No trajectory diverged",
        "kind = &quot;quadratic&quot;",
    ):
        assert part in text


def test_two_runs_are_compared_in_the_file_asked_for(run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    done = call(run_folder, copy, "--out", tmp_path / "both.html")
    assert done.stdout == f"{tmp_path / 'both.html'}\n"
    text = (tmp_path / "both.html").read_text("utf-8")
    assert "2 runs compared" in text
    assert "small and copy are one experiment with one seed" in text


def test_a_damaged_run_is_refused_and_salvaged_on_demand(run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    (copy / "trajectories.zarr/train_loss/c/0/0").write_bytes(b"nothing")
    (copy / "report.html").unlink(missing_ok=True)
    done = call(copy)
    assert done.returncode == 3
    assert "--salvage" in done.stderr
    assert "--repair" in done.stderr
    assert not (copy / "report.html").exists()
    assert call(copy, "--salvage").returncode == 0
    assert "1 file of the run is lost or damaged" in (copy / "report.html").read_text("utf-8")


def test_what_salvage_cannot_read_either_is_not_offered(run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "copy")
    (copy / "manifest.json").unlink()
    done = call(copy)
    assert done.returncode == 3
    assert "--repair" in done.stderr
    assert "--salvage" not in done.stderr


def test_a_foreign_folder_is_refused_without_torch(tmp_path):
    done = call(tmp_path)
    assert done.returncode == 3
    assert "is not a run of thermograd" in done.stderr
    assert list(tmp_path.iterdir()) == []
    logs = call(tmp_path / "*.csv")
    assert logs.returncode == 3
    assert "made by: thermograd advise" in logs.stderr


@pytest.mark.parametrize("arguments", [(), ("--outt", "x")])
def test_wrong_usage_is_refused(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_help_needs_neither_numpy_nor_torch():
    done = subprocess.run(
        [sys.executable, "-c", "import thermograd.cli.report, sys; sys.exit('numpy' in sys.modules)"],
        timeout=50,
    )
    assert done.returncode == 0
