"""`thermograd predict`: what theory says, from parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thermograd.cli.exit_codes import DONE
from thermograd.errors import ConfigError

_Word = Annotated[str, Parameter(allow_leading_hyphen=True)]


def predict(
    name: _Word,
    /,
    *option: _Word,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Predict something from parameters: what theory says, where it holds and what it rests on.

    A number or verdict is printed in words, a curve or matrix as csv with a column that says where its assumptions
    hold.

    Args:
        name: what to predict, as first_passage.restart_mean: `thermograd list predictions` prints every name with
            its options, `thermograd list predictions NAME` all about one.
        option: options of the prediction: --learning-rate 0.1 --curvatures 1 0.1. An array is numbers, nested lists
            as JSON, FILE.npy, FILE.npz:NAME or FILE.csv:COLUMN (without COLUMN its column `value`, so what
            `thermograd estimate --csv` wrote can be given as it is).
        from_: a run directory: what it knows and the options do not say is taken from it, as learning rate and
            batch size, and said on stderr.
        json: print one JSON object.

    Returns:
        The exit code.

    Raises:
        ConfigError: the name or an option cannot be used.
    """
    from thermograd.cli.printed_prediction import print_prediction  # here, so that --help needs no numpy

    if name.startswith("-"):
        message = f"NAME comes first, then the options: got {name}"
        raise ConfigError(message)
    print_prediction(name, option, from_, as_json=json)
    return DONE
