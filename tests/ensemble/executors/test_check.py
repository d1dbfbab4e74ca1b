"""An executor that cannot work is refused before a run directory is made, and leaves one that is there as it is."""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from thermograd.cli import main
from thermograd.ensemble.executors import dask
from thermograd.ensemble.executors.choice import executor_kinds
from thermograd.ensemble.executors.dask import Dask
from thermograd.ensemble.executors.dask_client import DaskClient
from thermograd.ensemble.executors.inline import Inline
from thermograd.ensemble.executors.process import Process
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.errors import ConfigError, MissingExtraError

CONFIG = """
steps = 4
engine = "eager"
trajectories = 2
problem = "quadratic"
observe = ["loss"]
[executor]
"""
SLURM = 'kind = "dask"\ncluster = "slurm"\n'
CANNOT_WORK = {
    "no scheduler file": ("distributed", 'kind = "dask"\naddress = "/nowhere/s.json"', "executor.address"),
    "nobody listens": ("distributed", 'kind = "dask"\naddress = "tcp://127.0.0.1:1"', "executor.address"),
    "option of the queue": (
        "dask_jobqueue",
        SLURM + 'cluster_options = { que = "long", memory = "1GB" }',
        "executor.cluster_options",
    ),
    "no queue": ("dask_jobqueue", SLURM + 'cluster_options = { memory = "1GB" }', "executor.cluster"),
    "no cluster": ("submitit", 'kind = "submitit"\ncluster = "lsf"', "executor.cluster"),
    "no slurm": ("submitit", 'kind = "submitit"\ncluster = "slurm"', "executor.cluster"),
    "parameter": (
        "submitit",
        'kind = "submitit"\ncluster = "local"\nparameters = { slurm_colour = "red" }',
        "executor.parameters",
    ),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_CONNECT_SECONDS", 0.5)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of a cluster refused half-made
@pytest.mark.parametrize("case", CANNOT_WORK)
def test_it_is_refused_before_anything_is_written(case, tmp_path, capsys):
    package, text, path = CANNOT_WORK[case]
    pytest.importorskip(package)
    (tmp_path / "c.toml").write_text(CONFIG + text, encoding="utf-8")
    assert main(["run", "c.toml", "--out", "kick"]) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert f"c.toml: {path}: " in said
    assert main(["run", "c.toml", "--out", "kick", "--dry-run", "--json"]) == 2
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert [error["path"] for error in file["errors"]] == [path]
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.toml"]
    gc.collect()


@pytest.mark.parametrize(
    ("package", "text", "extra"),
    [
        ("distributed", 'kind = "dask"', "dask"),
        ("dask_jobqueue", SLURM, "slurm"),
        ("submitit", 'kind = "submitit"', "slurm"),
    ],
)
def test_a_missing_package_is_found_too(tmp_path, monkeypatch, capsys, package, text, extra):
    if package == "dask_jobqueue":
        pytest.importorskip("distributed")
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "c.toml").write_text(CONFIG + text, encoding="utf-8")
    assert main(["run", "c.toml", "--out", "kick"]) == 4
    assert f"pip install 'thermograd[{extra}]'" in capsys.readouterr().err
    assert main(["run", "c.toml", "--out", "kick", "--dry-run"]) == 2
    assert f"pip install 'thermograd[{extra}]'" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.toml"]


def test_from_python_too_and_a_run_that_is_there_stays_as_it_is(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError):
        run(made(), store=tmp_path / "run", executor="submitit")
    assert list(tmp_path.iterdir()) == []
    run(made(), store=tmp_path / "run", until=7)
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    with pytest.raises(MissingExtraError):
        resume(tmp_path / "run", executor="submitit")
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before
    assert resume(tmp_path / "run").state == "finished"
    assert resume(tmp_path / "run", executor="submitit").state == "finished"  # nobody is needed


def test_every_kind_can_be_asked_and_those_that_need_nothing_say_nothing():
    assert all(callable(getattr(kind, "check", None)) for kind in executor_kinds().values())
    Inline().check()
    Process().check()
    if importlib.util.find_spec("distributed"):
        Dask().check()


def test_a_client_without_a_scheduler_is_refused():
    DaskClient(SimpleNamespace(status="running")).check()
    with pytest.raises(ConfigError, match="the Dask client is closed"):
        DaskClient(SimpleNamespace(status="closed")).check()
