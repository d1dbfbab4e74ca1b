"""A run that imports code does so only if whoever resumes it says so, whatever its manifest says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thermograd.ensemble.config import load_config
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.errors import ConfigError
from thermograd.store.manifest import read_manifest, write_manifest

PLUGIN = """
from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermograd.numerics.log_times import Every

if TYPE_CHECKING:
    from thermograd.protocols import Times

pathlib.Path(__file__).with_name("imported").touch()

@dataclass(frozen=True)
class Twice:
    at: Times = Every(2)
    name: str = "twice"

    def measure(self, weights, problem, oracle):
        return 2 * problem.mean_loss(weights, problem.split("train"))
"""
CONFIG = """
problem = "quadratic"
steps = 6
trajectories = 2
engine = "eager"
observe = ["elsewhere_of_a_stranger:Twice"]
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch) -> Iterator[Path]:
    """An interrupted run of a plug-in, its module not imported yet."""
    (tmp_path / "elsewhere_of_a_stranger.py").write_text(PLUGIN)
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = load_config(tmp_path / "config.toml", allow_import=True)
    run(config.experiment, store=tmp_path / "run", until=2)
    del sys.modules["elsewhere_of_a_stranger"]
    (tmp_path / "imported").unlink()
    yield tmp_path / "run"
    sys.modules.pop("elsewhere_of_a_stranger", None)


def test_nothing_is_imported_without_the_word(foreign):
    assert read_manifest(foreign).imports == ("elsewhere_of_a_stranger:Twice",)
    with pytest.raises(ConfigError, match="would import code; allow it with --allow-import"):
        resume(foreign)
    (foreign / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match="would import code"):
        resume(foreign, repair=True)
    assert not (foreign.parent / "imported").exists()


def test_what_the_manifest_says_of_its_imports_is_not_asked(foreign):
    """A forged list of imports changes nothing: the kinds themselves are looked at."""
    write_manifest(foreign, read_manifest(foreign).replace(imports=()))
    with pytest.raises(ConfigError, match="would import code"):
        resume(foreign)
    assert not (foreign.parent / "imported").exists()


def test_with_the_word_it_goes_on(foreign):
    assert resume(foreign, allow_import=True).complete
    assert (foreign.parent / "imported").exists()
