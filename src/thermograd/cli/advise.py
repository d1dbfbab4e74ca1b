"""`thermograd advise`: from recorded runs to what to do about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from thermograd.cli.exit_codes import DONE


def advise(
    source: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)],
    /,
    *,
    target: float,
    direction: Literal["up", "down"] = "up",
    candidate: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    metric: str | None = None,
    scale: float = 1.0,
    steps_per_epoch: int | None = None,
    counts_from: int | None = None,
    json: Annotated[tuple[Path, ...] | None, Parameter(consume_multiple=(0, 1), negative=())] = None,
    html: Path | None = None,
) -> int:
    """Say whether perturbing training helps, with what and how often, from logs already there.

    Leaving training alone and restarting it from scratch always compete. The advice is printed; with --json alone
    it is printed as one JSON object instead.

    Args:
        source: unperturbed runs, joined if there are several: run directories of thermograd; npz (FILE:KEY names
            an array); csv (one column a run; columns run, step, value; exports of W&B and TensorBoard); parquet
            (columns run, step, value); a folder, or a quoted pattern as 'runs/*.csv', of csv files of one run
            each. May end with the name of the advisor, perturbation_interval.
        target: the value to reach, after scaling.
        direction: whether the value has to rise or to fall to the target.
        candidate: NAME=SOURCE@P, runs perturbed after P epochs (as shrink=perturbed/@20); repeat for more, with
            the same NAME for other intervals.
        metric: which value, where a log or run directory holds several.
        scale: factor of all values, 0.01 for per cent times 100.
        steps_per_epoch: for logs that count steps: count in epochs of that many.
        counts_from: 0 if the log calls the first completed step or epoch 0, as range does.
        json: write a JSON object to this file, or to stdout if no file is named.
        html: write a self-contained page to this file.

    Returns:
        The exit code.

    Raises:
        ConfigError: a file, candidate, target or option cannot be used.
    """
    from thermograd.cli.recorded_advice import advise_on_logs  # here, so that --help needs no numpy
    from thermograd.cli.recorded_log import LogOptions

    advise_on_logs(
        source,
        target=target,
        direction=direction,
        candidate=candidate,
        options=LogOptions(metric, scale, steps_per_epoch, counts_from),
        json=json,
        html=html,
    )
    return DONE
