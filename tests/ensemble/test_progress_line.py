"""`progress=True`: a line in a terminal, and not a word anywhere else."""

from __future__ import annotations

import contextlib
import io

import pytest

import thermograd as tg
from thermograd.dynamics import SGLD
from thermograd.ensemble import progress as pace
from thermograd.problems import Quadratic


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def at_every_step(monkeypatch):
    monkeypatch.setattr(pace, "SECONDS_BETWEEN", 0.0)


def lines(call, screen):
    with contextlib.redirect_stderr(screen):
        call()
    return screen.getvalue().split("\r\x1b[K")[1:]


def sampled(**options):
    settings = {"prior_precision": 1.0, "batch_size": 50, "epochs": 20, "burn_in": 2, "virial_every": 0}
    return tg.sample_posterior(Quadratic(), dynamics=SGLD(1e-3), **settings, **options)


@pytest.mark.parametrize("stored", [False, True])
def test_chains_say_how_far_they_are(tmp_path, stored):
    if stored:
        pytest.importorskip("zarr")
    place = tmp_path / "chains" if stored else None
    *shown, last = lines(lambda: sampled(progress=True, store=place), Terminal())
    assert shown[-1].startswith("100 % of the steps, time left 0 s")
    assert int(shown[0].split()[0]) < 50
    assert last == ""  # wiped


def test_a_run_says_so_too_and_gives_the_same_numbers():
    experiment, losses = tg.Experiment(Quadratic(), trajectories=4, block_size=2, steps=40), []
    shown = lines(lambda: losses.append(tg.run(experiment, progress=True)["train_loss"]), Terminal())
    assert any(line.startswith("50 % of the steps, ") for line in shown)
    assert (losses[0] == tg.run(experiment)["train_loss"]).all()


def test_elsewhere_and_without_being_asked_nothing_is_said():
    assert lines(sampled, Terminal()) == []
    assert lines(lambda: sampled(progress=True), io.StringIO()) == []


def test_what_cannot_be_told_is_refused():
    with pytest.raises(
        ValueError, match="progress is 'yes'; give True, for a line in the terminal, or a funct"
    ):
        sampled(progress="yes")
