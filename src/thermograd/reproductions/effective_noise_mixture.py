"""Two Gaussian clusters and a linear classifier, with more and with fewer samples than weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from thermograd.quantities import Estimate
from thermograd.reproductions.effective_noise_figures import figures
from thermograd.reproductions.effective_noise_rows import (
    Comparison,
    agreement_row,
    hotter_row,
    interpolation_row,
    lag_row,
    monotone_row,
    order_row,
    stationary_row,
    wider_row,
)
from thermograd.reproductions.effective_noise_settings import (
    BY_FRACTION,
    BY_PERSISTENCE,
    BY_RATE,
    HORIZON,
    SETTINGS,
    WAITING,
    WIDTHS,
    Setting,
    Sizes,
)
from thermograd.reproductions.effective_noise_simulation import (
    CURVES,
    Interpolated,
    Simulated,
    interpolated,
    simulated,
)
from thermograd.reproductions.effective_noise_theory import Theory, theory_of
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

FULL = Sizes(dimension=1000, data_seeds=60, width_seeds=60)
HEADER = (
    "Only the abstract was available; figure-level parameters are not known to us. Checked: its qualitative statements, and "
    "our theory against our simulation."
)
_FUNCTION = "T measures the noise as a function of the problem parameters; which way is not in the abstract"
_SIMILAR = "the two noise measures behave similarly as a function of the problem parameters"


@dataclass(eq=False)
class Found:
    """What is there so far.

    Attributes:
        sizes: how much is computed.
        under: theory of stationary states.
        over: theory of interpolation.
        simulated: stationary states.
        interpolated: interpolation, by the name of the setting; gradient descent too.
    """

    sizes: Sizes
    under: dict[Setting, Theory] = field(default_factory=dict)
    over: dict[Setting, Theory] = field(default_factory=dict)
    simulated: dict[Setting, Simulated] = field(default_factory=dict)
    interpolated: dict[str, Interpolated] = field(default_factory=dict)


def mixture(settings: Settings) -> Stages:
    """Theory, then simulation of stationary states, then of interpolation.

    Args:
        settings: `full` asks for more dimensions and draws of the data; `say` is told what is being done.

    Returns:
        The stages.
    """
    return stages(settings, FULL if settings.full else Sizes())


def stages(settings: Settings, sizes: Sizes) -> Stages:
    """The same at any size.

    Args:
        settings: as above.
        sizes: how much is computed.

    Yields:
        What is there after the theory, the stationary states, and interpolation.
    """
    found = Found(sizes)
    settings.say(f"theory of {len(SETTINGS)} settings")
    found.under = theory_of(SETTINGS, sizes, settings.seed)
    found.over = theory_of(SETTINGS, sizes, settings.seed, interpolating=True)
    yield _stage(found, complete=False)
    for setting in SETTINGS:
        settings.say(f"simulation: {setting.name}, {sizes.data_seeds} draws of the data")
        found.simulated[setting] = simulated(setting, sizes, settings.seed)
    yield _stage(found, complete=False)
    for chosen in (None, *WIDTHS):
        one = interpolated(chosen, sizes, settings.seed)
        settings.say(f"interpolation: {one.name}")
        found.interpolated[one.name] = one
    yield _stage(found, complete=True)


def _stage(found: Found, *, complete: bool) -> Reproduction:
    return Reproduction(
        name="effective_noise",
        experiment="mixture",
        title="Effective noise of SGD: temperature, replica distance, boundary",
        rows=_rows(found),
        figures=figures(found.under, found.over, found.simulated, found.interpolated),
        facts=(
            ("what is checked", HEADER),
            (
                "problems",
                "two Gaussian clusters, variance 0.5, linear classifier; logistic loss, 4 samples a weight, weight decay 0.3; "
                "and squared hinge, half a sample a weight, no weight decay",
            ),
            (
                "settings",
                "b = 0.3 and η = 0.1 unless stated; persistence in steps, mean stay outside the batch",
            ),
            (
                "replica distance while interpolating",
                f"of theory and of simulation beside it after {HORIZON}/η steps; it is not monotone in time",
            ),
            *found.sizes.facts,
        ),
        complete=complete,
    )


def _rows(found: Found) -> list[Row]:
    under = {setting.name: one.temperature for setting, one in found.under.items()}
    last = {
        setting.name: float(one.solution.train_error[:, -1].mean()) for setting, one in found.under.items()
    }
    rows = [stationary_row(under, last), lag_row(under)]
    rows += _parameter_rows("theory", lambda setting: found.under[setting].temperature.fit)
    if found.simulated:
        rows += _parameter_rows("simulation", lambda setting: found.simulated[setting].temperature.fit)
    rows += _distance_rows(found)
    if found.interpolated:
        rows += _interpolation_rows(found)
    if found.simulated:
        rows.append(
            agreement_row(
                "theory and simulation, stationary state",
                stationary_comparisons(found.simulated, found.under),
            )
        )
    if found.interpolated:
        rows.append(
            agreement_row(
                "theory and simulation, replica distance while interpolating", _interpolating(found)
            )
        )
    return rows


def _parameter_rows(source: str, fit: Callable[[Setting], Estimate | None]) -> list[Row]:
    def fits(chosen: Iterable[Setting]) -> dict[str, Estimate | None]:
        return {setting.name: fit(setting) for setting in chosen}

    plain, *persistent = BY_PERSISTENCE
    return [
        monotone_row(f"temperature against learning rate, {source}", _FUNCTION, fits(BY_RATE), rising=True),
        monotone_row(
            f"temperature against batch fraction, {source}", _FUNCTION, fits(BY_FRACTION), rising=False
        ),
        monotone_row(f"temperature against persistence, {source}", _FUNCTION, fits(persistent), rising=True),
        hotter_row(
            f"persistent SGD hotter than SGD, {source}",
            "both are characterised; which is hotter is not in the abstract",
            fits(persistent),
            fit(plain),
        ),
    ]


def _distance_rows(found: Found) -> list[Row]:
    heat = {setting.name: one.temperature.fit for setting, one in found.under.items()}
    rows = []
    for where, theory in (("over-parametrised", found.over), ("under-parametrised", found.under)):
        distance = {setting.name: one.distance for setting, one in theory.items()}
        rows.append(
            order_row(
                f"order of temperatures and of replica distances, {where}, theory", _SIMILAR, heat, distance
            )
        )
    return rows


def _interpolation_rows(found: Found) -> list[Row]:
    last = {name: float(one.error.mean()) for name, one in found.interpolated.items()}
    moving = {setting.name: one.temperature for setting, one in found.over.items()}
    paper = "noisier algorithms lead to wider decision boundaries"
    return [
        interpolation_row(moving, last),
        wider_row(
            "boundary width against replica distance, over-parametrised",
            paper,
            {name: one.width for name, one in found.interpolated.items()},
            {name: one.last_distance for name, one in found.interpolated.items()},
        ),
    ]


def stationary_comparisons(
    simulation: Mapping[Setting, Simulated], theory: Mapping[Setting, Theory]
) -> list[Comparison]:
    """At the waiting time: order parameters, loss, error, distance; and the three temperatures.

    Args:
        simulation: of some settings.
        theory: of these, and possibly more.
    """
    compared = []
    for setting, one in simulation.items():
        solution = theory[setting].solution
        step = setting.steps(WAITING)
        place = int((one.times == step).argmax())
        for name in CURVES:
            compared.append(
                Comparison(
                    f"{name.replace('_', ' ')}, {setting.name}",
                    getattr(solution, name)[:, step],
                    one.curves[name][:, place],
                )
            )
        for which in ("short", "fit", "long"):
            compared.append(
                Comparison(
                    f"{which} temperature, {setting.name}",
                    theory[setting].solver_temperatures(which),
                    one.temperatures(which),
                )
            )
    return compared


def _interpolating(found: Found) -> Sequence[Comparison]:
    return [
        Comparison(
            f"replica distance, {setting.name}",
            one.distances,
            found.interpolated[setting.name].distance,
        )
        for setting, one in found.over.items()
        if setting.name in found.interpolated
    ]
