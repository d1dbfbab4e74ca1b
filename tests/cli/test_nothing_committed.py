"""A run that was killed before its first commit: arrays of NaN, and one verdict by whatever looks at it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import thermograd
from thermograd.cli import main


@pytest.fixture
def nothing_committed(config, tmp_path, monkeypatch):
    """A run as a kill leaves it before its first commit."""
    text = config.read_text("utf-8").replace(
        '["loss"]',
        '["loss", { kind = "stochastic_area", every = { kind = "every", steps = 1 }, at = { kind = "every", steps = 2 } }]',
    )
    config.write_text(f"save_weights = {{ kind = 'every', steps = 2 }}\n{text}", "utf-8")
    path = tmp_path / "begun"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    experiment = thermograd.load_config(config).experiment
    with monkeypatch.context() as patched:
        patched.setattr("thermograd.store.writer.DirectorySink.commit", killed)
        with pytest.raises(KeyboardInterrupt):
            thermograd.run(experiment, store=path)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["first_passage.restricted_mean", "--target", "1", "--metric", "train_loss"],
        ["fluctuation_dissipation.half_running_average", "--metric", "train_loss"],
        ["stationary_state.detailed_balance"],
        ["stochastic_area.covariance"],
    ],
)
def test_every_estimate_says_so(nothing_committed, capsys, words):
    assert main(["estimate", str(nothing_committed), *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["kind"]) == (None, "nothing_committed")


def test_arrays_and_report_say_so(nothing_committed, capsys):
    run = thermograd.open_run(nothing_committed)
    for name in run.names:
        values = run[name]
        assert (np.isnan(values) if values.dtype.kind == "f" else values == -1).all()
    assert np.isnan(run.weights()["position"]).all()
    assert not run.outcome.any()
    assert main(["report", str(nothing_committed)]) == 0
    assert "Nothing is committed yet" in (nothing_committed / "report.html").read_text("utf-8")
