"""Who runs the blocks: every way to say it, and what is refused."""

from __future__ import annotations

import pytest

from thermograd.ensemble.config import Config, parse_config
from thermograd.ensemble.executors.choice import executor_kinds, executor_of
from thermograd.ensemble.executors.given import Given
from thermograd.ensemble.executors.inline import Inline, InlineExecutor
from thermograd.ensemble.executors.process import Process
from thermograd.ensemble.perturbation_study import PerturbationStudy
from thermograd.ensemble.run import run
from thermograd.errors import ConfigError


class Cluster:
    """As `distributed.Client` looks from here."""

    def get_executor(self, *, pure: bool) -> InlineExecutor:
        assert not pure
        return InlineExecutor()

    def nthreads(self) -> dict[str, int]:
        return {"here": 2, "there": 3}


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (None, Inline()),
        ("inline", Inline()),
        (InlineExecutor(), Inline()),
        ("process", Process()),
        ({"kind": "process", "workers": 5}, Process(workers=5)),
        (Process(7), Process(7)),
    ],
)
def test_ways_to_say_it(choice, kind):
    assert executor_of(choice) == kind


def test_a_client_gives_its_executor_and_its_width():
    kind = executor_of(Cluster())
    assert isinstance(kind, Given)
    assert isinstance(kind.executor, InlineExecutor)
    assert kind.workers == 5


@pytest.mark.parametrize(
    ("choice", "path", "words"),
    [
        ("proces", "executor.kind", "Did you mean 'process'?"),
        ({"kind": "process", "wrkers": 2}, "executor.wrkers", "Did you mean 'workers'?"),
        ({"kind": "inline", "workers": 2}, "executor.workers", "has no options"),
        ({"kind": "process", "workers": 0}, "executor.workers", "whole number from 1"),
        (object(), "executor.kind", "of type object"),
        (Cluster, "executor.kind", "of type type"),
        (7, "executor.kind", "of type int"),
    ],
)
def test_refused(choice, path, words):
    with pytest.raises(ConfigError, match=words) as caught:
        executor_of(choice)
    assert caught.value.problems[0][0] == path


def test_the_config_knows_every_kind_and_the_identity_none():
    text = "problem = 'quadratic'\nsteps = 5\n"
    plain = parse_config(text)
    chosen = parse_config(text, overrides=[("executor.kind", "process"), ("executor.workers", "3")])
    assert executor_of(plain.executor) == Inline()
    assert executor_of(chosen.executor) == Process(3)
    assert chosen.identity == plain.identity
    assert all(f"'{kind}'" in str(Config.json_schema()) for kind in executor_kinds())
    with pytest.raises(ConfigError, match=r"For slurm: dask with cluster = 'slurm', or submitit"):
        executor_of("slurm")
    with pytest.raises(ConfigError, match=r"executor\.workers.*from 1 to 4096"):
        parse_config(text, overrides=[("executor.kind", "process"), ("executor.workers", "0")])


def test_workers_elsewhere_need_a_run_directory(made):
    with pytest.raises(ConfigError, match="give store=PATH"):
        run(made(), executor="process")
    with pytest.raises(ConfigError, match="a study trains its branches here"):
        PerturbationStudy(target=1.0, candidates={}, horizon=1).run(made(), "process")
