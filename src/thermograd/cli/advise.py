"""`thermograd advise`: from recorded runs to what to do about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from thermograd.cli.exit_codes import DONE


def advise(
    source: Annotated[tuple[str, ...], Parameter(negative=())],
    *,
    target: float,
    direction: Literal["up", "down"] = "up",
    candidate: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    metric: str | None = None,
    scale: float = 1.0,
    steps_per_epoch: int | None = None,
    json: Annotated[tuple[Path, ...] | None, Parameter(consume_multiple=(0, 1), negative=())] = None,
    html: Path | None = None,
) -> int:
    """Say whether perturbing training helps, with what and how often, from logs already there.

    Several SOURCE files are joined, run after run. Leaving training alone and restarting it from scratch
    always compete. The advice is printed; with --json alone it is printed as one JSON object instead.

    Args:
        source: unperturbed runs: run directories of thermograd, npz, wide csv or long csv; FILE:KEY names an
            array of an npz. May end with the name of the advisor, perturbation_interval.
        target: the value to reach, after scaling.
        direction: whether the value has to rise or to fall to the target.
        candidate: NAME=FILE[:KEY]@P, runs perturbed after P epochs; repeat for more.
        metric: which value, where a log or run directory holds several.
        scale: factor of all values, 0.01 for per cent times 100.
        steps_per_epoch: for logs that count steps: count in epochs of that many.
        json: write a JSON object to this file, or to stdout if no file is named.
        html: write a self-contained page to this file.

    Returns:
        The exit code.

    Raises:
        ConfigError: a file, candidate, target or option cannot be used.
    """
    from thermograd.cli.recorded_advice import advise_on_logs  # here, so that --help needs no numpy

    advise_on_logs(
        source,
        target=target,
        direction=direction,
        candidate=candidate,
        metric=metric,
        scale=scale,
        steps_per_epoch=steps_per_epoch,
        json=json,
        html=html,
    )
    return DONE
