"""A log that counts steps and has epochs beside them: how many steps an epoch has, and from where they are counted."""

from __future__ import annotations

from thermograd.store.csv_rows import CsvRows, parsed
from thermograd.store.log_columns import EPOCHS, time_column

BEGINNING = "this log has epochs beside its steps"


def epochs_beside_steps(rows: CsvRows, value: int) -> tuple[str, ...]:
    """How the log is read in epochs, as a note; nothing where it has none, or is not evaluated at their ends.

    Args:
        rows: the log of one run.
        value: column of the value.

    Returns:
        One sentence or none.
    """
    time = time_column(rows.header)
    epoch = next((place for place, name in enumerate(rows.lower) if name in EPOCHS), None)
    if time is None or time[1] != "step" or epoch is None:
        return ()
    read = [tuple(map(parsed, cells)) for _, cells in rows.columns(time[0], epoch, value)]
    known = [(step, at) for step, at, cell in read if step is not None and at is not None and cell == cell]
    for from_0, options in ((1, " --counts-from 0"), (0, "")):
        # Lightning counts both from 0: the last of 30 steps is 29, in epoch 0
        ends = {(step + from_0, at + from_0) for step, at in known} - {(0.0, 0.0)}
        lengths = {step / at if at > 0 else 0.0 for step, at in ends}
        length = lengths.pop() if len(lengths) == 1 and len(ends) > 1 else 0.0
        if length > 1 and length.is_integer():
            return (
                f"{BEGINNING}, {length:.0f} steps each: --steps-per-epoch {length:.0f}{options} counts in epochs",
            )
    return ()
