import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.quantities import Advice, Estimate, Landscape, Prediction, Verdict


def test_advice_has_a_line_for_each_thing():
    advice = Advice("Restart.", ("reset", "nothing"), (Verdict(True, "kind", "It holds."),), ("n = 7",))
    assert str(advice).splitlines() == [
        "Restart.",
        "  1. reset",
        "  2. nothing",
        "  yes: It holds.",
        "  caveat: n = 7",
    ]


def test_one_line_for_scalars_and_curves():
    assert str(Estimate(2.0, (1.0, 3.0), unit="epoch", pieces=5)) == "2 (1 to 3 at 95 %) epoch, from 5 pieces"
    assert str(Verdict(None, "kind", "Wait.")) == "undecided: Wait."
    assert "curve of 9 points" in str(Estimate(np.ones(9), (np.zeros(9), np.ones(9))))


def test_a_z_score_is_beyond_1_96_where_the_interval_ends_and_counts_both_errors():
    skewed = Estimate(10.0, (9.0, 14.0))
    ends = [skewed.z_score(9.0), skewed.z_score(Prediction(14.0)), skewed.z_score(10.0)]
    np.testing.assert_allclose(ends, [1.95996, -1.95996, 0.0], rtol=1e-5)
    assert Estimate(0.0, (-3.0, 3.0)).z_score(Prediction(5.0, (1.0, 9.0))) == pytest.approx(
        -1.95996, rel=1e-5
    )
    assert Estimate(0.0, (-3.0, 3.0)).z_score(Estimate(5.0, (1.0, 9.0))) == pytest.approx(-1.95996, rel=1e-5)
    narrow = Estimate(0.0, (-1.0, 1.0), level=0.6826894921)
    assert narrow.z_score(2.0) == pytest.approx(-2.0)


def test_of_a_curve_there_is_a_z_score_where_the_prediction_holds():
    curve = Estimate([1.0, 2.0, 3.0], ([0.0, 2.0, np.nan], [2.0, 2.0, np.nan]))
    theory = Prediction([3.0, 2.5, 3.0], valid=[True, True, True])
    np.testing.assert_allclose(curve.z_score(theory), [-3.91993, -np.inf, np.nan], rtol=1e-5)
    part = Prediction([3.0, 2.0, 3.0], valid=[False, True, True])
    np.testing.assert_array_equal(curve.z_score(part), [np.nan, 0.0, np.nan])
    with pytest.raises(
        ConfigError, match=r"the estimate has shape \(3,\) and what it is compared with \(\); take"
    ):
        curve.z_score(3.0)
    with pytest.raises(ConfigError, match="compared with is a str, not numbers; give a Prediction"):
        curve.z_score("theory")


def test_a_landscape_from_two_arrays_and_its_weights_by_name():
    hessians = np.arange(2 * 3 * 3, dtype=float).reshape(2, 3, 3)
    land = Landscape(
        sample_gradients=np.eye(3)[:2], sample_hessians=hessians, shapes={"a": (2,), "b": (1, 1)}
    )
    np.testing.assert_array_equal(land.hessian, hessians.mean(axis=0))
    points = np.arange(12.0).reshape(2, 2, 3)
    weights = land.unflatten(points)
    assert weights["b"].shape == (2, 2, 1, 1)
    np.testing.assert_array_equal(land.flatten(weights), points)


def test_beside_its_directions_a_landscape_leaves_the_point_alone():
    land = Landscape(
        sample_gradients=[[1.0], [2.0]],
        hessian=[[1.0]],
        parameters=[1.0, 2.0, 3.0],
        shapes={"a": (3,)},
        directions=[[0.0], [1.0], [0.0]],
    )
    assert land.position.tolist() == [2.0]
    assert land.unflatten([[5.0]])["a"].tolist() == [[1.0, 5.0, 3.0]]
    assert land.flatten({"a": [1.0, 5.0, 3.0]}).tolist() == [5.0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sample_gradients": [1.0, 2.0]}, r"shape \(2,\)"),
        ({"hessian": None}, "neither"),
        ({"hessian": np.eye(2)}, r"hessian has shape \(2, 2\); \(3, 3\)"),
        ({"sample_gradients": [[0, 0, 0], [0, np.nan, 0]]}, "sample 1"),
        ({"shapes": {"a": (2,)}}, "do not hold the 3"),
        ({"sample_hessians": np.full((3, 3, 3), 2.0)}, "mean of sample_hessians"),
    ],
)
def test_a_landscape_that_does_not_fit_together_says_so(wrong, message):
    fits = {"sample_gradients": np.eye(3), "hessian": np.eye(3)}
    with pytest.raises(ConfigError, match=message):
        Landscape(**(fits | wrong))


def test_shapes_of_a_landscape_are_tuples():
    with pytest.raises(ConfigError, match=r"shapes\['weight'\] is 2; it must be a tuple"):
        Landscape(sample_gradients=np.ones((5, 2)), hessian=np.eye(2), shapes={"weight": 2})
