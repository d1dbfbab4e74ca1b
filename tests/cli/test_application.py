"""What every verb has in common: light help, exit codes, one line instead of a traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

import thermograd
from thermograd.cli import doctor, main
from thermograd.cli.application import VERBS
from thermograd.ensemble import preparation
from thermograd.ensemble.engines.kernel import compiler

HEAVY = ("torch", "numpy", "scipy", "zarr", "plotly")


def test_help_and_version_import_nothing_heavy():
    """One process for all verbs, so that none can hide behind another; each is asked for its help."""
    script = (
        "import sys\n"
        "from thermograd.cli import main\n"
        f"for verb in {[*VERBS]!r}:\n"
        "    if verb == 'quickstart' and len(sys.argv) < 2: continue\n"
        "    try: code = main([verb, '--help'])\n"
        "    except SystemExit as stop: code = stop.code\n"
        "    assert code == 0, (verb, code)\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert not loaded, (verb, loaded)\n"
        "assert main(['--help']) == main(['--version']) == 0\n"
        f"assert not [name for name in {HEAVY!r} if name in sys.modules]\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "all"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)
    assert thermograd.__version__ in done.stdout


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "thermograd", "rnu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("unknown verb 'rnu'. Did you mean 'run'?")


def test_without_cyclopts_there_is_one_line():
    script = "import sys; sys.modules['cyclopts'] = None\nfrom thermograd.cli import main\nsys.exit(main(['--help']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "pip install 'thermograd[lab]'" in done.stderr
    version = subprocess.run(
        [sys.executable, "-c", script.replace("--help", "--version")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (version.returncode, version.stdout) == (0, f"{thermograd.__version__}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["resume", "--repare", "x"], "Did you mean '--repair'?"),
        (["run", "a.toml", "--wrokers", "2"], "Did you mean '--workers'?"),
        (["run", "a.toml", "--dry-rum"], "Did you mean '--dry-run'?"),
        (["run"], "at least one config"),
        (["run", "a.toml", "b.toml", "--out", "x"], "2 configs"),
        (["run", "a.toml", "--seed"], "value is missing"),
        (["run", "a.toml", "--workers", "many"], "many"),
        (["resume"], "thermograd resume --help"),
        (["list", "plgins"], "Did you mean 'plugins'?"),
        (["reproduce", "aging", "fig2"], "'fig2' is more than reproduce takes; an option begins with --"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, errors = capsys.readouterr()
    assert said in errors
    assert out == ""
    assert len(errors.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_two_lines_and_a_log(config, capsys, monkeypatch):
    ours: dict[str, Any] = {}
    code = 'def broken(*_):\n    raise ZeroDivisionError("impossible\\nsecond line")'
    exec(compile(code, preparation.__file__, "exec"), ours)  # as if it stood there
    monkeypatch.setattr(preparation, "slug", ours["broken"])
    assert main(["run", str(config)]) == 70
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert lines[0] == "thermograd has a bug: ZeroDivisionError: impossible"
    log = Path(lines[1].split(" with ")[1].split(" (")[0])
    assert "Traceback" in log.read_text(encoding="utf-8")
    log.unlink()
    for words in (["run", str(config), "--traceback"], ["--traceback", "run", str(config)]):
        assert main(words) == 70
        said = capsys.readouterr().err
        assert "Traceback (most recent call last)" in said
        Path(re.search(r"/\S+thermograd-traceback-\S+\.log", said)[0]).unlink()


def test_no_color_and_pipes(config):
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": ""}
    done = subprocess.run(
        [sys.executable, "-m", "thermograd", "--help"], capture_output=True, env=environment, check=False
    )
    assert b"\x1b[" not in done.stdout


def test_doctor(capsys, monkeypatch):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    for extra, needed in extras["optional-dependencies"].items():
        for package in needed if extra != "dev" else ():
            said = found["found"][re.match(r"[a-z-]+", package)[0]]
            assert re.match(r"\d", said) or f"pip install 'thermograd[{extra}]'" in said
    assert found["found"]["engine eager"] == "one step of two trajectories is right"
    for engine in ("kernel", "compiled"):
        assert found["found"][f"engine {engine}"].startswith(
            ("one step of two trajectories is right", "needs a C++")
        )
    assert "kernels in" in found["found"]["engine kernel"] or "no C++ compiler" in found["found"]["compiler"]
    monkeypatch.setattr(doctor, "_compiled", lambda: "not tried")
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("all is well")


@pytest.fixture
def quick_doctor(monkeypatch):
    """Without torch.compile, which takes seconds to load."""
    monkeypatch.setattr("thermograd.cli.doctor._compiled", lambda: "not tried")


def test_doctor_without_a_compiler_is_no_fault(capsys, monkeypatch, quick_doctor):
    monkeypatch.setenv("THERMOGRAD_CXX", "/nonexistent/c++")
    compiler.compiler.cache_clear()
    try:
        assert main(["doctor", "--json"]) == 0
    finally:
        compiler.compiler.cache_clear()
    found = json.loads(capsys.readouterr().out)["found"]
    assert "install g++ or set THERMOGRAD_CXX" in found["compiler"]
    assert found["engine kernel"] == "needs a C++ compiler"


def test_doctor_finds_a_fault(capsys, monkeypatch, quick_doctor):
    monkeypatch.setattr(
        "thermograd.dynamics.sgd.SGD.step", lambda self, weights, state, oracle, step: (weights, state)
    )
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert "one step is wrong by" in found["faults"][0]


def test_doctor_names_the_data_sets(capsys, monkeypatch, tmp_path, quick_doctor):
    def said(code):
        assert main(["doctor", "--json"]) == code
        return json.loads(capsys.readouterr().out)

    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    assert said(0)["found"]["data folder"].startswith("none: THERMOGRAD_DATA is not set")
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    assert said(0)["found"]["data folder"] == f"{tmp_path}: no mnist, no cifar10"
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar10-small-5000-1000.npz").touch()
    assert said(0)["found"]["data folder"] == f"{tmp_path}: no mnist, cifar10 (small)"
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path / "absent"))
    assert "absent, which is no folder" in said(1)["faults"][0]


def test_list(config, capsys, tmp_path):
    assert main(["list", "plugins", "--json"]) == 0
    plugins = json.loads(capsys.readouterr().out)
    assert {"digits", "quadratic"} <= set(plugins["problems"])
    assert plugins["dynamics"]["sgd"].startswith("b ← g")
    assert main(["list", "plugins", "submitit"]) == 0
    told = capsys.readouterr().out
    assert "\nOptions:\n    workers: " in told
    assert "cluster = ''" in told
    assert ">>>" not in told
    assert main(["list", "plugins", "submitti"]) == 2
    assert "Did you mean 'submitit'?" in capsys.readouterr().err
    assert main(["list", "schema"]) == 0
    assert "learning_rate" in capsys.readouterr().out
    assert main(["run", str(config)]) == 0
    capsys.readouterr()
    assert main(["list", "runs", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert (found["state"], found["name"], found["trajectories"]) == ("finished", "Tiny quadratic", 5)
    manifest = Path(found["run"]) / "manifest.json"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('"seed": 0', '"seed": 1'), encoding="utf-8"
    )
    assert main(["list", "runs"]) == 0
    assert "checksum" in capsys.readouterr().err
    assert main(["list", "runs", str(tmp_path / "none")]) == 2


def test_list_runs_a_report_and_a_refused_lock_need_no_torch(config):
    assert main(["run", str(config), "--out", "kick"]) == 0
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from thermograd.cli import main\n"
        "from thermograd.store import lock\n"
        "assert main(['list', 'runs', '.']) == 0\n"
        "assert main(['report', 'kick']) == 0\n"
        "with lock.hold(Path('kick')):\n"
        "    assert main(['resume', 'kick']) == 3\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kick is in use by " in done.stderr
    assert "report.html" in done.stdout


def test_an_extra_that_is_absent_is_no_fault_and_lab_is_one(capsys, monkeypatch, quick_doctor):
    known = doctor.version

    def version(package):
        if package in {"pyarrow", "plotly"}:
            raise PackageNotFoundError(package)
        return known(package)

    monkeypatch.setattr(doctor, "version", version)
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["faults"] == ["plotly is not installed: pip install 'thermograd[lab]'"]
    assert found["found"]["pyarrow"] == "absent, optional: pip install 'thermograd[parquet]'"


def test_an_option_without_its_value_is_named(capsys):
    assert main(["run", "experiment.toml", "--out"]) == 2
    assert capsys.readouterr().err == "--out needs a value. See thermograd run --help\n"


def test_an_option_that_has_to_be_given_is_required(capsys):
    assert main(["advise", "log.csv"]) == 2
    assert capsys.readouterr().err == "--target is required. See thermograd advise --help\n"


def test_a_run_directory_that_cannot_be_made_is_named_as_it_was_given(config, capsys):
    assert main(["run", str(config), "--out", "/proc/nowhere"]) == 2
    assert capsys.readouterr().err.startswith("cannot use /proc/nowhere: ")
