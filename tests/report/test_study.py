from __future__ import annotations

import numpy as np
import pytest

from thermograd.advisor.perturbation_evidence import gather_evidence
from thermograd.report.study import recorded, study
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.trajectories import Trajectories


def make_record(seed=0, trajectories=80, interval=40, horizon=60):
    """Half of the runs arrive soon; after a kick the others do too."""
    generator = np.random.default_rng(seed)
    time = np.where(np.arange(trajectories) % 2, generator.geometric(0.2, trajectories), 10_000)
    steps = np.arange(1, interval + 1)
    values = np.where(steps == time[:, None], 1.0, generator.uniform(0, 0.5, (trajectories, interval)))
    values[steps > time[:, None]] = np.nan
    survivor = np.flatnonzero(time > interval)
    after = generator.geometric(0.3, survivor.size)
    more = np.arange(1, horizon + 1)
    residual = np.where(more == after[:, None], 1.0, 0.2)
    residual[more > after[:, None]] = np.nan
    tried = np.where(np.arange(1, 61) == generator.geometric(0.15, 40)[:, None], 1.0, 0.1)
    return PerturbationRecord(
        values, {"kick": residual}, survivor, target=1.0, direction="up", interval=interval, horizon=horizon,
        candidates={"kick": "Kick()"}, verified={"kick": {10: tried}},
    )  # fmt: skip


def test_a_study_shows_survival_survivors_and_speed_up_with_what_was_tried():
    figures = {figure.name: figure for figure in study(make_record(), resamples=200)}
    assert set(figures) == {"survival", "survivors", "quasi_steady", "speed_up"}
    assert "tried" in figures["speed_up"].table["what"]
    assert figures["survival"].table["share under way"][40] == pytest.approx(0.5, abs=0.01)


def test_a_study_without_survivors_shows_no_survivors():
    values = np.full((10, 5), np.nan)
    values[:, 0] = 1.0
    record = PerturbationRecord(
        values,
        {"kick": np.empty((0, 3))},
        np.array([], int),
        target=1.0,
        direction="up",
        interval=5,
        horizon=3,
    )
    assert "survivors" not in {figure.name for figure in study(record, resamples=50)}


def test_a_study_of_which_every_run_diverged_shows_no_survivors():
    values = np.full((10, 5), np.inf)
    record = PerturbationRecord(
        values, {"kick": values[:, :3]}, np.arange(10), target=1.0, direction="up", interval=5, horizon=3
    )
    figures = {figure.name: figure for figure in study(record, resamples=50)}
    assert set(figures) == {"survival", "speed_up"}
    assert "None of 10 runs arrived" in figures["survival"].conclusion


def test_recorded_runs_show_survival_and_speed_up():
    values = np.where(np.isnan(make_record().unperturbed), 1.0, make_record().unperturbed)
    names = [figure.name for figure in recorded(gather_evidence(values, {}, target=1.0))]
    assert names == ["survival", "speed_up"]


def test_recorded_values_show_the_survivors_and_several_intervals_a_plateau():
    generator = np.random.default_rng(0)

    def arriving(times, length=80):
        noise = generator.uniform(0, 0.5, (len(times), length))
        return np.where(np.arange(1, length + 1) >= times[:, None], 1.0, noise)

    plain = arriving(np.where(generator.random(80) < 0.5, generator.geometric(0.2, 80), 10_000))
    kicked = [(arriving(interval + generator.geometric(0.3, 60)), interval) for interval in (20, 40)]
    trajectories = Trajectories(plain, np.arange(1, 81), tuple(map(str, range(80))))
    found = gather_evidence(trajectories, {"kick": kicked}, target=1.0)
    figures = {figure.name: figure for figure in recorded(found, trajectories)}
    assert list(figures) == ["survival", "survivors", "quasi_steady", "plateau_kick", "speed_up"]
    assert figures["quasi_steady"].title.endswith("epochs 8 to 40")
    assert figures["plateau_kick"].table["interval (epochs)"] == [20, 40]


@pytest.mark.data
def test_cifar10_shows_the_published_kick_helping(data_folder):
    folder = data_folder / "firstpassage" / "dev"
    plain = [
        np.load(folder / f"cifar10_resnet18_unperturbed_seeds{part}.npz") for part in ("0-499", "500-999")
    ]
    values = np.concatenate([archive[archive.files[0]] for archive in plain]) / 100
    kicked = np.load(folder / "cifar10_resnet18_shrink_perturb_dev.npz")["P100"] / 100
    survival, speed_up = recorded(gather_evidence(values, {"shrink": (kicked, 100)}, target=72))
    under_way = [survival.table["share under way"][time] for time in (10, 20, 50, 200)]
    assert under_way == pytest.approx([1.0, 0.455, 0.363, 0.293])
    assert "707 of 1000 runs arrived" in survival.conclusion
    assert speed_up.conclusion.startswith("Best covered by the theory: shrink every 20 epochs")
    assert "29.3 %" in speed_up.title
