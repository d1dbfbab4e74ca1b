"""What every file of `reproductions/` must do."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import thermograd.reproductions
from thermograd.errors import ConfigError
from thermograd.reproductions.catalogue import available, stages
from thermograd.reproductions.reproduction import ReproductionExperiment, Settings

FILES = [file.name for file in pkgutil.iter_modules(thermograd.reproductions.__path__)]
SHARED = {"agreement", "catalogue", "live_study", "overview", "page", "recorded_training", "reproduction"}


def check_reproduction(module):
    """A docstring that says which paper, or that there is none, and experiments with a summary each."""
    assert module.__doc__
    assert "arXiv" in module.__doc__ or "no paper, a promise of ours" in module.__doc__
    assert module.EXPERIMENTS
    for name, entry in module.EXPERIMENTS.items():
        assert name == name.lower()
        assert isinstance(entry, ReproductionExperiment)
        assert entry.summary
        assert entry.options <= {"live", "full"}
        assert list(inspect.signature(entry.run).parameters) == ["settings"]


@pytest.mark.parametrize("name", sorted(available()))
def test_a_reproduction_names_its_paper_and_lists_its_experiments(name):
    check_reproduction(importlib.import_module(f"thermograd.reproductions.{name}"))


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_a_reproduction_a_part_of_one_or_shared(name):
    assert importlib.import_module(f"thermograd.reproductions.{name}").__doc__
    part = any(name.startswith(f"{whole}_") for whole in available())
    assert (name in available()) + part + (name in SHARED) == 1


def test_a_file_without_experiments_fails():
    with pytest.raises(AttributeError):
        check_reproduction(type("Module", (), {"__doc__": "arXiv 1"}))


def test_a_file_that_names_no_paper_fails():
    with pytest.raises(AssertionError):
        check_reproduction(type("Module", (), {"__doc__": "Something.", "EXPERIMENTS": {}}))


@pytest.mark.parametrize(
    ("name", "experiment", "settings", "said"),
    [
        ("first_pasage", None, Settings(), "Did you mean 'first_passage'"),
        ("first_passage", "cifar11", Settings(), "Did you mean 'cifar10'"),
        ("first_passage", "cifar10", Settings(live=True), "it is for: phase-retrieval"),
        ("first_passage", "cifar10", Settings(full=True), "it is for: digits, phase-retrieval"),
        ("first_passage", "phase-retrieval", Settings(full=True), "add --live"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_runs(name, experiment, settings, said):
    with pytest.raises(ConfigError, match=said):
        next(stages(name, experiment, settings))
