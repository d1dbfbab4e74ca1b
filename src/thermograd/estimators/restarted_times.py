"""First-passage times of training that is restarted from scratch, by renewal resampling."""

from __future__ import annotations

import numpy as np

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.whole_number import check_whole_number


def restarted_times(
    passages: FirstPassageTimes, interval: int, *, draws: int = 10_000, seed: int = 0
) -> FirstPassageTimes:
    """Times of training restarted from scratch every `interval`, every start independent.

    T = k P + t: the number k of starts that fail is geometric with success probability 1 - Psi(P), and t is
    drawn from the recorded times <= P. The whole distribution, of which Eq. 5 of Meir, Keidar, Reuveni,
    Hirshberg (arXiv 2502.04121) is the mean.

    Args:
        passages: first-passage times of the unperturbed runs.
        interval: P, at least 1 and at most the earliest censoring time: of every run it must be known
            whether it arrives by then.
        draws: number of times drawn.
        seed: seed of the draws.

    Returns:
        `draws` times, none of them censored. They rest on the recorded runs alone: an interval computed from them shows
        the error of the drawing, not that of so few runs.

    Raises:
        ConfigError: the interval is beyond a censoring time or not a whole number, nobody arrives by then
            (restarting then takes for ever), or `draws` is below 1.

    >>> always_at_6 = FirstPassageTimes([6, 6], [True, True], horizon=9)
    >>> restarted_times(always_at_6, 8, draws=3).time.tolist()
    [6, 6, 6]
    """
    check_whole_number("draws", draws, 1, error=ConfigError)
    check_whole_number("seed", seed, 0, error=ConfigError)
    check_has("passages", passages, "horizon", "what first_passage_times(values, target) returns")
    last = int(passages.time[~passages.reached].min(initial=passages.horizon))
    if not is_finite_number(interval) or not 1 <= interval <= last or interval != int(interval):
        message = (
            f"interval must be a whole number from 1 to {last}, up to where it is known of every run whether "
            f"it had arrived; got {interval}"
        )
        raise ConfigError(message)
    early = passages.time[passages.reached & (passages.time <= interval)]
    if not early.size:
        message = (
            f"none of {len(passages)} runs arrived by {interval}, so restarting every {interval} "
            f"{passages.unit}s never would; choose a longer interval"
        )
        raise ConfigError(message)
    generator = np.random.default_rng(seed)
    failures = generator.geometric(early.size / len(passages), draws) - 1
    time = failures * int(interval) + generator.choice(early, draws)
    return FirstPassageTimes(time, np.ones(draws, bool), int(time.max()), passages.unit)
