import numpy as np
import pytest
from numpy.testing import assert_allclose

from thermograd.errors import ConfigError
from thermograd.estimators.effective_temperature import estimate


def mixture(dimension, ratio, variance, seed):
    """Two balanced clusters: rows x/√d, labels ±1."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=dimension)
    direction *= np.sqrt(dimension) / np.linalg.norm(direction)
    samples = round(ratio * dimension)
    labels = np.where(np.arange(samples) % 2, 1.0, -1.0)
    noise = rng.normal(size=(samples, dimension))
    inputs = labels[:, None] * direction / np.sqrt(dimension) + np.sqrt(variance) * noise
    return inputs / np.sqrt(dimension), labels


def of_ridge(rate, lags, *, fraction=None, temperature=0.0, dimension=200, seed=0, ratio=4, decay=0.3):
    """Exact D and χ of Σ (h − y)²/2 + λw²/2: of independent batches with weights s/b, or of white noise."""
    x, y = mixture(dimension, ratio, 0.5, seed)
    curvatures, modes = np.linalg.eigh(x.T @ x + decay * np.eye(dimension))
    a, j = 1 - rate * curvatures, np.arange(1, lags + 1)[:, None]
    assert np.abs(a).max() < 1
    response = ((1 - a**j) / curvatures).mean(axis=1)
    if fraction is None:
        spread = 2 * temperature * rate / (1 - a**2)
        return (spread * (1 - a**j)).mean(axis=1), response
    z, centre = x @ modes, modes.T @ np.linalg.solve(x.T @ x + decay * np.eye(dimension), x.T @ y)
    miss, covariance = (z @ centre - y) ** 2, np.zeros((dimension, dimension))
    for _ in range(200):
        v = miss + np.einsum("mi,ij,mj->m", z, covariance, z)
        new = rate**2 * (1 - fraction) / fraction * (z.T * v) @ z / (1 - np.outer(a, a))
        if np.abs(new - covariance).max() < 1e-14:
            break
        covariance = new
    return (np.diag(covariance) * (1 - a**j)).mean(axis=1), response


def of_coloured_noise(a, correlation, rate, lags):
    """Exact D and χ of w ← a w + η ξ, ξ of unit variance with correlation ρʲ."""
    variance = rate**2 * (1 + a * correlation) / ((1 - a**2) * (1 - a * correlation))
    cross = rate * correlation / (1 - a * correlation)
    covariances = [variance]
    for lag in range(1, lags + 1):
        covariances.append(a * covariances[-1] + rate * cross * correlation ** (lag - 1))
    response = rate * (1 - a ** np.arange(1, lags + 1)) / (1 - a)
    return variance - np.array(covariances[1:]), response


def rows_of(displacement, response, rows=6, scatter=1e-3, seed=0):
    """Independent rows about exact curves, with relative scatter common to all lags of a row."""
    rng = np.random.default_rng(seed)
    return tuple(
        np.abs(1 + scatter * rng.normal(size=(rows, 1))) * curve for curve in (displacement, response)
    )


@pytest.mark.parametrize(("rate", "plain"), [(0.02, 0.0203), (0.1, 0.0220), (0.3, 0.0288)])
def test_white_noise_gives_its_temperature_at_any_rate(rate, plain):
    """Ridge regression at T = 0.02: exactly, at every lag; without the half step it is too large, most at lag 1."""
    curves = of_ridge(rate, 40, temperature=0.02, ratio=3, dimension=400)
    found = estimate(*rows_of(*curves, scatter=0))
    assert_allclose(found.curve, 0.02, rtol=1e-12)
    for one in (found.short, found.fit, found.long):
        assert one.value == pytest.approx(0.02, rel=1e-12)
    assert found.r_squared == pytest.approx(1, abs=1e-12)
    assert found.verdict.holds
    wrong = estimate(*rows_of(*curves, scatter=0), half_step=False)
    assert wrong.short.value == pytest.approx(plain, rel=0.01)


@pytest.mark.parametrize(
    ("rate", "fraction", "expected"),
    [
        (0.1, 0.3, (0.0629, 0.0513, 0.0503)),
        pytest.param(0.2, 0.3, (0.1384, 0.1134, 0.1091), marks=pytest.mark.slow),
        pytest.param(0.1, 0.1, (0.2995, 0.2418, 0.2351), marks=pytest.mark.slow),
        pytest.param(0.1, 0.6, (0.0174, 0.0141, 0.0136), marks=pytest.mark.slow),
    ],
)
def test_square_loss_in_exact_finite_dimension(rate, fraction, expected):
    """8 data sets of 200 dimensions are rows; the values of infinite dimension within 4 standard errors."""
    lags = round(4 / rate)
    rows = [of_ridge(rate, lags + 1, fraction=fraction, seed=seed) for seed in range(8)]
    found = estimate(*map(np.array, zip(*rows, strict=True)))
    for one, value in zip((found.short, found.fit, found.long), expected, strict=True):
        error = (one.high - one.low) / 2 / 2.365
        assert abs(one.value - value) < 4 * error
    assert found.verdict.kind == "no_single_temperature"
    assert "quote it with its lag" in found.verdict.text


def test_short_is_the_displacement_over_two_steps():
    """T(1) = D(2)/(2η), half of the mean square over 2η; plain D(1)/η is larger here."""
    displacement, response = of_ridge(0.1, 10, fraction=0.3)
    assert response[0] == pytest.approx(0.1, rel=1e-12)
    assert estimate(displacement, response).short.value == pytest.approx(displacement[1] / 0.2, rel=1e-12)
    plain = estimate(displacement, response, half_step=False)
    assert plain.short.value == pytest.approx(displacement[0] / 0.1, rel=1e-12)
    assert plain.lags.tolist() == list(range(1, 11))


def test_coloured_noise_is_hotter_at_long_lags():
    """Long: (Var + C(1))/2 over 1/k; the exact curves are those of a simulation, to 4 standard errors."""
    a, correlation, rate, lags = 0.9, 0.8, 0.1, 120
    displacement, response = of_coloured_noise(a, correlation, rate, lags)
    rng = np.random.default_rng(0)
    state, noise, path = np.zeros(4000), rng.normal(size=4000), []
    for step in range(400):
        state = a * state + rate * noise
        noise = correlation * noise + np.sqrt(1 - correlation**2) * rng.normal(size=4000)
        if step >= 200:
            path.append(state)
    path = np.array(path)
    for lag in (1, 2, 7, 30):
        squares = (path[lag] - path[0]) ** 2 / 2
        error = squares.std() / np.sqrt(4000)
        assert abs(squares.mean() - displacement[lag - 1]) < 4 * error
    found = estimate(*rows_of(displacement, response), noise_memory=5)
    variance = rate**2 * (1 + a * correlation) / ((1 - a**2) * (1 - a * correlation))
    next_one = a * variance + rate**2 * correlation / (1 - a * correlation)
    assert found.long.value == pytest.approx((variance + next_one) / 2 * (1 - a) / rate, rel=2e-3)
    assert found.short.value < 0.4 * found.long.value
    assert found.verdict.holds is False


def test_memory_of_the_noise_needs_longer_lags():
    curves = rows_of(*of_coloured_noise(0.9, 0.8, 0.1, 15))
    found = estimate(*curves, noise_memory=5)
    assert (found.verdict.holds, found.verdict.kind) == (None, "lags_inside_noise_memory")
    assert found.fit is None
    assert found.long is None
    assert found.short.value == pytest.approx(estimate(*curves).short.value)
    assert "Take 15 lags or more" in found.verdict.text
    assert estimate(*curves, noise_memory=14 / 3).fit is not None


def langevin_rows(rng, shape, lags, *, rate=0.2, temperature=1.0, steps=150, scatter=0.05):
    """D of windows of `steps` steps at temperature T, and χ with noise; `shape` = (..., modes)."""
    curvatures = np.linspace(0.3, 3, shape[-1])
    a = 1 - rate * curvatures
    spread = np.sqrt(2 * temperature * rate)
    state = rng.normal(size=shape) * spread / np.sqrt(1 - a**2)
    path = np.empty((steps, *shape))
    for step in range(steps):
        path[step] = state
        state = a * state + spread * rng.normal(size=shape)
    moved = [((path[lag:] - path[:-lag]) ** 2).mean(axis=(0, -1)) / 2 for lag in range(1, lags + 2)]
    exact = ((1 - a ** np.arange(1, lags + 1)[:, None]) / curvatures).mean(axis=1)
    noise = scatter * exact * rng.normal(size=(*shape[:-1], lags))
    return np.stack(moved, axis=-1), exact + noise


@pytest.mark.parametrize("rows", [4, 8])
def test_intervals_hold_the_truth_as_often_as_they_say(rows):
    """400 experiments each; binomial, 4 sigma (false alarm 6e-5)."""
    rng = np.random.default_rng(rows)
    moved, shifted = langevin_rows(rng, (400, rows, 10), 12)
    found = [estimate(*pair, level=0.9) for pair in zip(moved, shifted, strict=True)]
    for name in ("short", "fit", "long"):
        held = np.mean([getattr(one, name).low < 1 < getattr(one, name).high for one in found])
        assert abs(held - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 400), (name, held)
    percentile = [
        np.quantile(one.fit.samples, 0.05) < 1 < np.quantile(one.fit.samples, 0.95) for one in found
    ]
    assert np.mean(percentile) < 0.9 - 4 * np.sqrt(0.9 * 0.1 / 400) or rows == 8
    band = np.array([(one.curve_interval[0] < 1) & (1 < one.curve_interval[1]) for one in found])
    assert abs(band.mean() - 0.9) < 0.06
    assert not any(one.verdict.holds is False for one in found[:200])


def test_undecided_says_how_many_more_rows():
    rng = np.random.default_rng(1)
    moved, shifted = langevin_rows(rng, (64, 4, 10), 12)
    verdicts = [estimate(*pair).verdict for pair in zip(moved, shifted, strict=True)]
    undecided = [one for one in verdicts if one.holds is None]
    assert len(undecided) > 32
    assert all(one.kind == "undecided" and "more independent rows" in one.text for one in undecided)
    more = int(np.median([one.evidence["more_rows"] for one in undecided]))
    assert 4 < more < 200
    enough = [estimate(*langevin_rows(rng, (4 + 2 * more, 10), 12)).verdict.holds for _ in range(20)]
    assert sum(one is True for one in enough) > 12
    assert False not in enough


def test_one_row_has_no_error():
    displacement, response = of_ridge(0.1, 20, fraction=0.3)
    found = estimate(displacement, response)
    assert (found.fit.low, found.fit.high) == (-np.inf, np.inf)
    assert np.isinf(found.curve_interval).all()
    assert (found.verdict.holds, found.verdict.kind) == (None, "undecided")
    assert "one row has no error" in found.verdict.text
    assert found.fit.pieces == 1
    assert_allclose(found.curve, estimate([displacement] * 3, [response] * 3).curve)


def test_a_response_lost_in_its_noise_has_no_finite_interval():
    displacement, response = of_ridge(0.1, 20, temperature=1)
    rows = np.tile(response, (4, 1))
    rows[:, -1] = [3, -1, -1, 2]
    found = estimate(np.tile(displacement, (4, 1)), rows, half_step=False)
    assert np.isinf(found.long.high)
    assert np.isfinite(found.short.high)
    assert found.verdict.holds is None


def test_a_displacement_that_ages_has_no_temperature():
    displacement, response = of_ridge(0.1, 20, temperature=1)
    later = rows_of(displacement, response, scatter=0.02)
    earlier = 1.5 * rows_of(displacement, response, scatter=0.02, seed=1)[0]
    found = estimate(*later, earlier=earlier)
    assert (found.verdict.holds, found.verdict.kind) == (None, "not_stationary")
    assert (found.short, found.fit, found.long) == (None, None, None)
    assert_allclose(found.curve, 1, rtol=0.05)
    for word in ("replica distance", f"{later[0][:, 18].mean():.4g}", f"{earlier[:, 18].mean():.4g}"):
        assert word in found.verdict.text or found.verdict.evidence["lag"] != 19
    ordered = estimate(np.concatenate([earlier, later[0]]), np.concatenate([later[1]] * 2), time_ordered=True)
    assert ordered.verdict.kind == "not_stationary"
    unordered = estimate(np.concatenate([earlier, later[0]]), np.concatenate([later[1]] * 2))
    assert unordered.verdict.kind != "not_stationary"
    assert "Stationarity was not tested." in unordered.verdict.text


def test_few_rows_cannot_show_drift():
    displacement, response = of_ridge(0.1, 20, temperature=1)
    found = estimate(*rows_of(displacement, response, rows=3), earlier=[2 * displacement] * 3)
    assert found.verdict.kind == "single_temperature"
    assert "Stationarity was not tested: it takes 4 rows or more at each age." in found.verdict.text


def test_weights_that_do_not_move():
    for still in (np.zeros(5), np.zeros((4, 5))):
        found = estimate(still, np.full_like(still, 0.1))
        assert (found.verdict.holds, found.verdict.kind) == (None, "no_noise")
        assert found.short.value == found.fit.value == found.long.value == 0
        assert not found.curve.any()
    earlier = np.abs(np.random.default_rng(0).normal(1, 0.1, (4, 5)))
    falling = estimate(np.zeros((4, 5)), np.full((4, 5), 0.1), earlier=earlier)
    assert falling.verdict.kind == "not_stationary"


def test_rows_are_resampled_by_the_seed():
    pair = rows_of(*of_ridge(0.1, 20, fraction=0.3), scatter=0.05)
    one, same, other = (estimate(*pair, seed=seed).fit.samples for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


GOOD = np.ones((4, 5))


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((np.where(np.eye(4, 5), np.nan, 1), GOOD), {}, "displacement is nan at lag 1 of row 0"),
        ((GOOD, np.where(np.eye(4, 5), np.inf, 1)), {}, "response is inf at lag 1 of row 0"),
        ((GOOD - 2 * np.eye(4, 5)[::-1], GOOD), {}, r"displacement is negative \(-1\) at lag 4 of row 0"),
        ((GOOD, GOOD - [0, 0, 1, 2, 0]), {}, "mean response at lag 3 is 0, not positive"),
        ((GOOD[:3], GOOD), {}, "displacement has 3 rows, response 4"),
        ((GOOD[:, :2], GOOD), {}, "leave 1 usable; .* take 3 lags of the displacement"),
        ((GOOD, GOOD[:, :1]), {"half_step": False}, "leave 1 usable; .* take 2 lags"),
        ((np.zeros((0, 5)), GOOD), {}, r"displacement has shape \(0, 5\)"),
        ((np.zeros((2, 2, 5)), GOOD), {}, r"displacement has shape \(2, 2, 5\)"),
        ((GOOD, GOOD), {"earlier": -GOOD}, "earlier has shape"),
        ((GOOD, GOOD), {"earlier": np.nan * GOOD}, "earlier is nan at lag 1"),
        ((GOOD, GOOD), {"later": GOOD}, "later is given without earlier"),
        ((GOOD, GOOD), {"tolerance": 0}, "tolerance is 0"),
        ((GOOD, GOOD), {"tolerance": np.nan}, "tolerance is nan"),
        ((GOOD, GOOD), {"level": 1.0}, "level is 1.0"),
        ((GOOD, GOOD), {"noise_memory": -1}, "noise_memory is -1"),
        ((GOOD, GOOD), {"seed": -1}, "seed is -1"),
    ],
)
def test_bad_input_is_named(arguments, options, says):
    with pytest.raises(ConfigError, match=says):
        estimate(*arguments, **options)
