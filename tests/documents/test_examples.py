"""Every example runs, warnings as errors: those that start processes as a user would run them, the others in this one."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from smaller_sizes import SIZES, smaller

from thermograd.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
OF_THEIR_OWN = {"two_nodes.py", "watch.py"}
SLOW = {"two_nodes.py"}  # run_on_a_cluster.md runs blocks on Dask too, and test_dask kills its workers
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run_alone(script, folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=folder,
        env=QUIET,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "script",
    [pytest.param(path, marks=pytest.mark.slow if path.name in SLOW else ()) for path in SCRIPTS],
    ids=lambda path: path.name,
)
def test_script(script, tmp_path, monkeypatch, capsys):
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    copy = tmp_path / script.name
    copy.write_text(smaller(script.name, text), encoding="utf-8")
    if script.name in OF_THEIR_OWN:
        run_alone(copy, tmp_path)
        return
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(copy), run_name="__main__")
    output = capsys.readouterr()
    assert output.out
    assert output.err == ""


@pytest.mark.slow  # above at smaller sizes
@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if path.name in SIZES], ids=lambda path: path.name
)
def test_script_at_its_own_sizes(script, tmp_path):
    run_alone(script, tmp_path)


def test_a_script_that_fails_is_noticed(tmp_path):
    """Negative control."""
    script = tmp_path / "script.py"
    for text in ("import warnings\nprint()\nwarnings.warn('w')", "print()\nraise SystemExit('no')", "pass"):
        script.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            run_alone(script, tmp_path)


@pytest.mark.parametrize("config", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_config(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["run", str(config), "--out", "made", "--trajectories", "2", "--epochs", "2"]
    if "\nperturb =" in config.read_text(encoding="utf-8"):
        words += ["--perturb.n", "1"]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("made")
