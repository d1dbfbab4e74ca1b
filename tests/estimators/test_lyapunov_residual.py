"""Has it come to rest? Against processes started in, too far from and too near the stationary state."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_state import (
    integral_fluctuation,
    lyapunov_residual,
    trajectory_entropy,
)

RATE = 0.01


def residual(process, record, **options):
    return lyapunov_residual(record, process.relaxation / RATE, process.diffusion, RATE, **options)


def test_the_stationary_state_passes(turning):
    verdict = residual(turning, turning.simulate(60, 1000))
    assert (verdict.holds, verdict.kind) == (True, "stationary")
    assert len(verdict.evidence["ratios"]) == 3
    assert (np.diff(verdict.evidence["curvatures"]) > 0).all()
    for ratio in verdict.evidence["ratios"]:
        assert abs(np.log(ratio.value)) < 2 * np.log(ratio.high / ratio.value)


def test_three_standard_deviations_off_fails_although_the_integral_theorem_holds(turning):
    record = turning.simulate(4000, 2, spread=3.0, seed=3)
    sigma = trajectory_entropy(record, turning.entropy_force, centre=np.zeros(3))
    theorem = integral_fluctuation(sigma)
    assert theorem.low < 1 < theorem.high
    verdict = residual(turning, record)
    assert (verdict.holds, verdict.kind) == (False, "not_stationary")
    assert verdict.evidence["ratios"][0].value == pytest.approx(9, rel=0.2)


def test_flat_modes_settle_last(turning):
    """All start at one point; after 8 updates the steepest mode has most of its variance, the flattest hardly any."""
    record = turning.simulate(400, 40, start=np.ones(3))[:, 8:12]
    verdict = residual(turning, record)
    ratios = [ratio.value for ratio in verdict.evidence["ratios"]]
    assert verdict.holds is False
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.75 < 0.9 < ratios[-1]
    assert "curvature" in verdict.text


def test_little_data_decides_nothing(turning):
    assert residual(turning, turning.simulate(25, 2)).kind == "undecided"
    assert residual(turning, turning.simulate(1, 100)).kind == "few_pieces"


def test_a_wider_tolerance_is_met_sooner(turning):
    record = turning.simulate(25, 400)
    assert residual(turning, record, tolerance=0.01).holds is None
    assert residual(turning, record, tolerance=0.6).holds is True


def test_coarse_numbers_decide_nothing(turning):
    record = 1.0 + 1e-6 * turning.simulate(40, 200)
    verdict = lyapunov_residual(
        record.astype(np.float32), turning.relaxation / RATE, 1e-12 * turning.diffusion, RATE
    )
    assert (verdict.holds, verdict.kind) == (None, "rounding_dominates")


def test_modes_without_noise_or_curvature_are_left_out(turning):
    record = np.concatenate([turning.simulate(40, 200), np.zeros((40, 200, 1))], axis=2)
    hessian, diffusion = np.zeros((4, 4)), np.zeros((4, 4))
    hessian[:3, :3], diffusion[:3, :3] = turning.relaxation / RATE, turning.diffusion
    assert len(lyapunov_residual(record, hessian, diffusion, RATE).evidence["ratios"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"learning_rate": 1e3}, "no mode has 0 < learning_rate h < 2"),
        ({"tolerance": 1.0}, "tolerance is 1"),
        ({"diffusion": np.eye(2)}, "diffusion has shape"),
        ({"hessian": np.eye(2)}, "hessian has shape"),
        ({"level": 0.0}, "level is 0"),
    ],
)
def test_wrong_arguments(turning, changes, message):
    arguments = {
        "hessian": turning.relaxation / RATE,
        "diffusion": turning.diffusion,
        "learning_rate": RATE,
    }
    with pytest.raises(ConfigError, match=message):
        lyapunov_residual(turning.simulate(25, 10), **(arguments | changes))
