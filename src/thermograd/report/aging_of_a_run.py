"""How a recorded ensemble ages: its displacement from every waiting time on, and the law of the times."""

from __future__ import annotations

from thermograd.errors import ConfigError
from thermograd.estimators import aging
from thermograd.report.characteristic_times import characteristic_times
from thermograd.report.figure import Figure
from thermograd.report.two_time_displacement import two_time_displacement
from thermograd.store.run import Run


def aging_of_a_run(run: Run) -> tuple[Figure, ...]:
    """Displacement against lag, and the times to a threshold with the exponent, of every `TwoTimeDisplacement` of a run.

    Args:
        run: an ensemble.

    Returns:
        Two figures for each; one where there is no exponent, none where nothing is recorded yet.
    """
    drawn: list[Figure] = []
    for name in (key.removesuffix("/lags") for key in run.names if key.endswith("/lags")):
        try:
            table = aging.table(run, name)
            found = aging.aging_exponent(table)
        except ConfigError:  # nothing measured yet, or too little for an exponent
            continue
        thresholds = None if found.exponent is None else found.thresholds
        drawn.append(two_time_displacement(table, thresholds=thresholds, what=run.name))
        if found.exponent is not None:
            drawn.append(characteristic_times({name: (table, found)}, what=run.name))
    return tuple(drawn)
