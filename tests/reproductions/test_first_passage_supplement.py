"""The supplement's trainings from recorded runs."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import MissingDataError
from thermograd.reproductions import first_passage_supplement as supplement
from thermograd.reproductions.reproduction import Settings


@pytest.fixture(scope="module")
def found(data_folder):
    """The first stage of each: the table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THERMOGRAD_DATA", str(data_folder))
        runs = {"momentum": supplement.cifar100_momentum, "phase": supplement.phase_retrieval}
        return {name: next(run(Settings())) for name, run in runs.items()}


def row_of(reproduction, quantity):
    return next(row for row in reproduction.rows if row.quantity == quantity)


@pytest.mark.data
def test_cifar100_with_momentum(found):
    table = found["momentum"]
    assert row_of(table, "unperturbed runs that arrived").ours == "54 of 309 arrived within 100 epochs"
    mean = row_of(table, "mean first-passage time, unperturbed, at least (epochs)").ours
    assert mean.value == pytest.approx(85.977, abs=1e-3)
    assert row_of(table, "mean residual time on the plateau (epochs)").ours.value == pytest.approx(
        7.0, abs=0.05
    )
    trend = row_of(table, "trend of the residual time (share of it, per decade of P)")
    assert trend.verdict.kind == "plateau"


@pytest.mark.data
@pytest.mark.parametrize(("interval", "residual", "holds"), [(4, 25.04, True), (6, 15.47, True)])
def test_below_the_residual_time_equation_9_breaks_down(found, interval, residual, holds):
    row = row_of(found["momentum"], f"mean residual time at P = {interval} (epochs)")
    assert row.ours.value == pytest.approx(residual, abs=5e-3)
    assert row.verdict.holds is holds


@pytest.mark.data
@pytest.mark.parametrize(
    ("interval", "measured", "holds"),
    [(4, 29.04, None), (8, 14.94, True), (10, 17.0, True), (50, 50.82, True)],
)
def test_on_a_plateau_equation_9_holds_although_the_survivors_drift(found, interval, measured, holds):
    row = row_of(found["momentum"], f"mean epochs, shrink and perturb every {interval} epochs")
    assert row.ours.value == pytest.approx(measured, abs=0.01)
    assert row.verdict.holds is holds


@pytest.mark.data
def test_phase_retrieval(found):
    table = found["phase"]
    assert row_of(table, "unperturbed runs that arrived").ours == "50 of 100 arrived within 150 epochs"
    mean = row_of(table, "mean first-passage time, unperturbed, at least (epochs)").ours
    assert mean.value == pytest.approx(119.17, abs=5e-3)
    assert row_of(table, "mean residual time at P = 10 (epochs)").ours.value == pytest.approx(27.4, abs=0.05)
    assert row_of(table, "trend of the residual time (share of it, per decade of P)").verdict.holds


@pytest.mark.data
def test_the_table_comes_before_the_figures_and_nothing_contradicts(found):
    for table in found.values():
        assert not table.complete
        assert table.figures == ()
        assert table.contradicted == ()


def test_a_file_that_has_to_be_supplied_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"cifar100_resnet18_shrink_perturb\.npz"):
        next(supplement.cifar100(Settings()))
    monkeypatch.delenv("THERMOGRAD_DATA")
    with pytest.raises(MissingDataError, match="THERMOGRAD_DATA is not set"):
        next(supplement.phase_retrieval(Settings()))


def supplied(folder, hazard=0.3):
    """Runs that stall at 40 % and arrive at 60 % geometrically after a kick."""
    generator = np.random.default_rng(0)

    def arriving(times, length=80):
        return np.where(np.arange(1, length + 1) >= times[:, None], 6000, 4000).astype(np.uint16)

    plain = arriving(np.where(generator.random(80) < 0.3, generator.integers(5, 12, 80), 1000))
    arrays = {"unperturbed_test_acc_x100": plain, "target": np.array(55.0)}
    for interval in (15, 20, 40):
        arrays[f"P{interval}_test_acc_x100"] = arriving(interval + generator.geometric(hazard, 50))
    path = folder / "firstpassage" / "dev"
    path.mkdir(parents=True)
    np.savez(path / supplement.PLAIN_FILE, **arrays)


def test_cifar100_is_read_once_its_file_is_supplied(monkeypatch, tmp_path):
    supplied(tmp_path)
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    last = list(supplement.cifar100(Settings()))[-1]
    assert last.complete
    plateau = row_of(last, "mean residual time on the plateau (epochs)").ours
    assert plateau.value == pytest.approx(1 / 0.3, rel=0.15)  # 150 geometric times: 4 sigma are 23 %
    assert {"plateau", "speed_up", "mean_values"} <= {figure.name for figure in last.figures}
