"""What the command line ends with, through the real entry point, and which error stands for which code."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from thermograd import errors, open_run
from thermograd.cli import exit_codes
from thermograd.cli.command_line import main

CODES = {
    "ConfigError": 2,
    "NothingCommittedError": 2,
    "RunInUseError": 3,
    "ExperimentMismatchError": 3,
    "ForeignDirectoryError": 3,
    "DamagedRunError": 3,
    "NewerFormatError": 3,
    "EnvironmentChangedError": 3,
    "DiskFullError": 4,
    "MemoryLimitError": 4,
    "MissingExtraError": 4,
    "MissingDataError": 4,
    "DamagedDataError": 4,
    "BlockFailedError": 1,
    "EngineUnavailableError": 4,
    "CensoredError": 1,
    "DivergedError": 1,
    "UnstableStepSizeError": 2,
    "NotApplicableError": 2,
}
BUILTINS = {
    "ConfigError": ValueError,
    "ExperimentMismatchError": ValueError,
    "ForeignDirectoryError": ValueError,
    "DiskFullError": OSError,
    "MemoryLimitError": MemoryError,
    "MissingExtraError": ImportError,
    "MissingDataError": FileNotFoundError,
    "CensoredError": ValueError,
    "NotApplicableError": ValueError,
    "DivergedError": ArithmeticError,
}


_ABSENT = """
from importlib.machinery import PathFinder
known = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition('.')[0] == '{package}' else known(name, *more)
"""


_PLUGIN = """
from dataclasses import dataclass
from thermograd.numerics.log_times import Epochs

@dataclass(frozen=True)
class Mine:
    at: Epochs = Epochs()
    name: str = "mine"

    def measure(self, weights, problem, oracle):
        raise KeyError("no such weight")
"""


def started(*words, before="", **options):
    """`thermograd WORDS` in a process of its own; with code that runs before it."""
    entry = ["-m", "thermograd"]
    if before:
        entry = ["-c", f"import sys\n{before}\nfrom thermograd.cli import main\nsys.exit(main(sys.argv[1:]))"]
    return subprocess.run(
        [sys.executable, *entry, *words], capture_output=True, text=True, check=False, timeout=100, **options
    )


@pytest.fixture
def answered(tmp_path, monkeypatch, capsys):
    """A function of words: exit code, stdout and stderr of a verb in this process, whose folder is `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def asked(*words):
        capsys.readouterr()
        return main(words), *capsys.readouterr()

    return asked


def test_every_foreseen_error_has_its_code():
    found = {
        name: thing
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.ThermogradError) and name != "ThermogradError"
    }
    assert set(CODES) <= set(found)
    assert {name: thing.exit_code for name, thing in found.items() if name in CODES} == CODES
    assert {thing.exit_code for thing in found.values()} <= {1, 2, 3, 4}
    for name, builtin in BUILTINS.items():
        assert issubclass(found[name], builtin)
    assert errors.InterruptedRunError("stopped", 2).exit_code == 130
    assert errors.InterruptedRunError("stopped", 15).exit_code == 143


def test_0_what_was_asked_for_is_on_stdout_alone():
    done = started("list", "plugins", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "dynamics" in json.loads(done.stdout)


def test_1_something_is_missing(tmp_path):
    np.savez(tmp_path / "log.npz", values=np.sort(np.random.default_rng(0).uniform(size=(9, 6)), axis=1))
    done = started(
        "estimate", "log.npz", "first_passage.mean_first_passage_time", "--target", "0.9", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "restricted" in done.stdout
    assert "never arrived" in done.stderr
    assert "Traceback" not in done.stderr


def test_2_wrong_usage_writes_nothing(tmp_path, answered):
    (tmp_path / "a.toml").write_text("problem = 'quadratic'\nsteps = 3\nsed = 1\n", "utf-8")
    code, out, errors = answered("run", "a.toml")
    assert (code, out) == (2, "")
    assert errors.startswith("a.toml: sed: unknown field. Did you mean 'seed'? Known: ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]


def test_3_a_folder_that_is_no_run(tmp_path, answered):
    (tmp_path / "file").touch()
    for verb in ("report", "resume"):
        code, out, errors = answered(verb, str(tmp_path))
        assert (code, out) == (3, "")
        assert str(tmp_path) in errors
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("package", "verb"),
    [
        ("plotly", "report"),
        pytest.param("zarr", "run", marks=pytest.mark.slow),
        pytest.param("pydantic", "run", marks=pytest.mark.slow),
    ],
)
def test_4_a_missing_extra(tmp_path, package, verb, monkeypatch):
    (tmp_path / "a.toml").write_text("problem = 'quadratic'\nsteps = 3\n", "utf-8")
    words = ["run", "a.toml", "--out", "made"]
    if verb == "report":
        monkeypatch.chdir(tmp_path)
        assert main(words) == 0
        words = ["report", "made"]
    done = started(*words, before=_ABSENT.format(package=package), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.splitlines()[-1].endswith("which is not installed: pip install 'thermograd[lab]'")
    assert f"'{package}'" in done.stderr


def test_70_is_two_lines_and_the_path_of_the_traceback(tmp_path):
    broken = "import thermograd.cli.list as verb\nverb.available = None"
    done = started("list", "plugins", before=broken, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stdout) == (exit_codes.BUG, "")
    first, second = done.stderr.splitlines()
    assert first == "thermograd has a bug: TypeError: 'NoneType' object is not callable"
    (log,) = tmp_path.glob("thermograd-traceback-*.log")
    assert str(log) in second
    assert "Traceback (most recent call last)" in log.read_text("utf-8")


def test_a_traceback_only_where_it_is_asked_for(answered):
    words = ("estimate", "no.npz", "first_passage.restricted_mean", "--target", "1")
    (plain_code, _, plain), (asked_code, _, asked) = answered(*words), answered(*words, "--traceback")
    assert plain_code == asked_code == 2
    assert "Traceback" not in plain
    assert plain.count("\n") == 1
    assert "Traceback" in asked


def test_a_reader_that_left_is_met_in_silence():
    """As `thermograd list plugins | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "thermograd", "list", "plugins"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(100), said) == (0, "")


def test_a_run_outlives_whoever_read_its_progress(tmp_path):
    """As `thermograd run a.toml 2>&1 | head -1`: a line that nobody reads is no fault of a block."""
    (tmp_path / "a.toml").write_text("problem = 'quadratic'\nsteps = 30\nengine = 'eager'\n", "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "thermograd", "run", "a.toml", "--out", "made"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        process.stderr.close()
        said = process.stdout.read()
        assert (process.wait(100), said) == (0, f"{tmp_path / 'made'}\n")
    run = open_run(tmp_path / "made")
    assert (run.state, run.failures) == ("finished", ())


def test_a_fault_of_a_plug_in_is_not_called_ours(tmp_path, answered, monkeypatch):
    (tmp_path / "plug_in_with_a_fault.py").write_text(_PLUGIN, "utf-8")
    (tmp_path / "a.toml").write_text(
        "problem = 'quadratic'\nsteps = 3\nobserve = ['plug_in_with_a_fault:Mine']\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, errors = answered("run", "a.toml", "--out", "made", "--allow-import")
    assert (code, out) == (exit_codes.USAGE, "")
    first, second = errors.splitlines()
    place = f"measure, {tmp_path / 'plug_in_with_a_fault.py'}:11"
    assert first == f"KeyError: 'no such weight', in code that is not thermograd's: {place}"
    (log,) = tmp_path.glob("thermograd-traceback-*.log")
    assert str(log) in second
    assert not (tmp_path / "made").exists()


def test_an_interrupt_is_130(monkeypatch, capsys):
    def interrupted(words):
        raise KeyboardInterrupt

    monkeypatch.setattr("thermograd.cli.application.run_verb", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == ""


def test_every_code_of_the_epilogue_is_one_of_ours():
    from thermograd.cli.application import _EPILOGUE

    for code in (
        exit_codes.DONE,
        exit_codes.INCOMPLETE,
        exit_codes.USAGE,
        exit_codes.REFUSED,
        exit_codes.RESOURCE,
    ):
        assert f"{code} " in _EPILOGUE
    assert f"{exit_codes.BUG} our bug" in _EPILOGUE
