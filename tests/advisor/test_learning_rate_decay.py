"""What to do with the learning rate: against parabolas whose loss at every rate is known."""

from __future__ import annotations

import pytest
import torch

import thermograd as tg
from thermograd.advisor.learning_rate_decay import advise
from thermograd.errors import ConfigError
from thermograd.theory.fluctuation_dissipation import quadratic

EPOCH = 20


def trained(
    curvatures,
    *,
    epochs,
    noise=1.0,
    start=0.0,
    rate=0.1,
    losses=True,
    make=torch.optim.SGD,
    decay=0.0,
    slope=0.0,
    before_step=None,
):
    """A watch after training on Σ h θ²/2 + slope Σ θ with independent noise of the gradient."""
    generator = torch.Generator().manual_seed(0)
    curvature = torch.tensor(curvatures, dtype=torch.float64)
    weight = torch.nn.Parameter(torch.full_like(curvature, start))
    optimizer = make([weight], lr=rate, weight_decay=decay)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    for step in range(epochs * EPOCH):
        loss = (curvature * weight.detach() ** 2).sum() / 2 + slope * weight.detach().sum()
        kick = noise * torch.randn(len(curvatures), generator=generator, dtype=torch.float64)
        weight.grad = curvature * weight.detach() + slope + kick
        if before_step is not None:
            before_step(step, optimizer, weight)
        optimizer.step()
        if losses:
            watch.record_loss(loss)
    return watch


def held_loss(curvatures, rate):
    """⟨Σ h θ²/2⟩ in the stationary state, from theory."""
    variances = quadratic(curvatures, 1.0, rate)["variance"].value
    return sum(h * variance for h, variance in zip(curvatures, variances, strict=True)) / 2


def names(advice):
    return [alternative.name for alternative in advice.ranking]


MODES = [1.0] * 6 + [0.5] * 6


@pytest.mark.parametrize("losses", [True, False])
@pytest.mark.parametrize("factor", [0.1, 0.5])
def test_an_equilibrated_training_is_cut_and_gains_what_the_noise_held_up(losses, factor):
    watch = trained(MODES, epochs=128, losses=losses)
    advice = advise(watch, factor)
    assert watch.equilibrated
    assert advice.recommendation.startswith(f"Cut the learning rate from 0.1 to {0.1 * factor:g}")
    assert names(advice)[0] == "cut"
    expected = held_loss(MODES, 0.1) - held_loss(MODES, 0.1 * factor)
    assert advice.ranking[0].gain.value == pytest.approx(expected, rel=0.06)
    assert advice.verdicts[0].kind == "equilibrated"
    assert advice.verdicts[1].kind in ({"cutting_pays", "undecided"} if losses else {"not_weighed"})


def test_a_far_start_in_a_slow_direction_is_waited_for():
    """The loss still to fall, h θ²/2 = 0.5·0.002·200², is far above the noise, and above what that direction wanders."""
    watch = trained([*MODES, 0.002], epochs=64, start=200.0)
    advice = advise(watch)
    assert advice.recommendation.startswith("Wait: waiting for as long again (1280 steps)")
    assert names(advice)[0] == "wait"
    assert advice.ranking[0].gain.low > next(one for one in advice.ranking if one.name == "cut").gain.value


def test_waiting_and_then_cutting_gives_both():
    gain = {one.name: one.gain for one in advise(trained(MODES, epochs=64)).ranking}
    assert gain["wait, then cut"].value == pytest.approx(gain["wait"].value + gain["cut"].value)
    assert gain["wait, then cut"].low == pytest.approx(gain["wait"].low + gain["cut"].low)


def test_a_steady_drift_is_not_waited_for():
    watch = trained([0.0] * 12, epochs=288, slope=1.0, losses=False)
    advice = advise(watch)
    assert watch.verdict().kind == "drifting"
    assert advice.recommendation.startswith("Do not wait for equilibrium")


def test_a_rising_loss_is_not_waited_for():
    """From the minimum, where noise first has to carry the weights away: relaxation time 5000 steps."""
    watch = trained([0.002] * 12, epochs=64)
    advice = advise(watch)
    assert watch.waiting_or_cutting().verdict.kind == "loss_rises"
    assert advice.recommendation.startswith("Do not wait: at this rate the training loss rises")


def test_steps_to_wait_without_losses():
    """One direction relaxes from afar, with relaxation time 1/(η h) = 1000 steps."""
    watch = trained([*MODES, 0.01], epochs=48, start=500.0, losses=False)
    advice = advise(watch)
    more = watch.steps_to_equilibrium()
    assert more is not None
    assert advice.recommendation.startswith(f"Wait about {float(f'{more.value:.2g}'):.0f} (")


def test_before_the_first_verdict():
    advice = advise(trained(MODES, epochs=3))
    assert advice.recommendation == (
        "Train on and ask again: 3 of the 32 blocks that a first verdict takes have passed at this learning rate."
    )
    assert advice.ranking == ()


def test_training_that_is_not_finite():
    def poison(step, _, weight):
        if step == 700:
            weight.grad[0] = float("nan")

    advice = advise(trained(MODES, epochs=36, before_step=poison))
    assert advice.recommendation.startswith("Do not wait: training is not finite")


def test_a_schedule_of_somebody_else():
    def decay(step, optimizer, _):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.999**step

    advice = advise(trained(MODES, epochs=20, before_step=decay))
    assert advice.recommendation.startswith("Do not cut on top of a schedule")


def test_nothing_to_take_away_without_noise():
    advice = advise(trained([1.0] * 4, epochs=64, noise=0.0, start=1.0))
    assert advice.recommendation.startswith("Do not cut")
    advice = advise(trained([1.0] * 4, epochs=64, noise=1e-4, slope=1.0))
    assert advice.recommendation.startswith("Do not cut: it would take only")


def test_optimizers_without_a_price():
    advice = advise(trained(MODES, epochs=64, make=torch.optim.Adagrad))
    assert advice.verdicts[1].kind == "not_weighed"
    assert "Adagrad" in advice.verdicts[1].text
    assert advice.ranking == ()


def test_caveats():
    advice = advise(trained(MODES, epochs=64))
    text = " ".join(advice.caveats)
    for word in (
        "no weight decay",
        "once to twice the gain off the recorded losses",
        "the 20 steps of an epoch",
        "dropout",
        "for one look",
    ):
        assert word in text
    assert "no weight decay" not in " ".join(advise(trained(MODES, epochs=4, decay=0.1)).caveats)
    assert "caveat: intervals hold at 90 %" in str(advice)


@pytest.mark.parametrize("factor", [1.0, 2.0, -0.1])
def test_a_factor_that_is_no_cut(factor):
    with pytest.raises(ValueError, match="a cut has a factor"):
        advise(trained(MODES, epochs=2), factor)


def test_the_other_advisor_asks_this_one_of_a_watch():
    watch = tg.watch(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1))
    assert str(tg.advise(watch)) == str(advise(watch))
    with pytest.raises(ConfigError, match="pass the watch alone"):
        tg.advise(watch, target=0.9)
