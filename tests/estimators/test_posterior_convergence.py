"""The verdict on chains whose distribution is known: exact, too hot, too cold, unrelaxed, apart, too few."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.posterior_draws import PosteriorDraws

CURVATURES = np.array([1.0, 10.0, 100.0])


@pytest.fixture(scope="module")
def chains(quadratic):
    def make(count=8, draws=2000, *, curvatures=CURVATURES, temperature=1.0, facts=None, **options):
        share = options.pop("noise_share", None)
        fields = quadratic(curvatures, temperature).fields(count, draws, **options)
        return PosteriorDraws(**fields, facts=facts or {}, noise_share=share)

    return make


def kinds(chains, repetitions, **options):
    return [chains(seed=seed, **options).convergence().kind for seed in range(repetitions)]


@pytest.mark.parametrize("temperature", [1.0, 50.0])
def test_exact_draws_have_converged(chains, temperature):
    verdict = chains(temperature=temperature, memory=0.3).convergence()
    assert verdict.holds is True
    assert verdict.kind == "converged"
    assert verdict.evidence["virial_ratio"] == pytest.approx(1, abs=0.05)
    assert verdict.evidence["rhat"] < 1.01
    assert verdict.evidence["bulk_effective_sample_size"] > 400


def test_exact_draws_are_hardly_ever_called_wrong(chains):
    """False at 95 %: each of 60 repetitions, long or short, at most one in twenty; 7 of 60 is beyond 2 in 1000."""
    for options in ({"draws": 1500, "directions": 2}, {"draws": 4}, {"draws": 12, "count": 4}, {"draws": 30}):
        found = kinds(chains, 60, **options)
        wrong = [kind for kind in found if kind not in {"converged", "not_enough_draws"}]
        assert len(wrong) < 7, (options, wrong)


def test_few_draws_never_pass(chains):
    found = kinds(chains, 60, draws=40)
    assert "converged" not in found


@pytest.mark.parametrize("heat", [1.1, 1.6])
def test_draws_that_are_too_hot(chains, heat):
    verdict = chains(heat=heat, facts={"sampler": "SGLD"}, noise_share=0.38).convergence()
    assert verdict.holds is False
    assert verdict.kind == "too_hot"
    assert "minibatch noise 38 %" in verdict.text
    assert "use SGWORLD" in verdict.text
    assert verdict.evidence["learning_rate_factor"] == pytest.approx((heat - 1) / 0.025, rel=0.2)


def test_the_excess_of_the_corrected_sampler_falls_with_the_third_power(chains):
    verdict = chains(heat=1.6, facts={"sampler": "SGWORLD", "variant": "corrected"}).convergence()
    assert verdict.evidence["learning_rate_factor"] == pytest.approx((0.6 / 0.025) ** (1 / 3), rel=0.05)
    assert "SGWORLD" not in verdict.text


def test_little_noise_does_not_explain_much_heat(chains):
    verdict = chains(heat=1.6, facts={"sampler": "SGLD"}, noise_share=0.01).convergence()
    assert "scale of the loss" in verdict.text


def test_one_hot_direction_is_found(chains):
    draws = chains(draws=4000, directions=2)
    along = draws.directional_virial * np.array([1.0, 1.2])
    verdict = PosteriorDraws(
        draws.parameters, potential=draws.potential, virial=draws.virial, directional_virial=along
    ).convergence()
    assert verdict.kind == "too_hot"
    assert "along direction 1" in verdict.text
    assert verdict.evidence["interval_level"] == pytest.approx(1 - 0.05 / 3)


def test_draws_that_are_too_cold(chains):
    verdict = chains(heat=0.85).convergence()
    assert verdict.kind == "too_cold"
    assert "not yet relaxed" in verdict.text
    assert verdict.evidence["epochs_factor"] >= 2


@pytest.mark.parametrize(("start", "moves"), [(20.0, "falls"), (0.0, "rises")])
def test_draws_that_still_relax(chains, start, moves):
    """From 20 standard deviations, or from the minimum, with a relaxation time of 100 draws, 300 draws."""
    verdict = chains(count=64, draws=300, memory=0.99, start=start, curvatures=np.ones(20)).convergence()
    assert verdict.holds is False
    assert verdict.kind == "still_relaxing"
    assert moves in verdict.text
    assert "raise burn_in to at least 300 epochs" in verdict.text


def test_a_chain_apart(chains):
    draws = chains()
    shift = np.array([0.0] * 7 + [1.0])[:, None, None]
    moved = PosteriorDraws(
        {"weight": draws.parameters["weight"] + shift}, potential=draws.potential, virial=draws.virial
    )
    verdict = moved.convergence()
    assert verdict.kind == "chains_disagree"
    assert "weight[2]" in verdict.text  # the stiffest coordinate: one standard deviation is 0.1


def test_chains_of_another_width_disagree(chains):
    """R̂ of the distances from the median sees what the means do not; the virial, taken as exact, does not."""
    draws = chains()
    width = np.array([1.0] * 7 + [3.0])[:, None, None]
    wide = PosteriorDraws(
        {"weight": draws.parameters["weight"] * width}, potential=draws.potential, virial=draws.virial
    )
    assert wide.convergence().kind == "chains_disagree"


def test_one_chain_is_never_enough(chains):
    verdict = chains(count=1, draws=20000).convergence()
    assert verdict.holds is None
    assert verdict.kind == "one_chain"
    assert chains(count=1, draws=20000, heat=1.2).convergence().holds is False


def test_without_measured_draws_it_is_never_true(chains):
    draws = PosteriorDraws({"weight": chains(draws=4000).parameters["weight"]})
    verdict = draws.convergence()
    assert verdict.holds is None
    assert verdict.kind == "not_measured"
    assert "virial_every" in verdict.text


def test_an_undecided_verdict_says_how_much_is_missing(chains):
    """The factor is right: as many times more draws decide, in most of 10 repetitions."""
    verdict = chains(draws=150).convergence()
    assert verdict.kind == "not_enough_draws"
    factor = verdict.evidence["epochs_factor"]
    assert 2 <= factor < 100
    assert "times as many" in verdict.text
    more = kinds(chains, 10, draws=int(150 * 2 * factor))
    assert more.count("converged") >= 7


def test_weights_of_zero_take_no_part(chains):
    draws = chains()
    exploring = np.arange(draws.draws) < 500
    hot = np.where(exploring[:, None], 10.0, 1.0)
    virial = draws.virial * np.where(exploring, 100.0, 1.0)
    fields = {"potential": virial / 2, "virial": virial}
    parameters = {"weight": draws.parameters["weight"] * hot}
    assert PosteriorDraws(parameters, **fields).convergence().holds is False
    assert PosteriorDraws(parameters, **fields, weights=~exploring).convergence().holds is True
    nothing = PosteriorDraws(parameters, **fields, weights=np.zeros(draws.draws)).convergence()
    assert (nothing.holds, nothing.kind) == (None, "no_draws")


def test_many_coordinates_are_sampled_evenly(chains):
    curvatures = np.geomspace(1, 100, 1000)
    verdict = chains(count=4, draws=500, curvatures=curvatures).convergence()
    assert verdict.evidence["coordinates"] == 256
    assert verdict.evidence["parameters"] == 1000
    assert "256 evenly spaced coordinates" in verdict.text


def test_names_of_coordinates(chains):
    points = chains().array()
    points[0] += 5
    draws = PosteriorDraws({"bias": points[:, :, 0], "weight": points[:, :, 1:].reshape(8, -1, 1, 2)})
    assert draws.convergence().evidence["rhat_coordinate"] == "weight[0, 1]"


def test_at_temperature_zero_there_is_nothing_to_say(chains):
    draws = PosteriorDraws({"weight": np.zeros((4, 10, 2))}, temperature=0.0, virial=np.zeros((4, 10)))
    assert draws.convergence().kind == "no_temperature"


@pytest.mark.parametrize("draws", [1, 2, 3])
def test_hardly_any_draws(chains, draws):
    verdict = chains(draws=draws).convergence()
    assert verdict.holds is None
    assert verdict.kind == "not_enough_draws"


def test_weights_that_do_not_move(quadratic):
    still = PosteriorDraws({"weight": np.zeros((4, 100, 3))}, virial=np.zeros((4, 100)))
    assert still.convergence().holds is None
    apart = PosteriorDraws({"weight": np.arange(4.0)[:, None] + np.zeros((4, 100))})
    assert apart.convergence().kind == "chains_disagree"


def test_bad_input(chains):
    with pytest.raises(ConfigError, match="tolerance"):
        chains(draws=10).convergence(tolerance=0)
    with pytest.raises(ConfigError, match="level"):
        chains(draws=10).convergence(level=1.0)


def test_predictions_may_have_mixed_where_coordinates_have_not(chains):
    """Chains in basins that are mirror images: coordinates disagree, their squares do not."""
    draws = chains(memory=0.3)
    sign = np.where(np.arange(draws.chains) % 2, -1.0, 1.0)[:, None, None]
    name, points = next(iter(draws.parameters.items()))
    apart = sign * (points.reshape(*points.shape[:2], -1) + 20.0)
    mirrored = PosteriorDraws(
        {name: apart.reshape(points.shape)},
        **{
            field: getattr(draws, field)
            for field in ("temperature", "potential", "virial", "directional_virial", "measured")
        },
    )
    alone = mirrored.convergence()
    assert alone.kind == "chains_disagree"
    assert "hidden units" not in alone.text  # one layer
    verdict = mirrored.convergence(quantities={"square": apart**2, "sum": apart.sum(-1) ** 2})
    assert verdict.holds is True, verdict.text
    assert verdict.evidence["coordinates"] == apart.shape[-1] + 1
    layers = PosteriorDraws({"first": apart[..., None], "second": apart[..., None]})
    assert "hidden units can be exchanged" in layers.convergence().text
    assert "hidden units" not in layers.convergence(quantities={"itself": apart}).text


@pytest.mark.parametrize("quantity", [np.zeros((8, 7)), np.zeros(8), np.full((8, 2000), np.nan)])
def test_quantities_of_another_shape_are_refused(chains, quantity):
    with pytest.raises(ConfigError, match="quantity 'loss' has shape"):
        chains().convergence(quantities={"loss": quantity})
    with pytest.raises(ConfigError, match="quantities is empty"):
        chains().convergence(quantities={})
