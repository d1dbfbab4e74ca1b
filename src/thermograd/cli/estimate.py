"""`thermograd estimate`: one number or curve from recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thermograd.cli.exit_codes import DONE
from thermograd.errors import ConfigError

_Word = Annotated[str, Parameter(allow_leading_hyphen=True)]


def estimate(
    source: _Word,
    name: _Word,
    /,
    *option: _Word,
    metric: str | None = None,
    scale: float | None = None,
    steps_per_epoch: int | None = None,
    counts_from: int | None = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    csv: Path | None = None,
) -> int:
    """Estimate something from recorded runs, with its interval.

    A number or verdict is printed in one line, a curve or matrix as csv. Where runs that never arrived leave a mean
    undefined, what is known is printed and the exit code is 1.

    Args:
        source: recorded runs: a run directory of thermograd; an npz (FILE:KEY names an array); a csv (one column
            a run; columns run, step, value; an export of W&B or TensorBoard); a parquet (columns run, step,
            value); a folder, or a quoted pattern as 'runs/*.csv', of csv files of one run each.
        name: what to estimate, as first_passage.survival_function: `thermograd list estimates` prints every name
            with its options.
        option: options of the estimate, with those of the first-passage times it rests on: --target 0.9
            --direction down --window 20 100.
        metric: which value, where a log or run directory holds several.
        scale: factor of all values, 0.01 for per cent times 100; for stationary_state.detailed_balance a circulation that
            would be large.
        steps_per_epoch: for logs that count steps: count in epochs of that many.
        counts_from: 0 if the log calls the first completed step or epoch 0, as range does.
        json: print one JSON object.
        csv: write the number or curve to this file.

    Returns:
        The exit code.

    Raises:
        ConfigError: the source, the name or an option cannot be used.
        CensoredError: the mean is not defined by these runs; what is has been printed.
    """
    from thermograd.cli.recorded_estimate import estimate_on_log  # here, so that --help needs no numpy
    from thermograd.cli.recorded_log import LogOptions

    if source.startswith("-") or name.startswith("-"):
        message = f"SOURCE and NAME come first, then the options: got {source} {name}. What NAME may be: thermograd list estimates"
        raise ConfigError(message)
    options = LogOptions(metric, scale, steps_per_epoch, counts_from)
    estimate_on_log(source, name, option, options, as_json=json, csv=csv)
    return DONE
