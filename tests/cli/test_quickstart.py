"""The main job, end to end. Small by default; at full size under `make test-slow`."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("zarr")
pytest.importorskip("sklearn")

import thermograd as tg
from thermograd.cli import quickstart as job
from thermograd.dynamics import SGD
from thermograd.errors import ExperimentMismatchError
from thermograd.minibatching import WithoutReplacement
from thermograd.observables import Accuracy
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.problems import Digits
from thermograd.report.page import STUDY
from thermograd.store.perturbation_record import PerturbationRecord


@pytest.fixture
def small(monkeypatch):
    """The same question to 16 networks for 24 epochs."""
    for name, value in {"TRAJECTORIES": 16, "EPOCHS": 24, "HORIZON": 6}.items():
        monkeypatch.setattr(job, name, value)


def test_small(small, tmp_path, capsys):
    """Asked again it trains nothing, and another seed overwrites nothing."""
    out = tmp_path / "run"
    assert job.quickstart(out=out, seed=2) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == str(out / "report.html")
    record = PerturbationRecord.load(out / STUDY)
    run = tg.open_run(out)
    assert run.complete
    assert run["test_accuracy"].shape == (16, 25)
    reached = (run["test_accuracy"][:, 1:] >= job.TARGET).any(axis=1)
    assert record.survivor.tolist() == np.flatnonzero(~reached).tolist()
    assert set(record.residual) == {"shrink_and_perturb", "partial_reset"}
    page = (out / "report.html").read_text(encoding="utf-8")
    for figure in ("Survival", "Speed-up", "Test accuracy with its spread"):
        assert figure in page
    assert printed.out.splitlines()[0] in page.replace("&#x27;", "'")

    before = (out / STUDY).read_bytes(), (out / "manifest.json").read_bytes()
    assert job.quickstart(out=out, seed=2) == 0
    assert "branching" not in capsys.readouterr().err
    assert ((out / STUDY).read_bytes(), (out / "manifest.json").read_bytes()) == before

    with pytest.raises(ExperimentMismatchError, match="seed"):
        job.quickstart(out=out, seed=3)
    assert ((out / STUDY).read_bytes(), (out / "manifest.json").read_bytes()) == before


def test_where_all_arrive_the_advice_is_to_leave_it_alone():
    """The tame setting: target 0.96 reached by all, mean 14.3 ± 1 epochs, spread 2.2."""
    experiment = tg.Experiment(
        Digits(), WithoutReplacement(32), SGD(0.1), observe=[Accuracy()], epochs=30, dtype="float32"
    )
    study = tg.PerturbationStudy(
        target=0.96, interval=30, horizon=5, trajectories=24, candidates={"shrink": ShrinkAndPerturb()}
    )
    record = study.run(experiment)
    advice = tg.advise(record)
    assert advice.recommendation.startswith("Leave it alone")
    nothing = next(entry for entry in advice.ranking if entry.name == "nothing")
    assert abs(nothing.predicted_mean.value - 14.3) < 1 + 4 * 2.2 / np.sqrt(24)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_full_size(tmp_path):
    """Restarting every 9 to 15 epochs gives a mean of about 20; brute force confirms it."""
    job.quickstart(out=tmp_path / "run", seed=0)
    record = PerturbationRecord.load(tmp_path / "run" / STUDY)
    advice = tg.advise(record)
    best = advice.ranking[0]
    assert best.name == "reset"
    assert 6 <= best.interval <= 18
    assert 0.35 < 1 - record.survivor.size / 64 < 0.83
    checked = [verdict for verdict in advice.verdicts if verdict.kind == "prediction_against_brute_force"]
    assert [verdict.holds for verdict in checked] == [True]
    assert abs(dataclasses.asdict(checked[0])["evidence"]["measured"] - 20) < 8
